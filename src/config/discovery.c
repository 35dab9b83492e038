/* SPDX-License-Identifier: MIT
 * The parser of `discover =` and `health.check =`. */
#include "config/discovery.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"

enum { NAME_BYTES_MAX = 253, PORT_MAX = 65535, DNS_PORT = 53 };

static const struct {
    const char *name, *looks;
} sources[DISCOVERY_KINDS] = {
#define DISCOVERY(id, name, looks) {name, looks},
#include "tables/discoveries.tbl.h"
};

/* Bytes that are not ended by NUL. */
struct piece {
    const char *text;
    size_t length;
};

static bool copy(char *out, size_t size, struct piece piece)
{
    if (piece.length == 0 || piece.length >= size || memchr(piece.text, '\0', piece.length))
        return false;
    memcpy(out, piece.text, piece.length);
    out[piece.length] = '\0';
    return true;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

/* Letters, digits, - _ . and those of `also`: what may stand in names and in the path of a request as it is. */
static bool copy_plain(char *out, size_t size, struct piece piece, const char *also)
{
    for (size_t at = 0; at < piece.length; at++)
        if (!is_plain(piece.text[at]) && (!piece.text[at] || !strchr(also, piece.text[at])))
            return false;
    return copy(out, size, piece);
}

static bool parse_port(struct piece piece, uint16_t *port)
{
    int64_t value;
    if (!parse_count(piece.text, piece.length, &value) || value < 1 || value > PORT_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* Cuts *piece before the first `mark`; what stands behind it is *rest. False when there is none. */
static bool cut(struct piece *piece, char mark, struct piece *rest)
{
    const char *found = memchr(piece->text, mark, piece->length);
    if (!found)
        return false;
    size_t before = (size_t)(found - piece->text);
    *rest = (struct piece){found + 1, piece->length - before - 1};
    piece->length = before;
    return true;
}

static bool is_address(const char *text)
{
    uint8_t addr[16];
    return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

/* "ADDR", "ADDR:PORT", "[V6]", "[V6]:PORT" */
static bool parse_server(struct piece piece, struct discovery *out)
{
    struct piece port = {NULL, 0};
    out->server_port = DNS_PORT;
    if (piece.length > 0 && piece.text[0] == '[') {
        struct piece behind;
        piece = (struct piece){piece.text + 1, piece.length - 1};
        if (!cut(&piece, ']', &behind) || (behind.length > 0 && behind.text[0] != ':'))
            return false;
        if (behind.length > 0)
            port = (struct piece){behind.text + 1, behind.length - 1};
        if (behind.length == 1)
            return false;
    } else if (cut(&piece, ':', &port) && port.length == 0) {
        return false;
    }
    return copy_plain(out->server, sizeof out->server, piece, ":") && is_address(out->server) &&
           (!port.text || parse_port(port, &out->server_port));
}

static bool parse_host_name(struct piece piece, struct discovery *out)
{
    return piece.length <= NAME_BYTES_MAX && piece.length > 0 && piece.text[0] != '.' && piece.text[0] != '-' &&
           copy_plain(out->name, sizeof out->name, piece, "");
}

static bool parse_dns(struct piece piece, struct discovery *out)
{
    struct piece server, port = {NULL, 0};
    if (cut(&piece, '@', &server) && !parse_server(server, out))
        return false;
    return cut(&piece, ':', &port) && parse_port(port, &out->port) && parse_host_name(piece, out);
}

static bool parse_srv(struct piece piece, struct discovery *out)
{
    struct piece server;
    if (cut(&piece, '@', &server) && !parse_server(server, out))
        return false;
    return parse_host_name(piece, out);
}

static bool parse_consul(struct piece piece, struct discovery *out)
{
    struct piece query;
    if (cut(&piece, '?', &query) && !copy_plain(out->query, sizeof out->query, query, "=&%+~"))
        return false;
    return copy_plain(out->name, sizeof out->name, piece, "");
}

static bool parse_k8s(struct piece piece, struct discovery *out)
{
    struct piece service, port;
    if (!cut(&piece, '/', &service) || !copy_plain(out->space, sizeof out->space, piece, ""))
        return false;
    if (cut(&service, ':', &port) && !parse_port(port, &out->port) &&
        !copy_plain(out->port_name, sizeof out->port_name, port, ""))
        return false;
    return copy_plain(out->name, sizeof out->name, service, "");
}

static bool parse_place(struct piece piece, struct discovery *out)
{
    switch (out->kind) {
    case DISCOVERY_DNS:
        return parse_dns(piece, out);
    case DISCOVERY_SRV:
        return parse_srv(piece, out);
    case DISCOVERY_FILE:
        return piece.length > 1 && piece.text[0] == '/' && copy(out->name, sizeof out->name, piece);
    case DISCOVERY_EXEC:
        return copy(out->name, sizeof out->name, piece);
    case DISCOVERY_CONSUL:
        return parse_consul(piece, out);
    case DISCOVERY_K8S:
        return parse_k8s(piece, out);
    case DISCOVERY_KINDS:
        break;
    }
    return false;
}

bool discovery_parse(const char *text, size_t length, struct discovery *out, char want[DISCOVERY_WANT])
{
    struct piece word = {text, length}, place = {text, 0};
    bool has_place = cut(&word, ':', &place);
    *out = (struct discovery){.kind = DISCOVERY_KINDS};
    for (unsigned kind = 0; kind < DISCOVERY_KINDS; kind++)
        if (word.length == strlen(sources[kind].name) && memcmp(word.text, sources[kind].name, word.length) == 0)
            out->kind = (enum discovery_kind)kind;
    if (out->kind == DISCOVERY_KINDS) {
        text_copy(want, DISCOVERY_WANT,
                  "dns:NAME:PORT, srv:NAME, file:/PATH, exec:COMMAND, consul:SERVICE or k8s:NAMESPACE/SERVICE");
        return false;
    }
    if (has_place && parse_place(place, out))
        return true;
    text_copy(want, DISCOVERY_WANT, sources[out->kind].looks);
    return false;
}

/* ---- health.check --------------------------------------------------------------------------------- */

const char health_check_want[] = "off, tcp, http, http:/PATH, redis, postgres or exec:COMMAND";

static bool parse_path(struct piece piece, struct target *out)
{
    for (size_t at = 0; at < piece.length; at++)
        if (piece.text[at] <= 0x20 || piece.text[at] >= 0x7f)
            return false;
    return piece.length > 0 && piece.text[0] == '/' && copy(out->text, sizeof out->text, piece);
}

static bool is(struct piece piece, const char *word)
{
    return piece.length == strlen(word) && memcmp(piece.text, word, piece.length) == 0;
}

bool health_check_parse(const char *text, size_t length, struct target *out)
{
    static const enum probe_kind kinds[] = {PROBE_TCP, PROBE_HTTP, PROBE_REDIS, PROBE_POSTGRES, PROBE_EXEC};
    static const char *const words[] = {"tcp", "http", "redis", "postgres", "exec"};
    struct piece word = {text, length}, rest = {NULL, 0};
    bool has_rest = cut(&word, ':', &rest);
    *out = (struct target){.kind = PROBE_KINDS};
    if (!has_rest && (length == 0 || is(word, "off")))
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (is(word, words[i]))
            out->kind = kinds[i];
    if (out->kind == PROBE_HTTP)
        return has_rest ? parse_path(rest, out) : text_copy(out->text, sizeof out->text, "/") > 0;
    if (out->kind == PROBE_EXEC)
        return has_rest && copy(out->text, sizeof out->text, rest);
    return out->kind != PROBE_KINDS && !has_rest;
}
