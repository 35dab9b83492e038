/* SPDX-License-Identifier: MIT
 * HTTP/1 methods and Redis commands that may be repeated. */
#include "policy/replay.h"

#include <string.h>
#include <strings.h>

struct text {
    const uint8_t *at;
    size_t length;
};

static bool begins(struct text text, const char *word)
{
    size_t length = strlen(word);
    return text.length >= length && strncasecmp((const char *)text.at, word, length) == 0;
}

/* Cuts the line at the text's beginning off, with its CR LF. False when it is not whole. */
static bool next_line(struct text *text, struct text *line)
{
    const uint8_t *end = memchr(text->at, '\n', text->length);
    if (!end || end == text->at || end[-1] != '\r')
        return false;
    *line = (struct text){text->at, (size_t)(end - text->at) - 1};
    text->length -= (size_t)(end + 1 - text->at);
    text->at = end + 1;
    return true;
}

static bool parse_number(struct text text, size_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || *number > REPLAY_BYTES)
            return false;
        *number = *number * 10 + (size_t)(text.at[i] - '0');
    }
    return text.length > 0;
}

static bool is_request_line(struct text line)
{
    static const char *const methods[] = {"GET ", "HEAD ", "OPTIONS ", "PUT ", "DELETE "};
    enum { VERSION = 8 };
    if (line.length < VERSION + 1 || memcmp(line.at + line.length - VERSION - 1, " HTTP/1.", VERSION) != 0)
        return false;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (begins(line, methods[i]) && memcmp(line.at, methods[i], strlen(methods[i])) == 0)
            return true;
    return false;
}

static struct text value_of(struct text line, const char *name)
{
    size_t at = strlen(name);
    while (at < line.length && (line.at[at] == ' ' || line.at[at] == '\t'))
        at++;
    while (line.length > at && (line.at[line.length - 1] == ' ' || line.at[line.length - 1] == '\t'))
        line.length--;
    return (struct text){line.at + at, line.length - at};
}

/* What binds a request to its connection, or leaves its end unknown. */
static bool is_forbidden(struct text line)
{
    static const char *const fields[] = {"Upgrade:", "Expect:", "Transfer-Encoding:", "Authorization: NTLM",
                                         "Authorization: Negotiate"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (begins(line, fields[i]))
            return true;
    return false;
}

/* One whole request with its body. */
static bool http_request(struct text *text)
{
    struct text line;
    size_t body = 0;
    if (!next_line(text, &line) || !is_request_line(line))
        return false;
    for (;;) {
        if (!next_line(text, &line) || is_forbidden(line))
            return false;
        if (line.length == 0)
            break;
        if (begins(line, "Content-Length:") && !parse_number(value_of(line, "Content-Length:"), &body))
            return false;
    }
    if (body > text->length)
        return false;
    text->at += body;
    text->length -= body;
    return true;
}

static bool is_read(struct text command)
{
    static const char *const reads[] = {
        "GET",       "MGET",          "EXISTS",      "TTL",     "PTTL",    "STRLEN", "GETRANGE",  "TYPE",
        "KEYS",      "SCAN",          "HGET",        "HMGET",   "HGETALL", "HLEN",   "HEXISTS",   "HKEYS",
        "HVALS",     "HSCAN",         "HSTRLEN",     "LRANGE",  "LLEN",    "LINDEX", "LPOS",      "SMEMBERS",
        "SISMEMBER", "SMISMEMBER",    "SCARD",       "SINTER",  "SUNION",  "SDIFF",  "SSCAN",     "ZRANGE",
        "ZREVRANGE", "ZRANGEBYSCORE", "ZSCORE",      "ZMSCORE", "ZCARD",   "ZRANK",  "ZREVRANK",  "ZCOUNT",
        "ZSCAN",     "BITCOUNT",      "GETBIT",      "BITPOS",  "PFCOUNT", "XRANGE", "XREVRANGE", "XLEN",
        "GEOPOS",    "GEODIST",       "GEOHASH",     "PING",    "ECHO",    "DBSIZE", "INFO",      "TIME",
        "RANDOMKEY", "EXPIRETIME",    "PEXPIRETIME", "COMMAND"};
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
        if (strlen(reads[i]) == command.length && strncasecmp((const char *)command.at, reads[i], command.length) == 0)
            return true;
    return false;
}

/* "$3\r\nGET\r\n" */
static bool next_bulk(struct text *text, struct text *value)
{
    struct text line;
    size_t length;
    if (!next_line(text, &line) || line.length < 2 || line.at[0] != '$' ||
        !parse_number((struct text){line.at + 1, line.length - 1}, &length) || text->length < length + 2)
        return false;
    *value = (struct text){text->at, length};
    text->at += length + 2;
    text->length -= length + 2;
    return true;
}

static bool redis_request(struct text *text)
{
    struct text line, value;
    size_t words;
    if (!next_line(text, &line) || line.length < 2 || line.at[0] != '*' ||
        !parse_number((struct text){line.at + 1, line.length - 1}, &words) || words == 0)
        return false;
    if (!next_bulk(text, &value) || !is_read(value))
        return false;
    for (size_t i = 1; i < words; i++)
        if (!next_bulk(text, &value))
            return false;
    return true;
}

bool replay_allowed(const uint8_t *bytes, size_t length)
{
    struct text text = {bytes, length};
    if (length == 0)
        return false;
    while (text.length)
        if (bytes[0] == '*' ? !redis_request(&text) : !http_request(&text))
            return false;
    return true;
}

bool replay_binds(const uint8_t *bytes, size_t length)
{
    static const char *const methods[] = {"GET ", "HEAD ", "OPTIONS ", "PUT ", "POST ", "DELETE ", "PATCH ", "TRACE "};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (begins((struct text){bytes, length}, methods[i]))
            return false; /* HTTP has no state of a connection; what binds one is never repeated itself */
    return !replay_allowed(bytes, length);
}

int replay_status(const uint8_t *bytes, size_t length)
{
    if (length < 12 || memcmp(bytes, "HTTP/1.", 7) != 0 || bytes[8] != ' ')
        return 0;
    int status = 0;
    for (int i = 9; i < 12; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return 0;
        status = status * 10 + (bytes[i] - '0');
    }
    return status;
}
