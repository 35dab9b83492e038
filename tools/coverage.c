/* SPDX-License-Identifier: MIT
 * Reading coverage. */
#include "coverage.h"

struct coverage coverage_read(const struct seg_coverage *sums)
{
    return (struct coverage){
        .kernel_out = atomic_load_explicit(&sums->kernel_out, memory_order_relaxed),
        .kernel_in = atomic_load_explicit(&sums->kernel_in, memory_order_relaxed),
        .seen_out = atomic_load_explicit(&sums->seen_out, memory_order_relaxed),
        .seen_in = atomic_load_explicit(&sums->seen_in, memory_order_relaxed),
    };
}

/* A forked child that went on after its parent's close has seen bytes that nobody asked the kernel about. */
static double capped(uint64_t seen, uint64_t kernel)
{
    return (double)(seen < kernel ? seen : kernel);
}

bool coverage_ratio(const struct coverage *coverage, double *ratio)
{
    double kernel = (double)coverage->kernel_out + (double)coverage->kernel_in;
    if (!(kernel > 0))
        return false;
    *ratio =
        (capped(coverage->seen_out, coverage->kernel_out) + capped(coverage->seen_in, coverage->kernel_in)) / kernel;
    return true;
}

void coverage_json(struct json *json, const struct coverage *coverage)
{
    double ratio;
    if (!coverage_ratio(coverage, &ratio)) {
        json_null(json, "coverage");
        return;
    }
    json_object(json, "coverage");
    json_number(json, "kernel_out", coverage->kernel_out);
    json_number(json, "kernel_in", coverage->kernel_in);
    json_number(json, "seen_out", coverage->seen_out);
    json_number(json, "seen_in", coverage->seen_in);
    json_real(json, "ratio", ratio);
    json_close(json);
}
