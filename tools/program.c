/* SPDX-License-Identifier: MIT
 * Looking at a program before it is started. */
#include "program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "print.h"

enum { INTERPRETERS = 4, HASHBANG = 256 }; /* of Linux: levels followed, bytes read */

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

/* Replaces path by the interpreter of the script there; false when it is no script. */
static bool follow_script(char *path, size_t size)
{
    char line[HASHBANG + 1], found[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t length = fd < 0 ? -1 : read(fd, line, HASHBANG);
    if (fd >= 0)
        close(fd);
    if (length < 2 || line[0] != '#' || line[1] != '!')
        return false;
    line[length] = '\0';
    line[strcspn(line, "\n")] = '\0';
    char *rest = line + 2;
    char *interpreter = next_word(&rest);
    if (interpreter)
        interpreter = behind_env(interpreter, &rest);
    if (!interpreter || !program_find(interpreter, found, sizeof found))
        return false;
    snprintf(path, size, "%s", found);
    return true;
}

static const char *why_privileged(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & S_ISUID))
        return "it is setuid, and the dynamic loader ignores LD_PRELOAD there";
    if (stat(path, &st) == 0 && (st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP))
        return "it is setgid, and the dynamic loader ignores LD_PRELOAD there";
    if (getxattr(path, "security.capability", NULL, 0) > 0)
        return "it has file capabilities, and the dynamic loader ignores LD_PRELOAD there";
    return NULL;
}

static const char *why_unreachable(const struct program *program, const struct elf_facts *library)
{
    const struct elf_facts *facts = &program->facts;
    const char *loader = strrchr(facts->interpreter, '/');
    if (!facts->is_elf)
        return NULL; /* a script without "#!": the shell runs it */
    if (facts->elf_class != library->elf_class || facts->data != library->data || facts->machine != library->machine)
        return "it is of another ELF class or machine than the library";
    if (facts->is_inspected && facts->is_go)
        return "it was built by Go, which makes its system calls without libc";
    if (facts->is_inspected && !facts->has_interpreter)
        return "it is statically linked";
    if (strncmp(loader ? loader + 1 : facts->interpreter, "ld-musl", 7) == 0)
        return "it is linked against musl, and the library needs glibc";
    return why_privileged(program->path);
}

void program_examine(const char *name, const char *library, struct program *program)
{
    struct elf_facts library_facts;
    memset(program, 0, sizeof *program);
    if (!program_find(name, program->path, sizeof program->path)) {
        program->path[0] = '\0';
        return;
    }
    for (int level = 0; level < INTERPRETERS && follow_script(program->path, sizeof program->path); level++)
        ;
    const char *why = NULL;
    if (!elf_read(library, &library_facts) || !elf_read(program->path, &program->facts))
        why = "it cannot be read, and so not be examined";
    else
        why = why_unreachable(program, &library_facts);
    if (why)
        snprintf(program->why, sizeof program->why, "%s", why);
}
