/* SPDX-License-Identifier: MIT
 * The first bytes of answers. Redis: RESP; PostgreSQL: protocol chapter 55, error fields and SQLSTATE; MySQL: the ERR
 * packet; SMTP: RFC 5321; memcached: the text protocol; TLS: RFC 8446 section 6. */
#include "policy/sniff.h"

#include <string.h>
#include <strings.h>

enum upgrade { UPGRADE_NONE, UPGRADE_SSL, UPGRADE_GSS, UPGRADE_ACCEPTED };

enum { TLS_ALERT_RECORD = 21, TLS_HANDSHAKE_RECORD = 22, TLS_FATAL = 2 };

static bool is_tls_handshake(const uint8_t *bytes, size_t length)
{
    return length >= 2 && bytes[0] == TLS_HANDSHAKE_RECORD && bytes[1] == 3;
}

/* -1: too short to tell. */
static int begins(const uint8_t *bytes, size_t length, const char *text)
{
    size_t whole = strlen(text);
    if (memcmp(bytes, text, length < whole ? length : whole) != 0)
        return 0;
    return length < whole ? -1 : 1;
}

/* ---- what the client says */

/* SSLRequest and GSSENCRequest: eight bytes, a length and a number that is no protocol version. */
static enum upgrade upgrade_asked(const uint8_t *bytes, size_t length)
{
    static const uint8_t request[7] = {0, 0, 0, 8, 0x04, 0xd2, 0x16};
    if (length != 8 || memcmp(bytes, request, sizeof request) != 0)
        return UPGRADE_NONE;
    return bytes[7] == 0x2f ? UPGRADE_SSL : bytes[7] == 0x30 ? UPGRADE_GSS : UPGRADE_NONE;
}

static bool postgres_request(struct sniff *sniff, const uint8_t *bytes, size_t length)
{
    if (sniff->upgrade == UPGRADE_ACCEPTED) {
        sniff->protocol = is_tls_handshake(bytes, length) ? SNIFF_TLS : SNIFF_OFF;
        return false;
    }
    sniff->upgrade = (uint8_t)upgrade_asked(bytes, length);
    return sniff->upgrade != UPGRADE_NONE;
}

/* The client's first packet names its capabilities. TLS begins without an answer in between; a compressed protocol
 * begins behind the answer. */
static bool mysql_request(struct sniff *sniff, const uint8_t *bytes, size_t length)
{
    enum { CLIENT_COMPRESS = 0x20, CLIENT_SSL = 0x800, CLIENT_ZSTD_BYTE = 0x04, SSL_REQUEST_BYTES = 32 };
    if (length < 8 || bytes[3] != 1)
        return false;
    uint32_t payload_bytes = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    uint32_t capabilities = (uint32_t)bytes[4] | (uint32_t)bytes[5] << 8;
    if ((capabilities & CLIENT_SSL) && payload_bytes <= SSL_REQUEST_BYTES)
        sniff->protocol = SNIFF_TLS;
    else if ((capabilities & CLIENT_COMPRESS) || (bytes[7] & CLIENT_ZSTD_BYTE))
        sniff->closing = true;
    return false;
}

/* STARTTLS ends a group of commands (RFC 3207 section 4), so it stands alone or last. */
static bool smtp_request(struct sniff *sniff, const char *bytes, size_t length)
{
    static const char command[] = "STARTTLS";
    static const char at_end[] = "\nSTARTTLS\r\n";
    size_t end = sizeof at_end - 1;
    bool first = length >= sizeof command - 1 && strncasecmp(bytes, command, sizeof command - 1) == 0;
    bool last = length >= end && strncasecmp(bytes + length - end, at_end, end) == 0;
    if (first || last)
        sniff->protocol = SNIFF_OFF;
    return !first && !last;
}

bool sniff_request(struct sniff *sniff, const void *bytes, size_t length, bool fresh)
{
    if (fresh && is_tls_handshake(bytes, length)) {
        sniff->protocol = SNIFF_TLS;
        return false;
    }
    switch ((enum sniff_protocol)sniff->protocol) {
    case SNIFF_POSTGRES:
        return postgres_request(sniff, bytes, length);
    case SNIFF_MYSQL:
        return mysql_request(sniff, bytes, length);
    case SNIFF_SMTP:
        return smtp_request(sniff, bytes, length);
    case SNIFF_OFF:
    case SNIFF_HTTP:
    case SNIFF_REDIS:
    case SNIFF_MEMCACHED:
    case SNIFF_TLS:
        break;
    }
    return false;
}

/* ---- what the server answers: each gets all that was seen, at least one byte */

