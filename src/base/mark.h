/* SPDX-License-Identifier: MIT
 * The text before the version in the library's own bytes, by which resctl tells which version a process runs. */
#ifndef RESIL_BASE_MARK_H
#define RESIL_BASE_MARK_H

/* In two parts: a reader that names it must not contain it. */
#define LIBRARY_MARK_BEGIN "libresil"
#define LIBRARY_MARK       LIBRARY_MARK_BEGIN " version: "

#endif
