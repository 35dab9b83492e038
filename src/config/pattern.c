/* SPDX-License-Identifier: MIT
 * Match patterns. Each form is recognised by its first bytes; what it names ends up in one canonical shape
 * (lower case, host bits masked, v4-mapped addresses as IPv4), so that matching is a comparison of bytes. */
#include "config/pattern.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/units.h"

enum { PORT_MAX = 65535, NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63, SOCKET_PATH_BYTES = 108, MAPPED_BITS = 96 };

static const char want_pattern[] = "HOST[:PORT], *.DOMAIN, an address or network, [V6], * or unix:/PATH";
static const char want_address[] = "an IPv4 or IPv6 address, or a network such as 10.0.0.0/8";
static const char want_name[] = "a host name of letters, digits, - and _ between single dots";
static const char want_port[] = "a port from 1 to 65535, or a range LO-HI";
static const char want_path[] = "unix:/PATH or unix:@NAME of at most 108 bytes, * only at the end";

static bool fail(struct pattern_error *error, struct slice got, const char *want)
{
    *error = (struct pattern_error){got, want};
    return false;
}

static bool all_of(struct slice text, const char *bytes)
{
    for (size_t at = 0; at < text.length; at++)
        if (!text.text[at] || !strchr(bytes, text.text[at]))
            return false;
    return true;
}

static bool starts_with(struct slice text, const char *start)
{
    size_t length = strlen(start);
    return text.length >= length && memcmp(text.text, start, length) == 0;
}

static bool parse_bounded(struct slice text, int64_t low, int64_t high, int64_t *value)
{
    return parse_count(text.text, text.length, value) && *value >= low && *value <= high;
}

/* N or LO-HI */
static bool parse_port(struct slice text, struct pattern *out, struct pattern_error *error)
{
    int64_t low, high;
    size_t dash = slice_find(text, "-");
    if (!parse_bounded(slice_from(text, 0, dash), 1, PORT_MAX, &low))
        return fail(error, text, want_port);
    high = low;
    if (dash < text.length && !parse_bounded(slice_from(text, dash + 1, text.length), low, PORT_MAX, &high))
        return fail(error, text, want_port);
    out->match.port_low = (uint16_t)low;
    out->match.port_high = (uint16_t)high;
    out->match.has_port = 1;
    return true;
}

/* What stands behind the host: nothing, or ":PORT". */
static bool parse_port_suffix(struct slice rest, struct pattern *out, struct pattern_error *error)
{
    if (rest.length == 0)
        return true;
    if (rest.text[0] != ':')
        return fail(error, rest, "a colon and a port");
    return parse_port(slice_from(rest, 1, rest.length), out, error);
}

static void mask_host_bits(uint8_t *addr, unsigned bits, unsigned bytes)
{
    for (unsigned at = 0; at < bytes; at++) {
        unsigned kept = bits > at * 8 ? bits - at * 8 : 0;
        if (kept < 8)
            addr[at] = (uint8_t)(addr[at] & ~(0xffu >> kept));
    }
}

/* ::ffff:a.b.c.d is a.b.c.d, also as a network that lies within ::ffff:0:0/96. */
static void unmap(struct rule_match *match)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (match->family != AF_INET6 || match->prefix_bits < MAPPED_BITS || memcmp(match->addr, mapped, 12) != 0)
        return;
    memmove(match->addr, match->addr + 12, 4);
    memset(match->addr + 4, 0, 12);
    match->family = AF_INET;
    match->prefix_bits = (uint8_t)(match->prefix_bits - MAPPED_BITS);
}

/* ADDR[/BITS] of one family */
static bool parse_address(struct slice text, int family, struct pattern *out, struct pattern_error *error)
{
    char addr[INET6_ADDRSTRLEN];
    struct rule_match *match = &out->match;
    int64_t bits = family == AF_INET ? 32 : 128;
    size_t slash = slice_find(text, "/");
    if (slash >= sizeof addr)
        return fail(error, text, want_address);
    memcpy(addr, text.text, slash);
    addr[slash] = '\0';
    if (inet_pton(family, addr, match->addr) != 1)
        return fail(error, text, want_address);
    match->kind = slash < text.length ? MATCH_CIDR : MATCH_ADDRESS;
    if (slash < text.length && !parse_bounded(slice_from(text, slash + 1, text.length), 0, bits, &bits))
        return fail(error, text, family == AF_INET ? "a prefix length from 0 to 32" : "a prefix length from 0 to 128");
    match->family = (uint8_t)family;
    match->prefix_bits = (uint8_t)bits;
    mask_host_bits(match->addr, match->prefix_bits, sizeof match->addr);
    unmap(match);
    if (match->kind == MATCH_ADDRESS)
        match->prefix_bits = 0;
    return true;
}

