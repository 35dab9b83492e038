/* SPDX-License-Identifier: MIT
 * `resctl doctor` and `run` look into executable files of any origin. */
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tools/elf_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    char path[64];
    struct elf_facts facts;
    if (file < 0)
        file = memfd_create("fuzz", MFD_CLOEXEC);
    MUST(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (elf_read(path, &facts))
        MUST(memchr(facts.interpreter, 0, sizeof facts.interpreter) && memchr(facts.asan, 0, sizeof facts.asan));
    return 0;
}
