/* SPDX-License-Identifier: MIT
 * Items of `endpoints =`. */
#include "config/endpoint.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/units.h"
#include "policy/balance.h"

enum { PORT_MAX = 65535 };

static const char want_endpoint[] = "ADDR:PORT, [V6]:PORT, unix:/PATH or unix:@NAME";
static const char want_port[] = "a port from 1 to 65535";
static const char want_qualifier[] = "weight=N or backup";

static bool fail(struct endpoint_error *error, struct slice got, const char *want)
{
    *error = (struct endpoint_error){got, want};
    return false;
}

static bool starts_with(struct slice text, const char *start)
{
    size_t length = strlen(start);
    return text.length >= length && memcmp(text.text, start, length) == 0;
}

static bool parse_bounded(struct slice text, int64_t high, int64_t *value)
{
    return parse_count(text.text, text.length, value) && *value >= 1 && *value <= high;
}

static void unmap(struct rule_endpoint *rule)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (rule->family != AF_INET6 || memcmp(rule->addr, mapped, sizeof mapped) != 0)
        return;
    memmove(rule->addr, rule->addr + sizeof mapped, 4);
    memset(rule->addr + 4, 0, sizeof rule->addr - 4);
    rule->family = AF_INET;
}

static bool parse_unix(struct slice text, struct endpoint *out, struct endpoint_error *error)
{
    struct slice path = slice_from(text, strlen(RULES_UNIX), text.length);
    if (path.length < 2 || path.length >= sizeof((struct sockaddr_un *)0)->sun_path ||
        (path.text[0] != '/' && path.text[0] != '@'))
        return fail(error, text, "unix:/PATH or unix:@NAME of at most 107 bytes");
    out->rule.family = AF_UNIX;
    return true;
}

/* ADDR:PORT and [V6]:PORT; text is the whole of it. */
static bool parse_inet(struct slice text, struct endpoint *out, struct endpoint_error *error)
{
    char addr[INET6_ADDRSTRLEN];
    int64_t port;
    bool bracketed = text.length > 0 && text.text[0] == '[';
    size_t begin = bracketed ? 1 : 0, end = slice_find(text, bracketed ? "]" : ":");
    size_t colon = end + begin;
    if (end - begin >= sizeof addr || end == text.length)
        return fail(error, text, want_endpoint);
    memcpy(addr, text.text + begin, end - begin);
    addr[end - begin] = '\0';
    out->rule.family = bracketed ? AF_INET6 : AF_INET;
    if (inet_pton(out->rule.family, addr, out->rule.addr) != 1)
        return fail(error, text, want_endpoint);
    if (colon >= text.length || text.text[colon] != ':')
        return fail(error, slice_from(text, colon, text.length), "a colon and a port");
    struct slice number = slice_from(text, colon + 1, text.length);
    if (!parse_bounded(number, PORT_MAX, &port))
        return fail(error, number, want_port);
    out->rule.port = (uint16_t)port;
    unmap(&out->rule);
    return true;
}

static bool parse_qualifier(struct slice word, struct endpoint *out, struct endpoint_error *error)
{
    int64_t weight;
    if (slice_is(word, "backup") && !out->rule.backup) {
        out->rule.backup = 1;
        return true;
    }
    if (!starts_with(word, "weight=") || out->rule.weight)
        return fail(error, word, want_qualifier);
    struct slice number = slice_from(word, strlen("weight="), word.length);
    if (!parse_bounded(number, BALANCE_WEIGHT_MAX, &weight))
        return fail(error, number, "a weight from 1 to 1000");
    out->rule.weight = (uint16_t)weight;
    return true;
}

bool endpoint_parse(struct arena *arena, struct slice text, struct endpoint *out, struct endpoint_error *error)
{
    struct slice rest = text, word = text;
    *out = (struct endpoint){.text = ""};
    slice_word(&rest, &word);
    word = slice_unquote(arena, word);
    if (!(starts_with(word, RULES_UNIX) ? parse_unix(word, out, error) : parse_inet(word, out, error)))
        return false;
    out->text = arena_copy(arena, word.text, word.length);
    while (slice_word(&rest, &word))
        if (!parse_qualifier(slice_unquote(arena, word), out, error))
            return false;
    if (!out->rule.weight)
        out->rule.weight = 1;
    return true;
}

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
    if (a->rule.family != b->rule.family)
        return false;
    if (a->rule.family == AF_UNIX)
        return strcmp(a->text, b->text) == 0;
    return a->rule.port == b->rule.port && memcmp(a->rule.addr, b->rule.addr, sizeof a->rule.addr) == 0;
}
