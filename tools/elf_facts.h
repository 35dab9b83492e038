/* SPDX-License-Identifier: MIT
 * What an executable file says of itself, as far as it decides whether a preloaded library reaches it. */
#ifndef RESCTL_ELF_FACTS_H
#define RESCTL_ELF_FACTS_H

#include <stdbool.h>
#include <stdint.h>

struct elf_facts {
    bool is_elf;
    uint8_t elf_class, data; /* EI_CLASS, EI_DATA */
    uint16_t machine;
    bool is_inspected;    /* of our own byte order: what follows is known */
    bool has_interpreter; /* a dynamic loader */
    char interpreter[256];
    bool is_go;
    bool needs_nothing; /* no shared library, so no libc either */
    bool loads_modules; /* imports dlopen or dlmopen */
    char asan[64];      /* the needed libasan, "" when there is none */
};

/* elf_read(path, facts): false with errno when the file cannot be read. Believes nothing in it. */
bool elf_read(const char *path, struct elf_facts *facts);

#endif
