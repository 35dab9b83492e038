/* SPDX-License-Identifier: MIT
 * The arguments of faults. */
#include "config/chaos_arguments.h"

#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "config/chaos.h"
#include "config/errnos.h"
#include "config/report.h"

#define DELAY_NS_MAX    (24 * 3600 * 1000000000ll)
#define SHARE_MAX       1000000000 /* prng_below() is exact far beyond */
#define SLICE_BYTES_MAX 1048576

bool chaos_wrong(const struct complaint *complaint, struct slice got, const char *want, const char *nearest)
{
    char shown[64];
    text_format(complaint->text, complaint->size, "%u: got `%s', want %s%s%s", got.column,
                report_printable(got, shown, sizeof shown), want, nearest ? "; the nearest is " : "",
                nearest ? nearest : "");
    return false;
}

bool chaos_delay(const struct complaint *complaint, struct slice text, int64_t *ns)
{
    if (parse_duration(text.text, text.length, ns) && *ns <= DELAY_NS_MAX)
        return true;
    return chaos_wrong(complaint, text, "a duration with its unit (us ms s m h) up to 24h, such as 200ms", NULL);
}

/* D[~SPREAD] */
static bool parse_latency(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    size_t tilde = slice_find(text, "~");
    if (!chaos_delay(complaint, slice_from(text, 0, tilde), &fault->delay_ns))
        return false;
    if (tilde == text.length)
        return true;
    return chaos_delay(complaint, slice_from(text, tilde + 1, text.length), &fault->spread_ns);
}

static bool parse_errno(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    fault->error = chaos_errno(text.text, text.length);
    if (fault->error >= 0)
        return true;
    struct nearest nearest = {.got = text};
    for (const struct chaos_errno *row = chaos_errnos; row->name; row++)
        nearest_offer(&nearest, row->name);
    return chaos_wrong(complaint, text, "the name of an error of sockets", nearest.name);
}

/* 64KB/s: events have no place here, so the unit is obligatory. */
static bool parse_bandwidth(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    size_t slash = slice_find(text, "/");
    bool of_bytes = slash > 0 && slash < text.length && text.text[slash - 1] == 'B';
    if (of_bytes && parse_rate(text.text, text.length, &fault->amount) && fault->amount > 0)
        return true;
    return chaos_wrong(complaint, text, "bytes in a time, such as 64KB/s", NULL);
}

static bool parse_bytes(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    if (parse_size(text.text, text.length, &fault->amount))
        return true;
    return chaos_wrong(complaint, text, "a size with its unit (B KB MB), such as 100B", NULL);
}

static bool parse_between(struct slice text, int64_t low, int64_t high, int64_t *out)
{
    return parse_count(text.text, text.length, out) && *out >= low && *out <= high;
}

/* LOW..HIGH[:DELAY], or one number */
static bool parse_slice(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    size_t colon = slice_find(text, ":");
    struct slice range = slice_from(text, 0, colon);
    size_t dot = slice_find(range, ".");
    struct slice low = slice_from(range, 0, dot), high = low;
    if (dot + 1 < range.length && range.text[dot + 1] == '.')
        high = slice_from(range, dot + 2, range.length);
    else if (dot < range.length)
        high.length = 0;
    if (!parse_between(low, 1, SLICE_BYTES_MAX, &fault->low) ||
        !parse_between(high, fault->low, SLICE_BYTES_MAX, &fault->amount))
        return chaos_wrong(complaint, range, "numbers of bytes such as 1..16", NULL);
    return colon == text.length || chaos_delay(complaint, slice_from(text, colon + 1, text.length), &fault->delay_ns);
}

/* M/N */
static bool parse_share(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    size_t slash = slice_find(text, "/");
    if (slash < text.length && parse_between(slice_from(text, slash + 1, text.length), 1, SHARE_MAX, &fault->amount) &&
        parse_between(slice_from(text, 0, slash), 1, fault->amount, &fault->low))
        return true;
    return chaos_wrong(complaint, text, "a share of the bytes such as 1/1000", NULL);
}

static bool parse_dns(const struct complaint *complaint, struct slice text, struct fault *fault)
{
    static const char delay[] = "delay:";
    const size_t length = sizeof delay - 1;
    if (slice_is(text, "fail") || slice_is(text, "empty")) {
        fault->dns = slice_is(text, "fail") ? FAULT_DNS_FAIL : FAULT_DNS_EMPTY;
        return true;
    }
    fault->dns = FAULT_DNS_DELAY;
    if (text.length < length || memcmp(text.text, delay, length) != 0)
        return chaos_wrong(complaint, text, "fail, empty or delay:D", NULL);
    return chaos_delay(complaint, slice_from(text, length, text.length), &fault->delay_ns);
}

static const struct {
    bool (*parse)(const struct complaint *, struct slice, struct fault *);
    const char *want; /* when there is no '='; NULL: it may be left out */
} rows[] = {
    [ARGUMENT_ERRNO] = {parse_errno, "an errno behind it, such as =ECONNRESET"},
    [ARGUMENT_DURATION] = {parse_latency, "a duration behind it, such as =200ms"},
    [ARGUMENT_AFTER] = {NULL, NULL},
    [ARGUMENT_TIME] = {NULL, "a duration behind it, such as =200ms"},
    [ARGUMENT_RATE] = {parse_bandwidth, "bytes in a time behind it, such as =64KB/s"},
    [ARGUMENT_SLICE] = {parse_slice, "numbers of bytes behind it, such as =1..16"},
    [ARGUMENT_BYTES] = {parse_bytes, "a size behind it, such as =100B"},
    [ARGUMENT_SHARE] = {parse_share, "a share of the bytes behind it, such as =1/1000"},
    [ARGUMENT_DNS] = {parse_dns, "=fail, =empty or =delay:D behind it"},
};

bool chaos_argument(const struct complaint *complaint, enum argument kind, struct slice whole, struct slice text,
                    struct fault *fault)
{
    if (kind == ARGUMENT_NONE)
        return text.text ? chaos_wrong(complaint, whole, "no argument behind it", NULL) : true;
    if (!text.text)
        return rows[kind].want ? chaos_wrong(complaint, whole, rows[kind].want, NULL) : true;
    if (kind == ARGUMENT_AFTER || kind == ARGUMENT_TIME)
        return chaos_delay(complaint, text, &fault->delay_ns);
    return rows[kind].parse(complaint, text, fault);
}
