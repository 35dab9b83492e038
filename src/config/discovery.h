/* SPDX-License-Identifier: MIT
 * `discover =` and `health.check =` as text: "dns:NAME:PORT", "file:/PATH", "http:/PATH", "exec:COMMAND" ...
 * Pure; any thread; never allocates; looks nothing up. */
#ifndef RESIL_CONFIG_DISCOVERY_H
#define RESIL_CONFIG_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/target.h"
#include "tables/enums.h"

enum { DISCOVERY_NAME = 512, DISCOVERY_WORD = 64, DISCOVERY_WANT = 160 };

struct discovery {
    enum discovery_kind kind;
    char name[DISCOVERY_NAME]; /* DNS, SRV: the name; FILE: the path; EXEC: the command; CONSUL, K8S: the service */
    char query[DISCOVERY_WORD * 4]; /* CONSUL: what stands behind the question mark */
    char space[DISCOVERY_WORD];     /* K8S: the namespace */
    char port_name[DISCOVERY_WORD]; /* K8S: a port by its name; "" with port 0: the only one */
    uint16_t port;                  /* DNS; K8S: a port by its number */
    char server[DISCOVERY_WORD];    /* DNS, SRV: the address of the name server, "" = the system's */
    uint16_t server_port;
};

/* discovery_parse(text, length, out, want): false with what was wanted there in want. */
bool discovery_parse(const char *text, size_t length, struct discovery *out, char want[DISCOVERY_WANT]);

/* health_check_parse(text, length, out): "off", "tcp", "http[:/PATH]", "redis", "postgres" or "exec:COMMAND". The
 * target has no host and no port: those are an endpoint's. "off" and "" are kind PROBE_KINDS. */
bool health_check_parse(const char *text, size_t length, struct target *out);
extern const char health_check_want[];

#endif
