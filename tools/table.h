/* SPDX-License-Identifier: MIT
 * Aligned columns of text. Cells are made printable on the way in. */
#ifndef RESCTL_TABLE_H
#define RESCTL_TABLE_H

#include <stddef.h>

enum { TABLE_COLUMNS = 16 };

struct table {
    const char *const *titles; /* a title that begins with '>' is of a column aligned to the right */
    size_t columns;
    size_t cells, room;
    char **cell; /* row by row */
};

/* table_cell(table, format, ...): the next cell, left to right, row after row. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* table_print(table): to stdout; then the table is empty again. */
void table_print(struct table *table);

#endif
