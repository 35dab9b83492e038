/* SPDX-License-Identifier: MIT
 * `discover =` and `health.check =` as text. */
#include <string.h>

#include "config/discovery.h"
#include "tests/unit/check.h"

static bool parse(const char *text, struct discovery *out)
{
    char want[DISCOVERY_WANT];
    return discovery_parse(text, strlen(text), out, want);
}

static void check_dns(void)
{
    struct discovery found;
    CHECK(parse("dns:web.example.com:8080", &found) && found.kind == DISCOVERY_DNS);
    CHECK(strcmp(found.name, "web.example.com") == 0 && found.port == 8080 && found.server[0] == '\0');
    CHECK(parse("dns:web:80@127.0.0.1:5353", &found));
    CHECK(strcmp(found.server, "127.0.0.1") == 0 && found.server_port == 5353 && found.port == 80);
    CHECK(parse("dns:web:80@[::1]", &found) && strcmp(found.server, "::1") == 0 && found.server_port == 53);
    CHECK(parse("srv:_http._tcp.example.com", &found) && found.kind == DISCOVERY_SRV);
    CHECK(parse("srv:_http._tcp.example.com@[2001:db8::1]:8600", &found) && found.server_port == 8600);
    static const char *const bad[] = {"dns",
                                      "dns:",
                                      "dns:web",
                                      "dns:web:",
                                      "dns:web:0",
                                      "dns:web:65536",
                                      "dns::80",
                                      "dns:w eb:80",
                                      "dns:-web:80",
                                      "dns:web:80@",
                                      "dns:web:80@ns.example.com",
                                      "dns:web:80@1.2.3.4:",
                                      "dns:web:80@[::1",
                                      "dns:web:80@[::1]x",
                                      "srv:",
                                      "srv:a b",
                                      "srv:a@b",
                                      "DNS:web:80"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        if (!CHECK(!parse(bad[at], &found)))
            fprintf(stderr, "  %s\n", bad[at]);
}

static void check_others(void)
{
    struct discovery found;
    CHECK(parse("file:/etc/resil/backends", &found) && strcmp(found.name, "/etc/resil/backends") == 0);
    CHECK(parse("exec:list --of a:b", &found) && strcmp(found.name, "list --of a:b") == 0);
    CHECK(parse("consul:web", &found) && found.query[0] == '\0');
    CHECK(parse("consul:web?tag=v2&dc=dc1", &found));
    CHECK(strcmp(found.name, "web") == 0 && strcmp(found.query, "tag=v2&dc=dc1") == 0);
    CHECK(parse("k8s:shop/cart", &found) && strcmp(found.space, "shop") == 0 && strcmp(found.name, "cart") == 0);
    CHECK(parse("k8s:shop/cart:http", &found) && strcmp(found.port_name, "http") == 0 && found.port == 0);
    CHECK(parse("k8s:shop/cart:8080", &found) && found.port == 8080 && found.port_name[0] == '\0');
    static const char *const bad[] = {"",
                                      "web",
                                      "file:",
                                      "file:relative",
                                      "file:/",
                                      "exec:",
                                      "consul:",
                                      "consul:a b",
                                      "consul:a/b",
                                      "consul:a?",
                                      "consul:a?b c",
                                      "k8s:",
                                      "k8s:shop",
                                      "k8s:/cart",
                                      "k8s:shop/",
                                      "k8s:shop/cart:",
                                      "k8s:shop/cart/x",
                                      "zookeeper:a",
                                      "consul:a\r\nb"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        if (!CHECK(!parse(bad[at], &found)))
            fprintf(stderr, "  %s\n", bad[at]);
}

static void check_lengths(void)
{
    char text[1024];
    struct discovery found;
    memset(text, 'a', sizeof text);
    memcpy(text, "file:/", 6);
    text[5 + DISCOVERY_NAME - 1] = '\0';
    CHECK(parse(text, &found));
    text[5 + DISCOVERY_NAME - 1] = 'a';
    text[5 + DISCOVERY_NAME] = '\0';
    CHECK(!parse(text, &found));
}

static bool health(const char *text, struct target *out)
{
    return health_check_parse(text, strlen(text), out);
}

static void check_health(void)
{
    struct target target;
    CHECK(health("", &target) && target.kind == PROBE_KINDS);
    CHECK(health("off", &target) && target.kind == PROBE_KINDS);
    CHECK(health("tcp", &target) && target.kind == PROBE_TCP && target.text[0] == '\0' && target.host[0] == '\0');
    CHECK(health("http", &target) && target.kind == PROBE_HTTP && strcmp(target.text, "/") == 0);
    CHECK(health("http:/health?a=b:c", &target) && strcmp(target.text, "/health?a=b:c") == 0);
    CHECK(health("redis", &target) && target.kind == PROBE_REDIS);
    CHECK(health("postgres", &target) && target.kind == PROBE_POSTGRES);
    CHECK(health("exec:test -e /run/ok:1", &target) && strcmp(target.text, "test -e /run/ok:1") == 0);
    static const char *const bad[] = {"on",   "tcp:",  "tcp:80", "http:", "http:health", "http:/a b",
                                      "exec", "exec:", "memory", "off:",  "http:/a\r\nb"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        if (!CHECK(!health(bad[at], &target)))
            fprintf(stderr, "  %s\n", bad[at]);
}

int main(void)
{
    check_dns();
    check_others();
    check_lengths();
    check_health();
    return check_end();
}
