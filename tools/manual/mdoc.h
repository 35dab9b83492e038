/* SPDX-License-Identifier: MIT
 * Writing mdoc(7) to stdout. */
#ifndef RESCTL_MDOC_H
#define RESCTL_MDOC_H

/* mdoc_begin(name, section, what): title and NAME. */
void mdoc_begin(const char *name, int section, const char *what);
void mdoc_section(const char *title);

/* mdoc_text(text): a paragraph's worth of plain text, wrapped, each sentence on lines of its own. */
void mdoc_text(const char *text);
void mdoc_paragraph(const char *text); /* with a .Pp before it */

/* mdoc_literal(text): a line as it is typed. */
void mdoc_literal(const char *text);
/* mdoc_example(text): several such lines. */
void mdoc_example(const char *text);

/* A list of tags and what they mean. */
void mdoc_list(void);
void mdoc_item(const char *tag);
void mdoc_list_end(void);

/* mdoc_row(tag, text): an item with its text. */
void mdoc_row(const char *tag, const char *text);

#endif
