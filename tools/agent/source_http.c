/* SPDX-License-Identifier: MIT
 * Consul's health API and Kubernetes' EndpointSlices.
 *
 * https://developer.hashicorp.com/consul/api-docs/health and .../features/blocking: the index of an answer is sent with
 * the next question, which then waits for a change; one that goes backwards is to be forgotten.
 * https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/: all slices with the label of the service's
 * name; an endpoint that says nothing of being ready is; the same one may stand in two slices. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "document.h"
#include "fetch.h"
#include "policy/balance.h"
#include "source.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

enum { LINES_MAX = 4096, LINE_BYTES = 96, SECRET_BYTES = 8192 };

/* Lines are sorted before they are printed. */
struct lines {
    char text[LINES_MAX][LINE_BYTES];
    unsigned count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void add_line(struct lines *lines, const char *address, int64_t port, int64_t weight)
{
    uint8_t bytes[16];
    if (lines->count == LINES_MAX || port < 1 || port > 65535 ||
        (inet_pton(AF_INET, address, bytes) != 1 && inet_pton(AF_INET6, address, bytes) != 1))
        return;
    FILE *line = fmemopen(lines->text[lines->count], LINE_BYTES, "w");
    if (!line)
        return;
    source_print(line, address, (unsigned)port,
                 weight < 1                    ? 0
                 : weight > BALANCE_WEIGHT_MAX ? BALANCE_WEIGHT_MAX
                                               : (unsigned)weight,
                 0);
    fclose(line);
    lines->count++;
}

static void print_lines(struct lines *lines, FILE *out)
{
    qsort(lines->text, lines->count, LINE_BYTES, by_text);
    for (unsigned i = 0; i < lines->count; i++)
        if (i == 0 || strcmp(lines->text[i], lines->text[i - 1]) != 0)
            fputs(lines->text[i], out);
}

static const char *setting(const char *name, const char *none)
{
    const char *value = getenv(name);
    return value && *value ? value : none;
}

/* Asks, and reads the answer; false after a complaint. */
static bool get_document(struct fetch *what, struct document *document, FILE *out)
{
    *document = (struct document){.text = ""};
    if (!fetch(what))
        fprintf(out, "! %s\n", what->error);
    else if (what->status != 200)
        fprintf(out, "! HTTP %d\n", what->status);
    else if (!document_read(document, what->body, what->body_length))
        fputs("! the answer is no JSON\n", out);
    else
        return true;
    return false;
}

/* ---- Consul --------------------------------------------------------------------------------------- */

/* An agent that runs without an address for the service means its node's. */
static void add_service(const struct document *document, uint32_t entry, struct lines *lines)
{
    char address[64];
    int64_t port = 0, weight = 0;
    uint32_t service = document_member(document, entry, "Service");
    uint32_t node = document_member(document, entry, "Node");
    if (!document_text(document, document_member(document, service, "Address"), address, sizeof address) || !*address)
        if (!document_text(document, document_member(document, node, "Address"), address, sizeof address))
            return;
    document_integer(document, document_member(document, service, "Port"), &port);
    uint32_t weights = document_member(document, service, "Weights");
    document_integer(document, document_member(document, weights, "Passing"), &weight);
    add_line(lines, address, port, weight);
}

static void consul_path(const struct source *source, char *path, size_t size)
{
    uint64_t wait_s = source->wait_ns / (uint64_t)NS_PER_S;
    size_t used = (size_t)snprintf(path, size, "/v1/health/service/%s?passing", source->what.name);
    if (source->what.query[0])
        used += (size_t)snprintf(path + used, size - used, "&%s", source->what.query);
    if (source->index)
        snprintf(path + used, size - used, "&index=%llu&wait=%llus", (unsigned long long)source->index,
                 (unsigned long long)(wait_s ? wait_s : 1));
}

static void consul_base(char *base, size_t size)
{
    const char *address = setting("CONSUL_HTTP_ADDR", "127.0.0.1:8500");
    bool tls = strcmp(setting("CONSUL_HTTP_SSL", ""), "true") == 0 && !strstr(address, "://");
    snprintf(base, size, "%s%s", tls ? "https://" : "", address);
}

void source_consul(const struct source *source, FILE *out)
{
    static struct lines lines;
    char path[FETCH_URL], base[FETCH_URL], header[512] = "", index[32];
    struct document document;
    consul_path(source, path, sizeof path);
    consul_base(base, sizeof base);
    const char *token = setting("CONSUL_HTTP_TOKEN", "");
    if (*token && !strpbrk(token, "\r\n"))
        snprintf(header, sizeof header, "X-Consul-Token: %s", token);
    struct fetch what = {
        .base = base, .path = path, .header = *header ? header : NULL, .ca_file = setting("CONSUL_CACERT", NULL)};
    if (!get_document(&what, &document, out))
        return;
    if (!document_is(&document, 0, DOCUMENT_ARRAY)) {
        fputs("! the answer is no list of services\n", out);
        return;
    }
    for (uint32_t entry = document_first(&document, 0); entry != DOCUMENT_NONE;
         entry = document_after(&document, 0, entry))
        add_service(&document, entry, &lines);
    if (fetch_header(&what, "X-Consul-Index", index, sizeof index))
        fprintf(out, "# index %llu\n", strtoull(index, NULL, 10));
    print_lines(&lines, out);
}

/* ---- Kubernetes ----------------------------------------------------------------------------------- */

/* The port of a slice that is meant, 0: it has none. */
static int64_t slice_port(const struct document *document, uint32_t slice, const struct discovery *what)
{
    uint32_t ports = document_member(document, slice, "ports");
    for (uint32_t item = document_first(document, ports); item != DOCUMENT_NONE;
         item = document_after(document, ports, item)) {
        char name[DISCOVERY_WORD] = "";
        int64_t port = 0;
        document_text(document, document_member(document, item, "name"), name, sizeof name);
        if (!document_integer(document, document_member(document, item, "port"), &port))
            continue;
        if (what->port ? port == what->port : !what->port_name[0] || strcmp(name, what->port_name) == 0)
            return port;
    }
    return 0;
}

static void add_slice(const struct document *document, uint32_t slice, const struct discovery *what,
                      struct lines *lines)
{
    int64_t port = slice_port(document, slice, what);
    uint32_t endpoints = document_member(document, slice, "endpoints");
    for (uint32_t item = document_first(document, endpoints); item != DOCUMENT_NONE;
         item = document_after(document, endpoints, item)) {
        char address[64];
        uint32_t conditions = document_member(document, item, "conditions");
        uint32_t addresses = document_member(document, item, "addresses");
        if (document_is(document, document_member(document, conditions, "ready"), DOCUMENT_FALSE))
            continue;
        /* All of them are the same pod: one is enough. */
        if (document_text(document, document_first(document, addresses), address, sizeof address))
            add_line(lines, address, port, 0);
    }
}

/* The first line of a file that holds a secret. */
static bool read_secret(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    bool read = file && fgets(out, (int)size, file);
    if (file)
        fclose(file);
    if (read)
        out[strcspn(out, "\r\n")] = '\0';
    return read && *out;
}

/* A proxy that was named (kubectl proxy), else the API as a pod sees it, else kubectl proxy's usual place. */
static void k8s_base(char *base, size_t size)
{
    const char *host = setting("KUBERNETES_SERVICE_HOST", "");
    const char *named = setting("RESIL_K8S_URL", NULL);
    if (named || !*host)
        snprintf(base, size, "%s", named ? named : "http://127.0.0.1:8001");
    else
        snprintf(base, size, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
                 setting("KUBERNETES_SERVICE_PORT", "443"));
}

void source_k8s(const struct source *source, FILE *out)
{
    static struct lines lines;
    const struct discovery *what = &source->what;
    const char *ca_file = setting("RESIL_K8S_CA_FILE", ACCOUNT "/ca.crt");
    char path[FETCH_URL], base[FETCH_URL], token[SECRET_BYTES], header[SECRET_BYTES + 32];
    struct document document;
    k8s_base(base, sizeof base);
    snprintf(path, sizeof path,
             "/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices?labelSelector=kubernetes.io%%2Fservice-name%%3D%s",
             what->space, what->name);
    struct fetch request = {.base = base, .path = path, .ca_file = access(ca_file, R_OK) == 0 ? ca_file : NULL};
    /* The token never goes over a line that can be read. */
    if (strncmp(base, "https://", 8) == 0 &&
        read_secret(setting("RESIL_K8S_TOKEN_FILE", ACCOUNT "/token"), token, sizeof token)) {
        snprintf(header, sizeof header, "Authorization: Bearer %s", token);
        request.header = header;
    }
    if (!get_document(&request, &document, out))
        return;
    uint32_t items = document_member(&document, 0, "items");
    if (!document_is(&document, items, DOCUMENT_ARRAY)) {
        fputs("! the answer is no list of slices\n", out);
        return;
    }
    for (uint32_t slice = document_first(&document, items); slice != DOCUMENT_NONE;
         slice = document_after(&document, items, slice))
        add_slice(&document, slice, what, &lines);
    print_lines(&lines, out);
}