/* A word is compared whole: -BUSYKEY and -BUSYGROUP are not -BUSY. */
static int redis(const uint8_t *bytes, size_t length)
{
    static const char *const failures[] = {"OOM", "LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"};
    size_t end = 1;
    if (bytes[0] != '-')
        return bytes[0] == '!' ? OBSERVATION_ANSWER_NEUTRAL : OBSERVATION_ANSWERED;
    while (end < length && bytes[end] > ' ')
        end++;
    if (end == length)
        return SNIFF_MORE;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (strlen(failures[i]) == end - 1 && memcmp(bytes + 1, failures[i], end - 1) == 0)
            return OBSERVATION_PROTOCOL_ERROR;
    switch (begins(bytes, length, "-ERR max number of clients")) {
    case 1:
        return OBSERVATION_PROTOCOL_ERROR;
    case 0:
        return OBSERVATION_ANSWER_NEUTRAL;
    }
    return SNIFF_MORE;
}

/* 53 no resources, 57P01..3 shutting down or starting, 08 connection, XX internal error. */
static bool is_outage(const uint8_t *state)
{
    return memcmp(state, "53", 2) == 0 || memcmp(state, "08", 2) == 0 || memcmp(state, "XX", 2) == 0 ||
           (memcmp(state, "57P0", 4) == 0 && state[4] >= '1' && state[4] <= '3');
}

/* The fields of an ErrorResponse: a letter and a terminated text each. */
static int postgres_error(const uint8_t *bytes, size_t length)
{
    enum { SQLSTATE_BYTES = 5 };
    for (size_t i = 5; i < length; i++) {
        if (bytes[i] == '\0')
            return OBSERVATION_ANSWER_NEUTRAL;
        if (bytes[i] == 'C')
            return length - i - 1 < SQLSTATE_BYTES ? SNIFF_MORE
                   : is_outage(bytes + i + 1)      ? OBSERVATION_PROTOCOL_ERROR
                                                   : OBSERVATION_ANSWER_NEUTRAL;
        const uint8_t *end = memchr(bytes + i, '\0', length - i);
        if (!end)
            return SNIFF_MORE;
        i = (size_t)(end - bytes);
    }
    return SNIFF_MORE;
}

/* Complete messages before the first error are passed over, as far as they were seen: the error of a full server comes
 * in one piece with AuthenticationOk. */
static int postgres_messages(const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        if (bytes[0] == 'E') {
            /* Without a length, an ancient form: the server could not even fork. */
            if (length > 1 && bytes[1] != 0)
                return OBSERVATION_PROTOCOL_ERROR;
            return postgres_error(bytes, length);
        }
        if (length < 5 || bytes[1] != 0)
            break;
        size_t message =
            1 + ((size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | (size_t)bytes[4]);
        if (message < 5 || message >= length)
            break;
        bytes += message;
        length -= message;
    }
    return OBSERVATION_ANSWERED;
}

static int postgres(struct sniff *sniff, const uint8_t *bytes, size_t length)
{
    bool asked = sniff->upgrade == UPGRADE_SSL || sniff->upgrade == UPGRADE_GSS;
    uint8_t yes = sniff->upgrade == UPGRADE_SSL ? 'S' : 'G';
    if (asked && bytes[0] == 'E')
        return OBSERVATION_PROTOCOL_ERROR;
    if (asked && length == 1 && (bytes[0] == yes || bytes[0] == 'N')) {
        sniff->interim = true;
        if (bytes[0] == yes)
            sniff->upgrade = UPGRADE_ACCEPTED;
        return SNIFF_MORE;
    }
    return postgres_messages(bytes, length);
}

/* length:3 | sequence:1 | 0xff | code:2 */
static int mysql(const uint8_t *bytes, size_t length)
{
    static const uint16_t failures[] = {
        1040,                   /* too many connections */
        1053,                   /* server shutdown */
        1129,                   /* host is blocked */
        1158, 1159, 1160, 1161, /* reading and writing packets */
        1203,                   /* too many connections of this user */
        9001,                   /* ProxySQL: max connect timeout reached */
    };
    enum { HEADER = 4, ERR = 0xff };
    if (length <= HEADER)
        return SNIFF_MORE;
    if (bytes[HEADER] != ERR)
        return OBSERVATION_ANSWERED;
    if (length < HEADER + 3)
        return SNIFF_MORE;
    uint32_t code = (uint32_t)bytes[HEADER + 1] | (uint32_t)bytes[HEADER + 2] << 8;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (code == failures[i])
            return OBSERVATION_PROTOCOL_ERROR;
    return OBSERVATION_ANSWER_NEUTRAL;
}

