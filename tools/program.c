/* SPDX-License-Identifier: MIT
 * Looking at a program before it is started. */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "preload.h"
#include "print.h"

enum { INTERPRETERS = 5, HASHBANG = 256 }; /* of Linux: levels followed, bytes read */

const char *const reach_words[REACH_COUNT] = {
#define REACH(id, word, text) word,
#include "reach.tbl.h"
};
const char *const reach_texts[REACH_COUNT] = {
#define REACH(id, word, text) text,
#include "reach.tbl.h"
};
const char *const note_words[NOTE_COUNT] = {
#define NOTE(id, word, text) word,
#include "notes.tbl.h"
};
const char *const note_texts[NOTE_COUNT] = {
#define NOTE(id, word, text) text,
#include "notes.tbl.h"
};

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool program_find(const char *name, char *out, size_t size)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/')) {
        snprintf(out, size, "%s", name);
        return is_program(out);
    }
    for (path = path ? path : "/bin:/usr/bin"; *name; path++) {
        size_t length = strcspn(path, ":");
        snprintf(out, size, "%.*s%s%s", (int)length, path, length ? "/" : "", name); /* empty: this directory */
        if (is_program(out))
            return true;
        path += length;
        if (!*path)
            break;
    }
    return false;
}

/* The next word of a "#!" line; NULL at its end. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    size_t length = strcspn(word, " \t\n");
    *rest = word + length + (word[length] != '\0' && word[length] != '\n');
    word[length] = '\0';
    return length ? word : NULL;
}

/* env starts the first of its arguments that is neither an option nor an assignment. */
static char *behind_env(char *interpreter, char **rest)
{
    const char *base = strrchr(interpreter, '/');
    if (strcmp(base ? base + 1 : interpreter, "env") != 0)
        return interpreter;
    for (char *word; (word = next_word(rest));)
        if (word[0] != '-' && !strchr(word, '='))
            return word;
    return interpreter;
}

enum script { SCRIPT_NONE, SCRIPT_FOLLOWED, SCRIPT_BROKEN };

/* Replaces path by the interpreter of the script there. */
static enum script follow_script(char *path, size_t size)
{
    char line[HASHBANG + 1], found[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t length = fd < 0 ? -1 : read(fd, line, HASHBANG);
    if (fd >= 0)
        close(fd);
    if (length < 2 || line[0] != '#' || line[1] != '!')
        return SCRIPT_NONE;
    line[length] = '\0';
    line[strcspn(line, "\n")] = '\0';
    char *rest = line + 2;
    char *interpreter = next_word(&rest);
    if (!interpreter || !is_program(interpreter))
        return SCRIPT_BROKEN;
    interpreter = behind_env(interpreter, &rest);
    if (!program_find(interpreter, found, sizeof found))
        return SCRIPT_BROKEN;
    snprintf(path, size, "%s", found);
    return SCRIPT_FOLLOWED;
}

/* The loader drops LD_PRELOAD where exec gives privileges that its caller has not: not to root, nor to the owner. */
static enum reach privileged(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return REACH_yes;
    if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
        return REACH_setuid;
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
        return REACH_setgid;
    return getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0 ? REACH_capabilities : REACH_yes;
}

static bool is_musl(const char *interpreter)
{
    const char *base = strrchr(interpreter, '/');
    return strncmp(base ? base + 1 : interpreter, "ld-musl", 7) == 0;
}

static bool is_glibc_loader(const char *interpreter)
{
    static const char *const names[] = {"ld-linux", "ld64.so", "ld.so", "ld-2"};
    const char *base = strrchr(interpreter, '/');
    base = base ? base + 1 : interpreter;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(base, names[i], strlen(names[i])) == 0)
            return access(interpreter, R_OK) == 0;
    return false;
}

/* Whether one machine runs the programs of another: only this pair, on one kernel. */
static bool same_machine(uint16_t a, uint16_t b)
{
    return a == b || (a == EM_X86_64 && b == EM_386) || (a == EM_386 && b == EM_X86_64);
}

static enum reach judge(const struct program *program, const struct elf_facts *library, bool library_read)
{
    const struct elf_facts *facts = &program->facts;
    if (library->is_elf && (facts->data != library->data || !same_machine(facts->machine, library->machine)))
        return REACH_machine;
    if (facts->is_inspected && facts->is_go)
        return REACH_go;
    if (facts->is_inspected && !facts->has_interpreter)
        return REACH_linked_statically;
    if (is_musl(facts->interpreter))
        return REACH_musl;
    if (facts->is_inspected && !is_glibc_loader(facts->interpreter))
        return REACH_loader;
    if (!library_read || facts->elf_class != library->elf_class || facts->machine != library->machine)
        return REACH_elf_class;
    return REACH_yes;
}

void program_inspect(struct program *program, const char *preload, bool privileges)
{
    struct elf_facts library, *facts = &program->facts;
    if (!elf_read(program->path, facts)) {
        program->reach = REACH_unreadable;
        return;
    }
    if (!facts->is_elf) {
        program->notes |= 1u << NOTE_shell;
        return;
    }
    bool expanded = preload_library(preload, facts->interpreter, program->library, sizeof program->library);
    bool found = expanded && elf_read(program->library, &library);
    if (!found) /* of the machine at least, the other one tells */
        elf_read("/proc/self/exe", &library);
    program->reach = judge(program, &library, found);
    if (program->reach == REACH_yes && privileges)
        program->reach = privileged(program->path);
    program->notes |= facts->asan[0] ? 1u << NOTE_asan : 0;
    program->notes |= facts->loads_modules ? 1u << NOTE_modules : 0;
    program->notes |= facts->needs_nothing ? 1u << NOTE_no_libraries : 0;
}

static enum reach resolve(const char *name, struct program *program)
{
    if (!program_find(name, program->path, sizeof program->path)) {
        bool exists = strchr(name, '/') && access(name, F_OK) == 0;
        program->path[0] = '\0';
        return exists ? REACH_not_executable : REACH_not_found;
    }
    snprintf(program->asked, sizeof program->asked, "%s", program->path);
    for (int level = 0; level <= INTERPRETERS; level++)
        switch (follow_script(program->path, sizeof program->path)) {
        case SCRIPT_NONE:
            return REACH_yes;
        case SCRIPT_BROKEN:
            return REACH_no_interpreter;
        case SCRIPT_FOLLOWED:
            break;
        }
    return REACH_too_deep;
}

void program_examine(const char *name, const char *preload, struct program *program)
{
    memset(program, 0, sizeof *program);
    program->reach = resolve(name, program);
    if (program->reach == REACH_yes)
        program_inspect(program, preload, true);
}

uint32_t program_preloads(const char *variable)
{
    uint32_t notes = 0;
    struct stat st;
    while (variable && *variable) {
        size_t length = strcspn(variable, ": ");
        const char *base = variable + length;
        while (base > variable && base[-1] != '/')
            base--;
        bool ours = (size_t)(variable + length - base) == strlen(PRELOAD_LIBRARY) &&
                    strncmp(base, PRELOAD_LIBRARY, strlen(PRELOAD_LIBRARY)) == 0;
        if (length && !ours)
            notes |= 1u << NOTE_other_preloads;
        variable += length + (variable[length] != '\0');
    }
    if (stat("/etc/ld.so.preload", &st) == 0 && st.st_size > 0)
        notes |= 1u << NOTE_etc_preload;
    return notes;
}
