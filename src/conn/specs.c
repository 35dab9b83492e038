/* SPDX-License-Identifier: MIT
 * Parsed faults, in a list to which is only added. */
#include "conn/specs.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "config/chaos.h"
#include "real/raw.h"

struct spec {
    struct spec *older;
    struct faults faults;
    char text[];
};
static _Atomic(struct spec *) specs;

const struct faults *specs_find(const char *text)
{
    char error[128];
    struct spec *newest = atomic_load(&specs);
    size_t bytes = sizeof *newest + strlen(text) + 1;
    for (const struct spec *spec = newest; spec; spec = spec->older)
        if (strcmp(spec->text, text) == 0)
            return &spec->faults;
    struct spec *fresh = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!fresh)
        return NULL;
    text_copy(fresh->text, strlen(text) + 1, text);
    if (!chaos_parse(text, &fresh->faults, error, sizeof error)) {
        raw_munmap(fresh, bytes);
        return NULL;
    }
    do /* two threads at once: the text is there twice, once */
        fresh->older = newest;
    while (!atomic_compare_exchange_weak(&specs, &newest, fresh));
    return &fresh->faults;
}
