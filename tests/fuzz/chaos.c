/* SPDX-License-Identifier: MIT
 * RESIL_CHAOS: a text becomes faults that can be drawn, or one sentence that says why not. */
#include "base/clock.h"
#include "config/chaos.h"
#include "tests/fuzz/fuzz.h"

static void draw(const struct faults *faults)
{
    MUST(faults->used <= FAULTS_MAX);
    for (uint32_t i = 0; i < faults->used; i++) {
        const struct fault *fault = &faults->fault[i];
        MUST(memchr(fault->target, 0, sizeof fault->target) && fault->probability_ppm <= 1000000);
        MUST(fault->count >= 0 && fault->after >= 0 && fault->delay_ns >= 0 && fault->spread_ns >= 0);
        MUST(fault->kind != FAULT_ERROR || chaos_errno_name(fault->error));
        for (uint64_t ordinal = 0; ordinal < 4; ordinal++) {
            uint64_t stream = fault_stream(1, i, ordinal);
            fault_strikes(fault, stream, ordinal, i, ordinal * NS_PER_S);
            MUST(fault_delay_ns(fault, stream, i, ordinal) >= 0);
            MUST(fault->kind != FAULT_SLICE || fault_slice(fault, stream, ordinal) > 0);
            MUST(fault->kind != FAULT_BANDWIDTH || fault_burst(fault) > 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct faults faults;
    char error[128] = "";
    char *text = text_of(data, size);
    if (chaos_parse(text, &faults, error, sizeof error))
        draw(&faults);
    else
        MUST(faults.used == 0 && error[0] != '\0' && strlen(error) < sizeof error);
    free(text);
    return 0;
}
