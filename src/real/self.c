/* SPDX-License-Identifier: MIT
 * Own path, by the object that holds our code. Not dladdr(): that is newer in some versions of libc. */
#include "real/self.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>

static int find(struct dl_phdr_info *info, size_t size, void *path)
{
    uintptr_t own = (uintptr_t)&self_path;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type != PT_LOAD || own < begin || own >= begin + info->dlpi_phdr[i].p_memsz)
            continue;
        *(const char **)path = info->dlpi_name;
        return 1;
    }
    return 0;
}

const char *self_path(void)
{
    const char *path = NULL;
    dl_iterate_phdr(find, &path);
    return path ? path : "";
}
