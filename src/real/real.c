/* SPDX-License-Identifier: MIT
 * The only dlsym of the library. */
#include "real/real.h"

#include <dlfcn.h>
#include <string.h>

#include "real/early.h"

struct real real = {
#define SYMBOL(name, family, twin) .name = early_##name,
#include "tables/symbols.tbl.h"
};

/* A function pointer cannot be assigned from void * in ISO C; POSIX says that the bytes are the same. */
static void resolve(void *member, const char *name)
{
    void *next = dlsym(RTLD_NEXT, name);
    if (next)
        memcpy(member, &next, sizeof next);
}

void real_resolve(void)
{
#define SYMBOL(name, family, twin) resolve(&real.name, #name);
#include "tables/symbols.tbl.h"
}
