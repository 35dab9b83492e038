/* SPDX-License-Identifier: MIT
 * Requests and answers of any protocol: byte 0 the protocol, byte 1 where the request ends, byte 2 where the answer is
 * cut into two reads. The verdict must not depend on the cut, but for PostgreSQL: there an error may follow a message
 * that is already an answer, and whoever waited for it would hold the verdict back for nothing. */
#include "policy/replay.h"
#include "policy/sniff.h"
#include "tests/fuzz/fuzz.h"

static int feed(struct sniff *sniff, const uint8_t *answer, size_t length, size_t cut)
{
    uint8_t *first = block_of(answer, cut), *rest = block_of(answer + cut, length - cut);
    int verdict = cut ? sniff_feed(sniff, first, cut) : SNIFF_MORE;
    if ((verdict == SNIFF_MORE || sniff_scans(sniff)) && cut < length)
        verdict = sniff_feed(sniff, rest, length - cut);
    free(first);
    free(rest);
    return verdict;
}

static void one(struct sniff *sniff, const uint8_t *data, size_t size, size_t request)
{
    uint8_t *bytes = block_of(data, request);
    sniff_start(sniff, (enum sniff_protocol)(data[-3] % (SNIFF_TLS + 1)));
    if (request && sniff_request(sniff, bytes, request, true))
        sniff_request(sniff, bytes, request, false);
    sniff_open(sniff);
    if (request)
        replay_binds(bytes, request), replay_allowed(bytes, request);
    free(bytes);
    MUST(request <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sniff whole, cut;
    if (size < 4)
        return 0;
    const uint8_t *text = data + 3;
    size_t length = size - 3, request = data[1] % (length + 1), answer = length - request;
    one(&whole, text, length, request);
    one(&cut, text, length, request);
    if (answer == 0)
        return 0;
    int verdict = feed(&whole, text + request, answer, 0);
    int verdict_cut = feed(&cut, text + request, answer, data[2] % (answer + 1));
    MUST(verdict == SNIFF_MORE || verdict == OBSERVATION_ANSWERED || verdict == OBSERVATION_ANSWER_NEUTRAL ||
         verdict == OBSERVATION_PROTOCOL_ERROR || verdict == OBSERVATION_OVERLOAD || verdict == OBSERVATION_TLS_ALERT);
    sniff_cut(&whole);
    if (data[0] % (SNIFF_TLS + 1) != SNIFF_POSTGRES)
        MUST(verdict == verdict_cut && sniff_interim(&whole) == sniff_interim(&cut) &&
             whole.retry_after_s == cut.retry_after_s && sniff_cut(&whole) == sniff_cut(&cut));
    replay_status(text + request, answer);
    return 0;
}
