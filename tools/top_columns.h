/* SPDX-License-Identifier: MIT
 * The columns of `top`: those that fit, each as wide as there is room. */
#ifndef RESCTL_TOP_COLUMNS_H
#define RESCTL_TOP_COLUMNS_H

#include "top.h"

/* top_columns_title(top, line, kind), top_columns_row(...): the line of titles; of an item. Both begin with the mark of
 * the selected line, which stands in place of colours where there are none. */
void top_columns_title(const struct top *top, struct line *line, const struct screen_kind *kind);
void top_columns_row(const struct top *top, struct line *line, const struct screen_kind *kind,
                     const struct top_item *item, bool selected);

#endif
