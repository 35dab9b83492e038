/* SPDX-License-Identifier: MIT
 * The only dlsym of the library. */
#include "real/real.h"

#include <string.h>

#include "real/dynamic.h"
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

static const char *single_threaded; /* libc's own flag; NULL in one that has none. Written once, by the constructor */

bool real_single_threaded(void)
{
    return single_threaded && *(const volatile char *)single_threaded;
}

void real_resolve(void)
{
    single_threaded = dlsym(RTLD_DEFAULT, "__libc_single_threaded");
#define SYMBOL(name, family, twin) resolve(&real.name, #name);
#include "tables/symbols.tbl.h"
}
