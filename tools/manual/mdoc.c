/* SPDX-License-Identifier: MIT
 * mdoc(7): whatever means something to it is written so that it does not. */
#include "mdoc.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { WRAP = 76 };

/* One sign; before: what stands in front of it. A dash before a word is a minus that can be copied. */
static void put_sign(char c, char before)
{
    switch (c) {
    case '\\':
        fputs("\\e", stdout);
        break;
    case '-':
        fputs(before == 0 || strchr(" [-`(", before) ? "\\-" : "-", stdout);
        break;
    case '`':
        fputs("\\(ga", stdout);
        break;
    case '\'':
        fputs("\\(aq", stdout);
        break;
    case '"':
        fputs("\\(dq", stdout);
        break;
    case '~':
        fputs("\\(ti", stdout);
        break;
    case '^':
        fputs("\\(ha", stdout);
        break;
    default:
        putchar(c);
    }
}

static void put_word(const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (i && word[i] == '(' && i + 1 < length && word[i + 1] == ')')
            fputs("\\&", stdout); /* plain text, no markup of a function */
        put_sign(word[i], i ? word[i - 1] : 0);
    }
}

static bool ends_sentence(const char *word, size_t length, const char *rest)
{
    return length > 1 && word[length - 1] == '.' && word[length - 2] != '.' && *rest && isupper((unsigned char)*rest);
}

void mdoc_text(const char *text)
{
    size_t column = 0;
    while (*text) {
        size_t length = strcspn(text, " \n");
        const char *rest = text + length + strspn(text + length, " \n");
        if (column && column + 1 + length > WRAP) {
            putchar('\n');
            column = 0;
        }
        if (column)
            putchar(' ');
        if (column == 0 && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        put_word(text, length);
        column += length + 1;
        if (ends_sentence(text, length, rest)) {
            putchar('\n');
            column = 0;
        }
        text = rest;
    }
    if (column)
        putchar('\n');
}

/* Arguments of a macro: no word may be taken for a macro itself. */
static void put_arguments(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, " ");
        fputs(" \\&", stdout);
        put_word(text, length);
        text += length + strspn(text + length, " ");
    }
    putchar('\n');
}

void mdoc_begin(const char *name, int section, const char *what)
{
    char title[32];
    size_t length = strlen(name);
    for (size_t i = 0; i <= length && i < sizeof title; i++)
        title[i] = (char)toupper((unsigned char)name[i]);
    printf(".Dd November 21, 2026\n.Dt %s %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", title, section, name, what);
}

void mdoc_section(const char *title)
{
    printf(".Sh %s\n", title);
}

void mdoc_paragraph(const char *text)
{
    puts(".Pp");
    mdoc_text(text);
}

void mdoc_literal(const char *text)
{
    fputs(".Dl", stdout);
    put_arguments(text);
}

void mdoc_example(const char *text)
{
    puts(".Bd -literal -offset indent");
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (*text == '.' || *text == '\'')
            fputs("\\&", stdout);
        put_word(text, length);
        putchar('\n');
        text += length + (text[length] == '\n');
    }
    puts(".Ed");
}

void mdoc_list(void)
{
    puts(".Bl -tag -width Ds");
}

void mdoc_item(const char *tag)
{
    fputs(".It", stdout);
    put_arguments(tag);
}

void mdoc_list_end(void)
{
    puts(".El");
}

void mdoc_row(const char *tag, const char *text)
{
    mdoc_item(tag);
    mdoc_text(text);
}
