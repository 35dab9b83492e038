/* SPDX-License-Identifier: MIT
 * The parser of targets. */
#include "config/target.h"

#include <string.h>

#include "base/text.h"
#include "base/units.h"

enum { UNIX_PATH_MAX = 107, NAME_BYTES_MAX = 253, PORT_MAX = 65535, LIMIT_MAX_PPM = 1000000 };

static const struct {
    uint16_t port;
    const char *looks;
} probes[PROBE_KINDS] = {
#define PROBE(id, name, port, looks) {port, looks},
#include "tables/probes.tbl.h"
};

const char *target_looks(enum probe_kind kind)
{
    return probes[kind].looks;
}

static bool starts_with(const char *text, size_t length, const char *prefix)
{
    size_t bytes = strlen(prefix);
    return length >= bytes && memcmp(text, prefix, bytes) == 0;
}

static bool copy(char *out, size_t size, const char *text, size_t length)
{
    if (length >= size || memchr(text, '\0', length))
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

static bool is_host_byte(char c, bool bracketed)
{
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return word || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
}

static bool parse_host(const char *text, size_t length, bool bracketed, struct target *out)
{
    if (length == 0 || length > NAME_BYTES_MAX)
        return false;
    for (size_t at = 0; at < length; at++)
        if (!is_host_byte(text[at], bracketed))
            return false;
    return copy(out->host, sizeof out->host, text, length);
}

static bool parse_port(const char *text, size_t length, struct target *out)
{
    int64_t port;
    if (!parse_count(text, length, &port) || port < 1 || port > PORT_MAX)
        return false;
    out->port = (uint16_t)port;
    return true;
}

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT */
static bool parse_authority(const char *text, size_t length, struct target *out)
{
    const char *colon = memchr(text, ':', length);
    bool bracketed = length > 0 && text[0] == '[';
    size_t host = colon ? (size_t)(colon - text) : length;
    if (bracketed) {
        const char *close = memchr(text, ']', length);
        if (!close || !parse_host(text + 1, (size_t)(close - text) - 1, true, out))
            return false;
        host = (size_t)(close - text) + 1;
    } else if (!parse_host(text, host, false, out)) {
        return false;
    }
    if (host == length)
        return out->port != 0;
    return text[host] == ':' && parse_port(text + host + 1, length - host - 1, out);
}

/* A path goes into a request line as it is: no blanks, nothing that is not printable. */
static bool parse_path(const char *text, size_t length, struct target *out)
{
    for (size_t at = 0; at < length; at++)
        if (text[at] <= 0x20 || text[at] >= 0x7f)
            return false;
    return length ? copy(out->text, sizeof out->text, text, length) : copy(out->text, sizeof out->text, "/", 1);
}

static bool parse_http(const char *text, size_t length, struct target *out)
{
    static const char scheme[] = "http://";
    if (starts_with(text, length, scheme)) {
        text += sizeof scheme - 1;
        length -= sizeof scheme - 1;
    }
    const char *slash = memchr(text, '/', length);
    size_t authority = slash ? (size_t)(slash - text) : length;
    return parse_authority(text, authority, out) && parse_path(text + authority, length - authority, out);
}

static bool parse_socket(const char *text, size_t length, struct target *out)
{
    static const char scheme[] = "unix:";
    if (!starts_with(text, length, scheme))
        return parse_authority(text, length, out);
    text += sizeof scheme - 1;
    length -= sizeof scheme - 1;
    return length >= 2 && length <= UNIX_PATH_MAX && (text[0] == '/' || text[0] == '@') &&
           copy(out->text, sizeof out->text, text, length);
}

static bool parse_limit(const char *text, size_t length, struct target *out)
{
    int64_t ppm;
    if (!parse_percent(text, length, &ppm) || ppm <= 0 || ppm > LIMIT_MAX_PPM)
        return false;
    out->limit_ppm = (uint32_t)ppm;
    return true;
}

bool target_parse(enum probe_kind kind, const char *text, size_t length, struct target *out)
{
    *out = (struct target){.kind = kind, .port = probes[kind].port};
    switch (kind) {
    case PROBE_HTTP:
        return parse_http(text, length, out);
    case PROBE_TCP:
    case PROBE_REDIS:
    case PROBE_POSTGRES:
        return parse_socket(text, length, out);
    case PROBE_EXEC:
        return length > 0 && copy(out->text, sizeof out->text, text, length);
    case PROBE_MEMORY:
        return parse_limit(text, length, out);
    case PROBE_KINDS:
        break;
    }
    return false;
}
