/* SPDX-License-Identifier: MIT
 * Where this library was loaded from. */
#ifndef RESIL_REAL_SELF_H
#define RESIL_REAL_SELF_H

/* self_path(): the path by which the loader found the library; it lives as long as the library. "" when unknown.
 * Constructor only: takes the loader's lock. */
const char *self_path(void);

#endif
