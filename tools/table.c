/* SPDX-License-Identifier: MIT
 * The table printer. */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"

enum { CELL = 512, GAP = 2 };

void table_cell(struct table *table, const char *format, ...)
{
    char text[CELL];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (table->cells == table->room) {
        size_t room = table->room ? table->room * 2 : 64;
        char **grown = take_memory(room, sizeof *grown);
        if (table->cells)
            memcpy(grown, table->cell, table->cells * sizeof *grown);
        free(table->cell);
        table->cell = grown;
        table->room = room;
    }
    char *cell = take_memory(1, ESCAPED(strlen(text)));
    table->cell[table->cells++] = escape_text(cell, ESCAPED(strlen(text)), text);
}

static const char *title(const struct table *table, size_t column)
{
    const char *text = table->titles[column];
    return *text == '>' ? text + 1 : text;
}

static void print_cell(const struct table *table, size_t column, const char *text, size_t width)
{
    int pad = (int)width;
    if (table->titles[column][0] == '>')
        printf("%*s", pad, text);
    else if (column + 1 < table->columns)
        printf("%-*s", pad, text);
    else
        fputs(text, stdout);
    if (column + 1 < table->columns)
        printf("%*s", GAP, "");
    else
        putchar('\n');
}

void table_print(struct table *table)
{
    size_t width[TABLE_COLUMNS] = {0};
    for (size_t column = 0; column < table->columns; column++)
        width[column] = strlen(title(table, column));
    for (size_t i = 0; i < table->cells; i++) {
        size_t length = strlen(table->cell[i]);
        if (length > width[i % table->columns])
            width[i % table->columns] = length;
    }
    for (size_t column = 0; column < table->columns; column++)
        print_cell(table, column, title(table, column), width[column]);
    for (size_t i = 0; i < table->cells; i++) {
        print_cell(table, i % table->columns, table->cell[i], width[i % table->columns]);
        free(table->cell[i]);
    }
    free(table->cell);
    table->cell = NULL;
    table->cells = table->room = 0;
}
