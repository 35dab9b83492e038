/* SPDX-License-Identifier: MIT
 * Hints: rules that are legal and probably not meant. */
#ifndef RESCTL_HINTS_H
#define RESCTL_HINTS_H

#include <stddef.h>

#include "config/rules.h"

enum { HINT_TEXT = 256 };

/* hints_count(): how many questions there are; hint_ask(index, rules, conf, out): whether the answer to one of them is
 * a hint, which is then in out. */
size_t hints_count(void);
bool hint_ask(size_t index, const struct rules *rules, const struct conf *conf, char out[HINT_TEXT]);

#endif
