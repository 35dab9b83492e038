/* SPDX-License-Identifier: MIT
 * The compiled rules: one block of bytes without pointers, the same in the segment, in a process's
 * private copy and in `resctl check`. Written by config/compile.c, read by config/match.c and by all
 * policies through struct conf.
 *
 *   struct rules | struct rule_destination[destinations] | struct rule_match[matches] |
 *   struct rule_endpoint[endpoints] | struct rule_check[checks] | cycles | strings
 *
 * Every offset counts bytes from the beginning of struct rules. rules_valid() must have accepted a
 * block before anything else reads it: the segment's bytes are hostile.
 */
#ifndef RESIL_CONFIG_RULES_H
#define RESIL_CONFIG_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/conf.h"

#define RULES_MAGIC 0x33454c55u /* "ULE3" */

enum { RULES_FALLBACKS = 16, RULES_CHECKS = 64 };

#define RULES_UNIX "unix:" /* how the text of a socket's path begins */

struct rules {
    uint32_t magic;
    uint32_t crc;        /* crc32 of everything after this word, `bytes` long in all */
    uint32_t bytes;      /* of the whole block */
    uint32_t conf_bytes; /* sizeof(struct conf) of the writer: keys are only appended */
    uint32_t destinations;
    uint32_t destinations_at;
    uint32_t matches;
    uint32_t matches_at;
    uint32_t strings_at; /* the first byte there is NUL: offset 0 of the pool is "" */
    uint32_t strings_bytes;
    uint32_t endpoints;
    uint32_t endpoints_at;
    uint32_t cycles_at; /* bytes: indices into a destination's own endpoints */
    uint32_t cycles_bytes;
    uint32_t checks; /* at most RULES_CHECKS */
    uint32_t checks_at;
    uint32_t degraded_code; /* health.degraded_code: an HTTP status */
    /* What [events] says; texts in the string pool, 0: none. */
    uint32_t event_exec, event_log, event_syslog;
    uint32_t event_exec_rate; /* an hour */
    uint32_t event_kinds;     /* bit i: enum event_kind i */
};

struct rule_destination {
    uint32_t name; /* in the string pool, at most SEG_NAME - 1 bytes */
    uint32_t line; /* of its section */
    /* What `endpoints` says, so that nobody parses it again. */
    uint32_t endpoints;       /* at most BALANCE_HOSTS */
    uint32_t first_endpoint;  /* its index among all */
    uint32_t cycle_at[2];     /* smooth weighted round robin of the primaries and of the backups: in the cycles */
    uint32_t cycle_length[2]; /* at most BALANCE_CYCLE; 0: not written down (policy/balance.h) */
    /* What `fallback` and `via` say: these stand behind the endpoints, in this order. */
    uint32_t fallbacks; /* at most RULES_FALLBACKS */
    uint32_t via;       /* 1: there is one */
    struct conf conf;   /* TEXT values are offsets into the string pool */
};

/* What a pattern names, from the most to the least specific: the order of choice. */
enum match_kind { MATCH_NAME, MATCH_ADDRESS, MATCH_PATH, MATCH_SUFFIX, MATCH_PATH_PREFIX, MATCH_CIDR, MATCH_ANY };

struct rule_match {
    uint32_t destination; /* index */
    uint8_t kind;         /* enum match_kind */
    uint8_t family;       /* AF_INET, AF_INET6 of ADDRESS and CIDR, AF_UNIX of PATH*, else 0 */
    uint8_t prefix_bits;  /* of CIDR */
    uint8_t reserved;
    uint16_t port_low; /* 0..65535; any port: 0..65535 with has_port 0 */
    uint16_t port_high;
    uint8_t has_port;
    uint8_t reserved2[3];
    int64_t uid;         /* -1: any */
    uint8_t addr[16];    /* v4 in the first four bytes; of NAME: its number (config/service.h) */
    uint32_t text;       /* NAME, SUFFIX (".example.com"), PATH*: in the pool, lower case for names */
    uint32_t text_bytes; /* an abstract socket's name begins with '@' here */
    uint32_t app;        /* glob over the program's name, 0 = any */
    uint32_t line;
};

struct rule_endpoint {
    uint8_t family; /* AF_INET, AF_INET6, AF_UNIX */
    uint8_t backup;
    uint16_t port; /* 0 of AF_UNIX */
    uint16_t weight;
    uint16_t reserved;
    uint8_t addr[16]; /* v4 in the first four bytes */
    uint32_t text;    /* as written: "ADDR:PORT", "[V6]:PORT", "unix:/PATH", "unix:@NAME" */
    uint32_t reserved2;
};

/* A [check NAME]. */
enum { CHECK_LIVENESS, CHECK_READINESS };
struct rule_check {
    uint32_t name;   /* in the string pool, at most SEG_NAME - 1 bytes */
    uint32_t target; /* likewise: what target_parse() takes */
    uint32_t kind;   /* enum probe_kind */
    uint32_t line;   /* of its section */
    uint32_t type;   /* CHECK_LIVENESS, CHECK_READINESS */
    uint32_t critical;
    int64_t interval_ns, timeout_ns, rise, fall;
};

_Static_assert(sizeof(struct rules) == 88, "rules");
_Static_assert(sizeof(struct rule_check) == 56, "rule_check");
_Static_assert(offsetof(struct rule_destination, conf) == 40, "rule_destination");
_Static_assert(sizeof(struct rule_endpoint) == 32, "rule_endpoint");
_Static_assert(sizeof(struct rule_match) == 56, "rule_match");

/* rules_valid(block, bytes): whether block holds whole, consistent rules of at most bytes bytes: magic,
 * crc, every offset, count, index and string end. Reads nothing outside. Any thread; signal safe. */
bool rules_valid(const void *block, size_t bytes);

/* Access to a valid block. */
const struct rule_destination *rules_destination(const struct rules *rules, uint32_t index);
const struct rule_match *rules_match(const struct rules *rules, uint32_t index);
const struct rule_endpoint *rules_endpoint(const struct rules *rules, const struct rule_destination *destination,
                                           uint32_t index);
/* rules_places(destination): endpoints, fallbacks and via together: rules_endpoint() knows all of them. */
static inline uint32_t rules_places(const struct rule_destination *destination)
{
    return destination->endpoints + destination->fallbacks + destination->via;
}
/* rules_fallback(rules, destination, index), rules_via(rules, destination): likewise; NULL when there is none. */
const struct rule_endpoint *rules_fallback(const struct rules *rules, const struct rule_destination *destination,
                                           uint32_t index);
const struct rule_endpoint *rules_via(const struct rules *rules, const struct rule_destination *destination);
const struct rule_check *rules_check(const struct rules *rules, uint32_t index);
const uint8_t *rules_cycle(const struct rules *rules, const struct rule_destination *destination, uint32_t tier);
const char *rules_text(const struct rules *rules, int64_t offset);

#endif
