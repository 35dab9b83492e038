/* SPDX-License-Identifier: MIT
 * What a hook calls before the library is initialised: the bare system call of each symbol. For the few that
 * are more than a system call (stdio, resolver) the next definition is looked up at the first use. */
#ifndef RESIL_REAL_EARLY_H
#define RESIL_REAL_EARLY_H

#include "real/real.h"

#define SYMBOL(name, family, twin) extern __typeof__(name) early_##name;
#include "tables/symbols.tbl.h"

#endif