static int smtp(const uint8_t *bytes, size_t length, bool greeting)
{
    enum { CODE = 3 };
    for (size_t i = 0; i < length && i < CODE; i++)
        if (bytes[i] < '0' || bytes[i] > '9')
            return OBSERVATION_ANSWERED;
    if (length <= CODE)
        return SNIFF_MORE;
    if (!strchr(" -\r\n", bytes[CODE]) || bytes[CODE] == '\0')
        return OBSERVATION_ANSWERED;
    if (begins(bytes, length, "421") == 1 || (greeting && (bytes[0] == '4' || begins(bytes, length, "554") == 1)))
        return OBSERVATION_PROTOCOL_ERROR;
    return bytes[0] == '4' || bytes[0] == '5' ? OBSERVATION_ANSWER_NEUTRAL : OBSERVATION_ANSWERED;
}

static int memcached(const uint8_t *bytes, size_t length)
{
    static const struct {
        const char *text;
        int observation;
    } errors[] = {{"SERVER_ERROR", OBSERVATION_PROTOCOL_ERROR},
                  {"CLIENT_ERROR", OBSERVATION_ANSWER_NEUTRAL},
                  {"ERROR", OBSERVATION_ANSWER_NEUTRAL}};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int match = begins(bytes, length, errors[i].text);
        if (match != 0)
            return match > 0 ? errors[i].observation : SNIFF_MORE;
    }
    return OBSERVATION_ANSWERED;
}

/* type:1 | version:2 | length:2 | level:1 */
static int tls(struct sniff *sniff, const uint8_t *bytes, size_t length)
{
    enum { LEVEL = 5 };
    sniff->last = true; /* the rest is encrypted */
    if (bytes[0] != TLS_ALERT_RECORD || (length > 1 && bytes[1] != 3))
        return OBSERVATION_ANSWERED;
    if (length <= LEVEL)
        return SNIFF_MORE;
    return bytes[LEVEL] == TLS_FATAL ? OBSERVATION_TLS_ALERT : OBSERVATION_ANSWERED;
}

static int judge(struct sniff *sniff, size_t length)
{
    const uint8_t *seen = sniff->seen;
    switch ((enum sniff_protocol)sniff->protocol) {
    case SNIFF_REDIS:
        return redis(seen, length);
    case SNIFF_POSTGRES:
        return postgres(sniff, seen, length);
    case SNIFF_MYSQL:
        return mysql(seen, length);
    case SNIFF_SMTP:
        return smtp(seen, length, sniff->exchanges <= 1);
    case SNIFF_MEMCACHED:
        return memcached(seen, length);
    case SNIFF_TLS:
        return tls(sniff, seen, length);
    case SNIFF_OFF:
    case SNIFF_HTTP:
        break;
    }
    return OBSERVATION_ANSWERED;
}

/* ---- the frame */

void sniff_start(struct sniff *sniff, enum sniff_protocol protocol)
{
    memset(sniff, 0, sizeof *sniff);
    sniff->protocol = (uint8_t)protocol;
}

void sniff_open(struct sniff *sniff)
{
    if (sniff->exchanges < 2)
        sniff->exchanges++;
    if (sniff->protocol == SNIFF_HTTP && sniff_interim(sniff))
        return; /* the final head may still be far behind */
    if (sniff->last)
        sniff->protocol = SNIFF_OFF;
    sniff->last = sniff->closing;
    sniff->used = 0;
    sniff->decided = 0;
    sniff->interim = false;
    sniff->stage = 0;
    sniff->at = 0;
    sniff->status = 0;
    sniff->head_bytes = 0;
    sniff->retry_after_s = 0;
}

int sniff_feed(struct sniff *sniff, const void *bytes, size_t length)
{
    int verdict = (int)sniff->decided - 1;
    size_t used = sniff->used;
    if (length == 0 || (sniff->decided && !sniff_scans(sniff)))
        return verdict;
    if (sniff->protocol == SNIFF_HTTP) {
        verdict = sniff_http(sniff, bytes, length);
    } else {
        size_t take = used < SNIFF_BYTES ? SNIFF_BYTES - used : 0;
        take = length < take ? length : take;
        memcpy(sniff->seen + used, bytes, take);
        used += take;
        sniff->used = (uint8_t)used;
        verdict = judge(sniff, used);
        if (verdict == SNIFF_MORE && used >= SNIFF_BYTES)
            verdict = OBSERVATION_ANSWER_NEUTRAL; /* an error of a kind that does not show */
    }
    if (verdict != SNIFF_MORE) {
        sniff->decided = (uint8_t)(verdict + 1);
        sniff->interim = false;
    }
    return verdict;
}

bool sniff_interim(const struct sniff *sniff)
{
    return sniff->interim && !sniff->decided;
}

enum observation sniff_cut(const struct sniff *sniff)
{
    bool upgrade = sniff->protocol == SNIFF_POSTGRES && sniff_interim(sniff);
    return upgrade ? OBSERVATION_ANSWER_NEUTRAL : OBSERVATION_ANSWERED;
}
