/* SPDX-License-Identifier: MIT
 * The manual pages. */
#ifndef RESCTL_PAGES_H
#define RESCTL_PAGES_H

void page_resctl(void);
void page_conf(void);
void page_library(void);

/* What several pages tell. */
void page_environment(void);
void page_files(void);

#endif
