/* SPDX-License-Identifier: MIT
 * Rules from the file into the segment, and from the segment into this process. Called while attaching and at
 * connects after a reload; not signal safe; raw system calls only. */
#ifndef RESIL_CONN_LOAD_H
#define RESIL_CONN_LOAD_H

/* load_publish_if_missing(): when the segment has no rules, compiles this process's file and publishes the rules, or
 * the errors. */
void load_publish_if_missing(void);

/* load_refresh(): copies the published rules. One thread at a time; the others keep the old copy. */
void load_refresh(void);

#endif
