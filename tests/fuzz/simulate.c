/* SPDX-License-Identifier: MIT
 * A script of `resctl simulate` through the engine: the library's own breaker, ledger and limiter on a private segment.
 * Whatever the script says, no slot is counted twice and none is lost. */
#include "tools/simulate.c" /* its static functions are the target */

#include <sys/mman.h>

#include "tests/fuzz/fuzz.h"

static struct run run;
static struct rules *block;

static void check(const struct sim *sim)
{
    uint32_t held = 0, queued = 0, owner;
    for (uint32_t i = 0; i < atomic_load(&seg_header(&sim->segment)->ledger_used); i++) {
        uint64_t word = atomic_load(&seg_entry(&sim->segment, i)->word);
        held += ledger_held(word, &owner);
        queued += ledger_queued(word, &owner);
    }
    const struct seg_row *row = seg_row(&sim->segment, sim->row);
    MUST(ledger_count(atomic_load(&row->account)) == held && ledger_count(atomic_load(&row->queue)) == queued);
}

/* resctl ends soon: it does not free the texts of settings that others replace. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *silent;
    if (size == 0 || size > 2048 || memmem(data, size, "pick", 4) || memmem(data, size, "backoff", 7))
        return 0; /* those print what tests/fuzz/rules.c and the unit tests cover, a million numbers long */
    if (!silent && (silent = freopen("/dev/null", "w", stdout)) == NULL)
        return 0;
    if (!block)
        block = malloc(SEG_RULES_BYTES);
    /* Scripts may go through any configuration; the texts of errors go nowhere. */
    run = (struct run){.destination = "simulate", .block = block};
    FILE *in = fmemopen((void *)(uintptr_t)data, size, "r");
    MUST(in && block && sim_start(&run.sim, 1) && compile(&run));
    if (run_script(&run, in))
        check(&run.sim);
    fclose(in);
    munmap(run.sim.segment.base, (size_t)run.sim.segment.bytes);
    return 0;
}
