/* SPDX-License-Identifier: MIT
 * The program that a command line really starts, and whether a preloaded library reaches it. */
#ifndef RESCTL_PROGRAM_H
#define RESCTL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf_facts.h"

enum reach {
#define REACH(id, word, text) REACH_##id,
#include "reach.tbl.h"
    REACH_COUNT
};
extern const char *const reach_words[REACH_COUNT];
extern const char *const reach_texts[REACH_COUNT];

/* Bits of a set of notes are 1 << NOTE_id. */
enum note {
#define NOTE(id, word, text) NOTE_##id,
#include "notes.tbl.h"
    NOTE_COUNT
};
extern const char *const note_words[NOTE_COUNT];
extern const char *const note_texts[NOTE_COUNT];

struct program {
    char asked[4096];   /* as it was found, a script perhaps */
    char path[4096];    /* of the ELF file, behind any interpreters; "" when it could not be found */
    char library[4096]; /* the library that its loader will take */
    struct elf_facts facts;
    enum reach reach;
    uint32_t notes;
};

/* program_examine(name, preload, program): follows PATH, "#!" lines and env; preload is the value of preload_find(). */
void program_examine(const char *name, const char *preload, struct program *program);

/* program_inspect(program, preload): the judgement of program_examine() on program->path. privileges: whether it will
 * be executed, and may gain some. */
void program_inspect(struct program *program, const char *preload, bool privileges);

/* program_preloads(variable): the notes on a value of LD_PRELOAD (NULL: none) and on /etc/ld.so.preload. */
uint32_t program_preloads(const char *variable);

/* program_find(name, out, size): as execvp() would find it; false when it would not. */
bool program_find(const char *name, char *out, size_t size);

#endif
