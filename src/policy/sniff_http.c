/* SPDX-License-Identifier: MIT
 * HTTP/1: the status line (RFC 9112 section 4), the end of an interim head, and Retry-After in seconds (RFC 9110
 * section 10.2.3). */
#include "policy/sniff.h"

#include <string.h>

enum http_stage { HTTP_STATUS, HTTP_NAME, HTTP_BLANKS, HTTP_DIGITS, HTTP_SKIP, HTTP_DONE };

static const char status_line[] = "HTTP/1.x 000"; /* x: a digit */
static const char field[] = "retry-after:";
#define RETRY_AFTER_MAX_S (365u * 86400)

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* The next byte of the status line: false when this is no HTTP/1. The line is complete when `stage` has moved. */
static bool status_byte(struct sniff *sniff, uint8_t byte)
{
    size_t at = sniff->at;
    if (at >= sizeof status_line - 1) {
        sniff->stage = byte == '\n' ? HTTP_NAME : HTTP_SKIP;
        sniff->at = 0;
        return byte == ' ' || byte == '\r' || byte == '\n';
    }
    sniff->at++;
    if (at >= 9) {
        sniff->status = (uint16_t)(sniff->status * 10 + (byte - '0'));
        return is_digit(byte);
    }
    return at == 7 ? is_digit(byte) : byte == (uint8_t)status_line[at];
}

static void name_byte(struct sniff *sniff, uint8_t byte)
{
    uint8_t lower = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
    if (sniff->at >= sizeof field - 1 || lower != (uint8_t)field[sniff->at]) {
        sniff->stage = HTTP_SKIP;
    } else if (++sniff->at == sizeof field - 1) {
        sniff->stage = HTTP_BLANKS;
        sniff->digits = 0;
    }
}

/* A date is no number: it is passed over. The number counts when its end has been seen. */
static void digit_byte(struct sniff *sniff, uint8_t byte)
{
    if (is_digit(byte)) {
        sniff->digits = sniff->digits * 10 + (uint32_t)(byte - '0');
        if (sniff->digits > RETRY_AFTER_MAX_S)
            sniff->digits = RETRY_AFTER_MAX_S;
        return;
    }
    if (byte == '\r' || byte == '\n' || byte == ' ' || byte == '\t')
        sniff->retry_after_s = sniff->digits;
    sniff->stage = HTTP_SKIP;
}

/* The next byte of the fields. True at the blank line. */
static bool head_byte(struct sniff *sniff, uint8_t byte)
{
    if (sniff->stage == HTTP_NAME && sniff->at == 0 && (byte == '\r' || byte == '\n'))
        return byte == '\n';
    if (sniff->stage == HTTP_BLANKS && is_digit(byte))
        sniff->stage = HTTP_DIGITS;
    if (sniff->stage == HTTP_NAME)
        name_byte(sniff, byte);
    else if (sniff->stage == HTTP_DIGITS)
        digit_byte(sniff, byte);
    else if (sniff->stage == HTTP_BLANKS && byte != ' ' && byte != '\t')
        sniff->stage = HTTP_SKIP;
    if (byte == '\n') {
        sniff->stage = HTTP_NAME;
        sniff->at = 0;
    }
    return false;
}

/* A complete status line. 101 is final: another protocol begins behind it. */
static int judge_status(struct sniff *sniff)
{
    uint32_t status = sniff->status;
    bool told_when = status == 429 || status == 503;
    sniff->interim = status >= 100 && status < 200 && status != 101;
    sniff->last |= status == 101;
    if (sniff->interim)
        return SNIFF_MORE;
    if (!told_when)
        sniff->stage = HTTP_DONE;
    if (status == 429)
        return OBSERVATION_OVERLOAD;
    return status >= 500 && status != 501 && status != 505 ? OBSERVATION_PROTOCOL_ERROR : OBSERVATION_ANSWERED;
}

static void next_head(struct sniff *sniff)
{
    sniff->stage = HTTP_STATUS;
    sniff->at = 0;
    sniff->status = 0;
    sniff->head_bytes = 0;
    sniff->retry_after_s = 0;
}

bool sniff_scans(const struct sniff *sniff)
{
    return sniff->protocol == SNIFF_HTTP && sniff->decided && sniff->stage != HTTP_DONE;
}

int sniff_http(struct sniff *sniff, const uint8_t *bytes, size_t length)
{
    int verdict = (int)sniff->decided - 1;
    for (size_t i = 0; i < length && sniff->stage != HTTP_DONE; i++) {
        if (++sniff->head_bytes > SNIFF_HEAD_BYTES) {
            sniff->stage = HTTP_DONE;
            return verdict == SNIFF_MORE ? OBSERVATION_ANSWERED : verdict;
        }
        if (sniff->stage == HTTP_STATUS) {
            if (!status_byte(sniff, bytes[i])) {
                sniff->stage = HTTP_DONE;
                return OBSERVATION_ANSWERED;
            }
            if (sniff->stage != HTTP_STATUS)
                verdict = judge_status(sniff);
        } else if (head_byte(sniff, bytes[i])) {
            if (verdict == SNIFF_MORE)
                next_head(sniff);
            else
                sniff->stage = HTTP_DONE;
        }
    }
    return verdict;
}
