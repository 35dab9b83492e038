/* SPDX-License-Identifier: MIT
 * DNS messages. */
#include "dns.h"

#include <string.h>

enum { HEADER = 12, LABEL_MAX = 63, JUMPS_MAX = 64, CLASS_IN = 1 };
enum { FLAGS_AT = 2, QUESTIONS_AT = 4, ANSWERS_AT = 6, AUTHORITIES_AT = 8, ADDITIONALS_AT = 10 };
enum { FLAG_ANSWER = 0x8000, FLAG_TRUNCATED = 0x0200, FLAG_RECURSE = 0x0100, CODE_MASK = 0xf, CODE_NO_NAME = 3 };

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static size_t length_of_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

size_t dns_ask(const struct dns_question *question, uint8_t out[DNS_QUESTION])
{
    size_t length = length_of_name(question->name), at = HEADER;
    if (length == 0 || length > 253)
        return 0;
    memset(out, 0, HEADER);
    put16(out, question->id);
    put16(out + FLAGS_AT, FLAG_RECURSE);
    put16(out + QUESTIONS_AT, 1);
    for (size_t begin = 0; begin <= length;) {
        const char *dot = memchr(question->name + begin, '.', length - begin);
        size_t label = (dot ? (size_t)(dot - question->name) : length) - begin;
        if (label == 0 || label > LABEL_MAX)
            return 0;
        out[at++] = (uint8_t)label;
        memcpy(out + at, question->name + begin, label);
        at += label;
        begin += label + 1;
    }
    out[at++] = 0;
    put16(out + at, question->type);
    put16(out + at + 2, CLASS_IN);
    return at + 4;
}

static char lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* A name, which may go on elsewhere in the message (compression); *at is moved behind it. Bytes that no host name has
 * are no damage, but nobody asks for them. */
static bool read_name(const uint8_t *message, size_t length, size_t *at, char out[DNS_NAME])
{
    size_t from = *at, used = 0;
    bool jumped = false;
    for (unsigned jumps = 0; jumps <= JUMPS_MAX;) {
        if (from >= length)
            return false;
        size_t label = message[from];
        if (label >= 0xc0) {
            if (length - from < 2)
                return false;
            if (!jumped)
                *at = from + 2;
            jumped = true;
            jumps++;
            from = (size_t)(get16(message + from) & 0x3fff);
            continue;
        }
        if (label > LABEL_MAX || length - from < label + 1 || used + label + 1 >= DNS_NAME)
            return false;
        from++;
        if (label == 0) {
            if (!jumped)
                *at = from;
            out[used > 0 ? used - 1 : 0] = '\0';
            return true;
        }
        for (size_t i = 0; i < label; i++)
            out[used++] = lower(message[from + i]);
        out[used++] = '.';
        from += label;
    }
    return false;
}

static bool is_name(const char *asked, const char *found)
{
    size_t length = length_of_name(asked);
    if (strlen(found) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (lower((uint8_t)asked[i]) != found[i])
            return false;
    return true;
}

enum dns_verdict dns_answer(const struct dns_question *question, const uint8_t *message, size_t length)
{
    char name[DNS_NAME];
    size_t at = HEADER;
    if (length < HEADER || get16(message) != question->id || !(get16(message + FLAGS_AT) & FLAG_ANSWER))
        return DNS_FOREIGN;
    unsigned flags = get16(message + FLAGS_AT);
    unsigned code = flags & CODE_MASK;
    if (get16(message + QUESTIONS_AT) != 1) /* a server that fails may leave the question out */
        return get16(message + QUESTIONS_AT) == 0 && code != 0 && code != CODE_NO_NAME ? DNS_FAILED : DNS_DAMAGED;
    if (!read_name(message, length, &at, name) || length - at < 4)
        return DNS_DAMAGED;
    if (!is_name(question->name, name) || get16(message + at) != question->type)
        return DNS_FOREIGN;
    if (flags & FLAG_TRUNCATED)
        return DNS_TRUNCATED;
    return code == CODE_NO_NAME ? DNS_NO_NAME : code ? DNS_FAILED : DNS_ANSWERED;
}

/* One record; *at is moved behind it. False: damaged. *known: it is one of ours. */
static bool read_record(const uint8_t *message, size_t length, size_t *at, struct dns_record *out, bool *known)
{
    enum { FIXED = 10, SRV_FIXED = 6 };
    if (!read_name(message, length, at, out->name) || length - *at < FIXED)
        return false;
    const uint8_t *fixed = message + *at;
    size_t bytes = get16(fixed + 8), data = *at + FIXED;
    if (length - data < bytes)
        return false;
    *at = data + bytes;
    out->type = get16(fixed);
    *known = get16(fixed + 2) == CLASS_IN && (out->type == DNS_A || out->type == DNS_AAAA || out->type == DNS_SRV);
    if (!*known)
        return true;
    if (out->type == DNS_SRV) {
        if (bytes < SRV_FIXED + 1)
            return false;
        out->priority = get16(message + data);
        out->weight = get16(message + data + 2);
        out->port = get16(message + data + 4);
        size_t name_at = data + SRV_FIXED;
        return read_name(message, length, &name_at, out->target) && name_at == *at;
    }
    if (bytes != (out->type == DNS_A ? 4 : 16))
        return false;
    memcpy(out->addr, message + data, bytes);
    return true;
}

bool dns_records(const uint8_t *message, size_t length, void (*seen)(void *context, const struct dns_record *record),
                 void *context)
{
    size_t at = HEADER;
    char name[DNS_NAME];
    if (length < HEADER)
        return false;
    for (unsigned left = get16(message + QUESTIONS_AT); left > 0; left--) {
        if (!read_name(message, length, &at, name) || length - at < 4)
            return false;
        at += 4;
    }
    unsigned answers = get16(message + ANSWERS_AT), authorities = get16(message + AUTHORITIES_AT);
    unsigned all = answers + authorities + get16(message + ADDITIONALS_AT);
    for (unsigned number = 0; number < all; number++) {
        struct dns_record record = {.additional = number >= answers};
        bool known;
        if (!read_record(message, length, &at, &record, &known))
            return false;
        if (known && (number < answers || number >= answers + authorities))
            seen(context, &record);
    }
    return true;
}