static bool name_legal(struct slice name)
{
    struct slice label;
    if (name.length == 0 || name.length > NAME_MAX_BYTES)
        return false;
    while (slice_cut(&name, ".", &label))
        if (label.length == 0 || label.length > LABEL_MAX_BYTES ||
            !all_of(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
            return false;
    return true;
}

/* HOST or *.DOMAIN; the text of a suffix begins with its dot. */
static bool parse_name(struct arena *arena, struct slice text, struct pattern *out, struct pattern_error *error)
{
    bool suffix = starts_with(text, "*.");
    struct slice name = slice_from(text, suffix ? 1 : 0, text.length);
    if (name.length > 1 && name.text[name.length - 1] == '.')
        name.length--;
    if (!name_legal(slice_from(name, suffix ? 1 : 0, name.length)))
        return fail(error, text, want_name);
    char *copy = arena_copy(arena, name.text, name.length);
    for (char *at = copy; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + ('a' - 'A'));
    out->match.kind = suffix ? MATCH_SUFFIX : MATCH_NAME;
    out->text = copy;
    return true;
}

static bool parse_unix(struct arena *arena, struct slice text, struct pattern *out, struct pattern_error *error)
{
    struct slice path = slice_from(text, strlen("unix:"), text.length);
    bool prefix = path.length && path.text[path.length - 1] == '*';
    path.length -= prefix;
    bool begins = path.length ? path.text[0] == '/' || path.text[0] == '@' : prefix;
    bool empty = path.length == 1 && !prefix;
    if (!begins || empty || path.length > SOCKET_PATH_BYTES || memchr(path.text, '*', path.length))
        return fail(error, text, want_path);
    out->match.kind = prefix ? MATCH_PATH_PREFIX : MATCH_PATH;
    out->match.family = AF_UNIX;
    out->text = arena_copy(arena, path.text, path.length);
    return true;
}

/* [V6[/BITS]][:PORT] */
static bool parse_bracketed(struct slice text, struct pattern *out, struct pattern_error *error)
{
    size_t end = slice_find(text, "]");
    if (end == text.length)
        return fail(error, text, "a closing bracket behind the address");
    return parse_address(slice_from(text, 1, end), AF_INET6, out, error) &&
           parse_port_suffix(slice_from(text, end + 1, text.length), out, error);
}

static bool parse_host(struct arena *arena, struct slice text, struct pattern *out, struct pattern_error *error)
{
    if (text.length == 0)
        return fail(error, text, want_pattern);
    if (starts_with(text, "unix:"))
        return parse_unix(arena, text, out, error);
    if (text.text[0] == '[')
        return parse_bracketed(text, out, error);
    size_t colon = slice_find(text, ":");
    struct slice host = slice_from(text, 0, colon), rest = slice_from(text, colon, text.length);
    if (rest.length && slice_find(slice_from(rest, 1, rest.length), ":") < rest.length - 1)
        return parse_address(text, AF_INET6, out, error);
    if (!parse_port_suffix(rest, out, error))
        return false;
    if (slice_is(host, "*")) {
        out->match.kind = MATCH_ANY;
        return true;
    }
    if (host.length && (all_of(host, "0123456789.") || slice_find(host, "/") < host.length))
        return parse_address(host, AF_INET, out, error);
    return parse_name(arena, host, out, error);
}

/* app=GLOB or uid=N */
static bool parse_qualifier(struct arena *arena, struct slice word, struct pattern *out, struct pattern_error *error)
{
    if (starts_with(word, "app=")) {
        if (*out->app || word.length == strlen("app="))
            return fail(error, word, "one app=GLOB");
        out->app = arena_copy(arena, word.text + strlen("app="), word.length - strlen("app="));
        return true;
    }
    if (starts_with(word, "uid=")) {
        if (out->match.uid >= 0 ||
            !parse_bounded(slice_from(word, strlen("uid="), word.length), 0, UINT32_MAX, &out->match.uid))
            return fail(error, word, "one uid=N, a user's number");
        return true;
    }
    return fail(error, word, "app=GLOB or uid=N");
}

bool pattern_parse(struct arena *arena, struct slice text, struct pattern *out, struct pattern_error *error)
{
    struct slice rest = text, word = text;
    *out = (struct pattern){.text = "", .app = "", .match = {.port_high = PORT_MAX, .uid = -1}};
    slice_word(&rest, &word);
    if (!parse_host(arena, slice_unquote(arena, word), out, error))
        return false;
    while (slice_word(&rest, &word))
        if (!parse_qualifier(arena, slice_unquote(arena, word), out, error))
            return false;
    return true;
}
