/* SPDX-License-Identifier: MIT
 * Goal: every answer gets its verdict however the kernel cuts it into pieces, and what is no answer of the protocol is
 * a success; Retry-After and HTTP 429 reach the breaker as they should. */
#include <stdlib.h>

#include "policy/breaker.h"
#include "policy/sniff.h"
#include "tests/unit/check.h"

#define MORE     SNIFF_MORE
#define OK       OBSERVATION_ANSWERED
#define NEUTRAL  OBSERVATION_ANSWER_NEUTRAL
#define FAILED   OBSERVATION_PROTOCOL_ERROR
#define OVERLOAD OBSERVATION_OVERLOAD
#define ALERT    OBSERVATION_TLS_ALERT

struct sample {
    enum sniff_protocol protocol;
    int verdict;
    size_t length;
    const char *bytes;
};
#define SAMPLE(protocol, verdict, text)                                                                                \
    {                                                                                                                  \
        SNIFF_##protocol, verdict, sizeof text - 1, text                                                               \
    }

#define PG_ERROR(state) "E\0\0\0\x60SFATAL\0VFATAL\0C" state "\0Mno\0Fx.c\0L1\0Rf\0\0"

static const struct sample samples[] = {
    SAMPLE(HTTP, OK, "HTTP/1.1 200 OK\r\n"),
    SAMPLE(HTTP, OK, "HTTP/1.0 404 Not Found\r\n"),
    SAMPLE(HTTP, FAILED, "HTTP/1.1 500 Internal Server Error\r\n"),
    SAMPLE(HTTP, FAILED, "HTTP/1.1 502\r\n"),
    SAMPLE(HTTP, FAILED, "HTTP/1.1 503\n"),
    SAMPLE(HTTP, FAILED, "HTTP/1.1 599 x\r\n"),
    SAMPLE(HTTP, OK, "HTTP/1.1 501 Not Implemented\r\n"),
    SAMPLE(HTTP, OK, "HTTP/1.1 505 Version\r\n"),
    SAMPLE(HTTP, OVERLOAD, "HTTP/1.1 429 Too Many Requests\r\n"),
    SAMPLE(HTTP, OK, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    SAMPLE(HTTP, MORE, "HTTP/1.1 100 Continue\r\n\r\n"),
    SAMPLE(HTTP, MORE, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style; and so on and so on\r\n"),
    SAMPLE(HTTP, FAILED, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 x\r\n"),
    SAMPLE(HTTP, OK, "HTTP/1.1 100 \n\nHTTP/1.1 200 x\r\n"),
    SAMPLE(HTTP, OVERLOAD,
           "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\nRetry-After: 9\r\n"
           "Link: </b.css>; rel=preload; as=style\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 x\r\n"),
    SAMPLE(HTTP, OK, "HTTP/2 500 \r\n"),
    SAMPLE(HTTP, OK, "HTTP/1.x 500 \r\n"),
    SAMPLE(HTTP, OK, "HTTP/1.1 5x0 \r\n"),
    SAMPLE(HTTP, OK, "HTTP/1.1 5000 \r\n"),
    SAMPLE(HTTP, OK, "\0\0\x12\x04\0\0\0\0\0"),
    SAMPLE(REDIS, OK, "+OK\r\n"),
    SAMPLE(REDIS, OK, "$-1\r\n"),
    SAMPLE(REDIS, OK, ":1\r\n"),
    SAMPLE(REDIS, FAILED, "-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
    SAMPLE(REDIS, FAILED, "-LOADING Redis is loading the dataset in memory\r\n"),
    SAMPLE(REDIS, FAILED, "-BUSY Redis is busy running a script.\r\n"),
    SAMPLE(REDIS, FAILED, "-MASTERDOWN Link with MASTER is down\r\n"),
    SAMPLE(REDIS, FAILED, "-CLUSTERDOWN The cluster is down\r\n"),
    SAMPLE(REDIS, FAILED, "-TRYAGAIN\r\n"),
    SAMPLE(REDIS, FAILED, "-ERR max number of clients reached\r\n"),
    SAMPLE(REDIS, NEUTRAL, "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' 'c' 'd' 'e'\r\n"),
    SAMPLE(REDIS, NEUTRAL, "-ERR max\r\n"),
    SAMPLE(REDIS, NEUTRAL, "-BUSYKEY Target key name already exists.\r\n"),
    SAMPLE(REDIS, NEUTRAL, "-READONLY You can't write against a read only replica.\r\n"),
    SAMPLE(REDIS, NEUTRAL, "-MOVED 3999 127.0.0.1:6381\r\n"),
    SAMPLE(REDIS, NEUTRAL, "-ASK 3999 127.0.0.1:6381\r\n"),
    SAMPLE(REDIS, NEUTRAL, "-NOAUTH Authentication required.\r\n"),
    SAMPLE(REDIS, NEUTRAL, "-WRONGTYPE Operation against a key\r\n"),
    SAMPLE(REDIS, MORE, "-OOM"),
    SAMPLE(REDIS, NEUTRAL, "-OOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOMOOM"),
    SAMPLE(POSTGRES, OK, "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"),
    SAMPLE(POSTGRES, OK,
           "R\0\0\0\x08\0\0\0\0S\0\0\0\x16"
           "application_name\0\0Z\0\0\0\x05I"),
    SAMPLE(POSTGRES, FAILED, PG_ERROR("53300")),
    SAMPLE(POSTGRES, FAILED, PG_ERROR("57P01")),
    SAMPLE(POSTGRES, FAILED, PG_ERROR("57P03")),
    SAMPLE(POSTGRES, FAILED, PG_ERROR("08006")),
    SAMPLE(POSTGRES, FAILED, PG_ERROR("XX000")),
    SAMPLE(POSTGRES, NEUTRAL, PG_ERROR("57P04")),
    SAMPLE(POSTGRES, NEUTRAL, PG_ERROR("23505")),
    SAMPLE(POSTGRES, NEUTRAL, PG_ERROR("28P01")),
    SAMPLE(POSTGRES, NEUTRAL, PG_ERROR("40P01")),
    SAMPLE(POSTGRES, NEUTRAL, PG_ERROR("40001")),
    SAMPLE(POSTGRES, NEUTRAL, "E\0\0\0\x20SERROR\0Mno state\0\0"),
    SAMPLE(POSTGRES, MORE, "E\0\0\0\x20SERROR\0C533"),
    SAMPLE(POSTGRES, FAILED, "Ecould not fork new process for connection: Resource temporarily unavailable\n"),
    SAMPLE(POSTGRES, OK, "N\0\0\0\x40SNOTICE\0"),
    SAMPLE(MYSQL, OK,
           "\x4a\0\0\0\x0a"
           "8.0.36\0\x08\0\0\0"),
    SAMPLE(MYSQL, FAILED, "\x17\0\0\0\xff\x10\x04Too many connections"),
    SAMPLE(MYSQL, FAILED, "\x17\0\0\0\xff\x69\x04Host is blocked"),
    SAMPLE(MYSQL, FAILED, "\x17\0\0\x02\xff\xb3\x04#42000User has"),
    SAMPLE(MYSQL, FAILED, "\x17\0\0\x01\xff\x1d\x04#08S01Server shutdown"),
    SAMPLE(MYSQL, FAILED, "\x17\0\0\x01\xff\x86\x04#08S01"),
    SAMPLE(MYSQL, FAILED, "\x17\0\0\x01\xff\x89\x04#08S01"),
    SAMPLE(MYSQL, NEUTRAL, "\x17\0\0\x01\xff\x8a\x04#08S01"),
    SAMPLE(MYSQL, FAILED, "\x17\0\0\x01\xff\x29\x23#HY000Max connect timeout"),
    SAMPLE(MYSQL, NEUTRAL, "\x17\0\0\x02\xff\x15\x04#28000Access denied"),
    SAMPLE(MYSQL, OK, "\x07\0\0\x01\0\0\0\x02\0\0\0"),
    SAMPLE(MYSQL, MORE, "\x17\0\0\x01"),
    SAMPLE(SMTP, OK, "220 mx ESMTP\r\n"),
    SAMPLE(SMTP, OK, "220-mx ESMTP\r\n"),
    SAMPLE(SMTP, FAILED, "421 too busy\r\n"),
    SAMPLE(SMTP, FAILED, "450 not now\r\n"),
    SAMPLE(SMTP, FAILED, "554 no service\r\n"),
    SAMPLE(SMTP, NEUTRAL, "550 go away\r\n"),
    SAMPLE(SMTP, OK, "4211 of 5000\r\n"),
    SAMPLE(SMTP, MORE, "421"),
    SAMPLE(MEMCACHED, OK, "STORED\r\n"),
    SAMPLE(MEMCACHED, OK, "END\r\n"),
    SAMPLE(MEMCACHED, FAILED, "SERVER_ERROR out of memory storing object\r\n"),
    SAMPLE(MEMCACHED, NEUTRAL, "ERROR\r\n"),
    SAMPLE(MEMCACHED, NEUTRAL, "CLIENT_ERROR bad data chunk\r\n"),
    SAMPLE(MEMCACHED, MORE, "SERVER_"),
    SAMPLE(TLS, OK, "\x16\x03\x03\0\x7a\x02\0\0\x76"),
    SAMPLE(TLS, ALERT, "\x15\x03\x03\0\x02\x02\x28"),
    SAMPLE(TLS, OK, "\x15\x03\x03\0\x02\x01\x70"),
    SAMPLE(TLS, OK, "HTTP/1.1 400 Bad Request\r\n"),
    SAMPLE(OFF, OK, "HTTP/1.1 500 x\r\n"),
};
enum { SAMPLES = sizeof samples / sizeof samples[0] };

/* In memory of exactly its size, so that the sanitizer sees a byte too many. */
static int feed(struct sniff *sniff, const char *bytes, size_t length)
{
    char *copy = malloc(length ? length : 1);
    memcpy(copy, bytes, length);
    int verdict = sniff_feed(sniff, copy, length);
    free(copy);
    return verdict;
}

#define FEED(sniff, text) feed(&(sniff), text, sizeof text - 1)

static struct sniff opened(enum sniff_protocol protocol)
{
    struct sniff sniff;
    sniff_start(&sniff, protocol);
    sniff_open(&sniff);
    return sniff;
}

static void every_split(const struct sample *sample)
{
    for (size_t first = 0; first <= sample->length; first++)
        for (size_t second = first; second <= sample->length; second++) {
            struct sniff sniff = opened(sample->protocol);
            int early = feed(&sniff, sample->bytes, first);
            feed(&sniff, sample->bytes + first, second - first);
            int verdict = feed(&sniff, sample->bytes + second, sample->length - second);
            if (!CHECK_INT(verdict, sample->verdict) || !CHECK(early == MORE || early == verdict))
                fprintf(stderr, "    %.40s, cut at %zu and %zu\n", sample->bytes, first, second);
        }
}

static void byte_by_byte(const struct sample *sample)
{
    struct sniff sniff = opened(sample->protocol);
    int verdict = MORE;
    for (size_t i = 0; i < sample->length; i++)
        verdict = feed(&sniff, sample->bytes + i, 1);
    CHECK_INT(verdict, sample->verdict);
    if (verdict == MORE)
        CHECK(sniff_cut(&sniff) == OK);
}

/* Anything may come: a verdict, or a wait that ends; nothing is read or written where it must not. */
static void garbage(void)
{
    uint32_t state = 7;
    for (int round = 0; round < 40000; round++) {
        struct sniff sniff = opened((enum sniff_protocol)(round % (SNIFF_TLS + 1)));
        const struct sample *base = &samples[(round * 31) % SAMPLES];
        for (int piece = 0; piece < 6; piece++) {
            char bytes[96];
            size_t length = (state >> 8) % sizeof bytes;
            for (size_t i = 0; i < length; i++) {
                state = state * 1664525 + 1013904223;
                bytes[i] = state >> 30 ? base->bytes[(i + (state >> 16)) % base->length] : (char)(state >> 20);
            }
            state = state * 1664525 + 1013904223;
            sniff_request(&sniff, bytes, length, (state >> 28) == 0);
            int verdict = feed(&sniff, bytes, length);
            CHECK(verdict >= MORE && verdict < OBSERVATION_COUNT);
            CHECK(sniff.used <= SNIFF_BYTES);
        }
    }
}

/* ---- Retry-After */

struct retry_after {
    uint32_t seconds;
    const char *head;
};

static const struct retry_after retry_afters[] = {
    {120, "HTTP/1.1 503 x\r\nRetry-After: 120\r\n\r\n"},
    {120, "HTTP/1.1 429 x\r\nServer: y\r\nretry-AFTER:120 \r\n\r\n"},
    {7, "HTTP/1.1 503 x\nX-Retry-After: 9\nRetry-After:\t7\nDate: now\n\n"},
    {0, "HTTP/1.1 500 x\r\nRetry-After: 120\r\n\r\n"},
    {0, "HTTP/1.1 200 x\r\nRetry-After: 120\r\n\r\n"},
    {0, "HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n"},
    {0, "HTTP/1.1 503 x\r\nRetry-After: 1.5\r\n\r\n"},
    {0, "HTTP/1.1 503 x\r\nRetry-After: \r\n\r\n"},
    {0, "HTTP/1.1 503 x\r\nRetry-After: -5\r\n\r\n"},
    {0, "HTTP/1.1 503 x\r\nRetry-After: 12"},
    {0, "HTTP/1.1 503 x\r\n\r\nRetry-After: 120\r\n"},
    {0, "HTTP/1.1 103 x\r\nRetry-After: 5\r\n\r\nHTTP/1.1 503 x\r\n\r\n"},
    {365 * 86400, "HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999\r\n\r\n"},
};

static void retry_after(void)
{
    for (size_t i = 0; i < sizeof retry_afters / sizeof retry_afters[0]; i++) {
        const char *head = retry_afters[i].head;
        for (size_t cut = 0; cut <= strlen(head); cut++) {
            struct sniff sniff = opened(SNIFF_HTTP);
            feed(&sniff, head, cut);
            feed(&sniff, head + cut, strlen(head) - cut);
            CHECK_INT(sniff.retry_after_s, retry_afters[i].seconds);
        }
    }
}

static void long_heads(void)
{
    static const char filler[] = "X-Filler: 0123456789012345678901234567890123456789\r\n";
    struct sniff far_away = opened(SNIFF_HTTP), endless = opened(SNIFF_HTTP);
    CHECK_INT(FEED(far_away, "HTTP/1.1 503 x\r\n"), FAILED);
    CHECK_INT(FEED(endless, "HTTP/1.1 103 x\r\n"), MORE);
    for (int i = 0; i < SNIFF_HEAD_BYTES / 50; i++) {
        feed(&far_away, filler, sizeof filler - 1);
        feed(&endless, filler, sizeof filler - 1);
    }
    CHECK(!sniff_scans(&far_away));
    CHECK_INT(FEED(far_away, "Retry-After: 5\r\n"), FAILED);
    CHECK_INT(far_away.retry_after_s, 0);
    CHECK_INT(feed(&endless, filler, sizeof filler - 1), OK);
}

/* ---- what a connection remembers */

static bool ask(struct sniff *sniff, const char *bytes, size_t length)
{
    bool more = sniff_request(sniff, bytes, length, false);
    sniff_open(sniff);
    return more;
}
#define ASK(sniff, text) ask(&(sniff), text, sizeof text - 1)

#define SSL_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"
#define GSS_REQUEST "\0\0\0\x08\x04\xd2\x16\x30"
#define STARTUP     "\0\0\0\x12\0\3\0\0user\0me\0\0"
#define HELLO       "\x16\x03\x01\x02\0\x01\0\x01\xfc"

static void postgres_upgrades(void)
{
    struct sniff sniff;
    sniff_start(&sniff, SNIFF_POSTGRES);
    CHECK(ASK(sniff, GSS_REQUEST));
    CHECK_INT(FEED(sniff, "N"), MORE);
    CHECK(sniff_interim(&sniff) && sniff_cut(&sniff) == NEUTRAL);
    CHECK(ASK(sniff, SSL_REQUEST));
    CHECK(!sniff_interim(&sniff));
    CHECK_INT(FEED(sniff, "N"), MORE);
    CHECK(sniff_interim(&sniff));
    CHECK(!ASK(sniff, STARTUP));
    CHECK_INT(FEED(sniff, PG_ERROR("53300")), FAILED);

    sniff_start(&sniff, SNIFF_POSTGRES);
    ASK(sniff, SSL_REQUEST);
    CHECK_INT(FEED(sniff, "S"), MORE);
    CHECK(!ASK(sniff, HELLO));
    CHECK_INT(FEED(sniff, "\x15\x03\x03\0\x02\x02\x28"), ALERT);
    ASK(sniff, "encrypted");
    CHECK_INT(FEED(sniff, PG_ERROR("53300")), OK);

    sniff_start(&sniff, SNIFF_POSTGRES);
    ASK(sniff, SSL_REQUEST);
    CHECK_INT(FEED(sniff, "E"), FAILED);
    sniff_start(&sniff, SNIFF_POSTGRES);
    ASK(sniff, GSS_REQUEST);
    CHECK_INT(FEED(sniff, "G"), MORE);
    ASK(sniff, "a GSSAPI token");
    CHECK_INT(FEED(sniff, PG_ERROR("53300")), OK);
}

static void tls_stops_sniffing(void)
{
    struct sniff sniff;
    sniff_start(&sniff, SNIFF_HTTP);
    CHECK(!sniff_request(&sniff, HELLO, sizeof HELLO - 1, true));
    sniff_open(&sniff);
    CHECK_INT(FEED(sniff, "\x16\x03\x03"), OK);
    ASK(sniff, "encrypted");
    CHECK_INT(FEED(sniff, "HTTP/1.1 500 x\r\n"), OK);
    sniff_start(&sniff, SNIFF_OFF);
    sniff_request(&sniff, HELLO, sizeof HELLO - 1, false);
    CHECK_INT(sniff.protocol, SNIFF_OFF);
}

static void smtp_connections(void)
{
    struct sniff sniff = opened(SNIFF_SMTP);
    CHECK_INT(FEED(sniff, "220 mx\r\n"), OK);
    CHECK(ASK(sniff, "EHLO me\r\n"));
    CHECK_INT(FEED(sniff, "250-mx\r\n"), OK);
    ASK(sniff, "RCPT TO:<a@b>\r\n");
    CHECK_INT(FEED(sniff, "450 greylisted\r\n"), NEUTRAL);
    ASK(sniff, "RCPT TO:<a@b>\r\n");
    CHECK_INT(FEED(sniff, "554 no\r\n"), NEUTRAL);
    ASK(sniff, "RCPT TO:<a@b>\r\n");
    CHECK_INT(FEED(sniff, "421 closing\r\n"), FAILED);
    CHECK(!ASK(sniff, "starttls\r\n"));
    CHECK_INT(FEED(sniff, "421 closing\r\n"), OK);
    sniff = opened(SNIFF_SMTP);
    FEED(sniff, "220 mx\r\n");
    CHECK(!ASK(sniff, "EHLO me\r\nSTARTTLS\r\n"));
    CHECK_INT(FEED(sniff, "421 x\r\n"), OK);
}

/* CLIENT_SSL stands in the second byte of the capabilities: the third says nothing of it. */
static void mysql_capabilities(void)
{
    static const uint8_t plain[] = {32, 0, 0, 1, 0, 0, 0x08, 0}, tls[] = {32, 0, 0, 1, 0, 0x08, 0, 0};
    struct sniff sniff;
    sniff_start(&sniff, SNIFF_MYSQL);
    sniff_request(&sniff, plain, sizeof plain, false);
    CHECK_INT(sniff.protocol, SNIFF_MYSQL);
    sniff_request(&sniff, tls, sizeof tls, false);
    CHECK_INT(sniff.protocol, SNIFF_TLS);
}

static void mysql_connections(void)
{
    static const char refused[] = "\x17\0\0\x02\xff\xb3\x04#42000";
    struct sniff sniff = opened(SNIFF_MYSQL);
    CHECK_INT(FEED(sniff, "\x4a\0\0\0\x0a"), OK);
    CHECK(!ASK(sniff, "\x20\0\0\1\x85\xae\xff\1\0\0\0\1"));
    CHECK_INT(FEED(sniff, "\x15\x03\x03\0\x02\x02\x28"), ALERT);
    sniff = opened(SNIFF_MYSQL);
    FEED(sniff, "\x4a\0\0\0\x0a");
    ASK(sniff, "\xb2\0\0\1\xa5\xae\xff\1\0\0\0\1"); /* compressed behind the login */
    CHECK_INT(feed(&sniff, refused, sizeof refused - 1), FAILED);
    ASK(sniff, "\x21\0\0\0\0\0\0");
    CHECK_INT(feed(&sniff, refused, sizeof refused - 1), OK);
    sniff = opened(SNIFF_MYSQL);
    FEED(sniff, "\x4a\0\0\0\x0a");
    ASK(sniff, "\xb2\0\0\1\x85\xa6\xff\1\0\0\0\1");
    FEED(sniff, "\x07\0\0\2\0\0\0\2\0\0\0");
    ASK(sniff, "\x21\0\0\0\3select 1");
    CHECK_INT(feed(&sniff, refused, sizeof refused - 1), FAILED);
}

static void http_continues(void)
{
    struct sniff sniff = opened(SNIFF_HTTP);
    CHECK_INT(FEED(sniff, "HTTP/1.1 100 Continue\r\n\r\n"), MORE);
    CHECK(sniff_interim(&sniff));
    sniff_open(&sniff); /* the body is written */
    CHECK_INT(FEED(sniff, "HTTP/1.1 500 x\r\n"), FAILED);
    CHECK(!sniff_interim(&sniff));
    sniff_open(&sniff);
    CHECK_INT(FEED(sniff, "HTTP/1.1 101 x\r\n\r\n"), OK);
    sniff_open(&sniff);
    CHECK_INT(FEED(sniff, "HTTP/1.1 500 x\r\n"), OK);
}

/* ---- the breaker */

static const struct conf conf = {
    .breaker_failures = 3,
    .breaker_ratio_ppm = 500000,
    .breaker_min_calls = 4,
    .breaker_open_time_ns = 5000000000,
    .breaker_open_max_ns = 60000000000,
    .breaker_multiplier_ppm = 2 * PPM,
    .breaker_jitter_ppm = 100000,
    .breaker_probes = 1,
    .breaker_successes = 1,
    .breaker_halfopen_failures = 1,
};

static struct breaker_step result(struct breaker breaker, enum outcome outcome, uint32_t failed, uint64_t retry_after_s)
{
    struct window_sum sum = {.calls = 4, .failed = failed};
    struct ticket ticket = {.generation = breaker.generation, .probe = true};
    return breaker_result(&breaker, &conf, ticket, outcome, false, &sum, 1000000000, 12345, retry_after_s * 1000000000);
}

static void overload(void)
{
    struct breaker closed = {.state = STATE_CLOSED, .consecutive = 2};
    struct breaker half_open = {.state = STATE_HALF_OPEN, .exponent = 1};
    struct breaker_step step = result(closed, OUTCOME_OVERLOAD, 1, 0);
    CHECK(step.next.state == STATE_CLOSED && step.next.consecutive == 2 && !step.changed);
    CHECK_INT(result(closed, OUTCOME_FAILURE, 1, 0).reason, REASON_CONSECUTIVE);
    CHECK_INT(result(closed, OUTCOME_OVERLOAD, 2, 0).reason, REASON_RATIO);
    step = result(half_open, OUTCOME_OVERLOAD, 0, 0);
    CHECK(step.next.state == STATE_OPEN && step.reason == REASON_PROBE_FAILED);
}

static uint64_t open_s(struct breaker_step step)
{
    return step.next.state == STATE_OPEN ? (step.next.until_us - 1000000) / 1000000 : 0;
}

static void asked_open_time(void)
{
    struct breaker closed = {.state = STATE_CLOSED, .consecutive = 2};
    struct breaker half_open = {.state = STATE_HALF_OPEN, .exponent = 1};
    CHECK_INT(open_s(result(closed, OUTCOME_FAILURE, 0, 17)), 17);
    CHECK_INT(open_s(result(closed, OUTCOME_FAILURE, 0, 1)), 5);
    CHECK_INT(open_s(result(closed, OUTCOME_FAILURE, 0, 3600)), 60);
    CHECK_INT(open_s(result(half_open, OUTCOME_OVERLOAD, 0, 17)), 17);
    CHECK_INT(open_s(result((struct breaker){.state = STATE_CLOSED}, OUTCOME_FAILURE, 0, 17)), 0);
}

int main(void)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        every_split(&samples[i]);
        byte_by_byte(&samples[i]);
    }
    garbage();
    retry_after();
    long_heads();
    postgres_upgrades();
    tls_stops_sniffing();
    smtp_connections();
    mysql_capabilities();
    mysql_connections();
    http_continues();
    overload();
    asked_open_time();
    return check_end();
}
