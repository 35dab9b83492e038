/* SPDX-License-Identifier: MIT
 * Targets of health probes as text. */
#include <string.h>

#include "config/target.h"
#include "tests/unit/check.h"

static bool parse(enum probe_kind kind, const char *text, struct target *out)
{
    return target_parse(kind, text, strlen(text), out);
}

static void check_addresses(void)
{
    struct target target;
    CHECK(parse(PROBE_TCP, "db.example.com:5433", &target));
    CHECK(strcmp(target.host, "db.example.com") == 0 && target.port == 5433 && target.text[0] == '\0');
    CHECK(parse(PROBE_TCP, "[2001:db8::1]:80", &target));
    CHECK(strcmp(target.host, "2001:db8::1") == 0 && target.port == 80);
    CHECK(parse(PROBE_REDIS, "127.0.0.1", &target) && target.port == 6379);
    CHECK(parse(PROBE_POSTGRES, "[::1]", &target) && target.port == 5432);
    CHECK(parse(PROBE_REDIS, "unix:/run/redis.sock", &target) && strcmp(target.text, "/run/redis.sock") == 0);
    CHECK(parse(PROBE_TCP, "unix:@name", &target) && strcmp(target.text, "@name") == 0);
    static const char *const bad[] = {"", "host", "host:", "host:0", "host:65536", "host:80x", ":80", "[::1:80", "[]:80",
                                      "[::1]80", "a b:80", "a/b:80", "unix:", "unix:relative", "unix:/"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        CHECK(!parse(PROBE_TCP, bad[at], &target));
}

static void check_http(void)
{
    struct target target;
    CHECK(parse(PROBE_HTTP, "127.0.0.1:8080/health?full=1", &target));
    CHECK(target.port == 8080 && strcmp(target.text, "/health?full=1") == 0);
    CHECK(parse(PROBE_HTTP, "http://[::1]:81", &target));
    CHECK(target.port == 81 && strcmp(target.text, "/") == 0 && strcmp(target.host, "::1") == 0);
    CHECK(parse(PROBE_HTTP, "example.com", &target) && target.port == 80);
    CHECK(!parse(PROBE_HTTP, "https://example.com/", &target));
    CHECK(!parse(PROBE_HTTP, "example.com/a b", &target));
    CHECK(!parse(PROBE_HTTP, "example.com/\r\nX: y", &target));
    CHECK(!parse(PROBE_HTTP, "/health", &target));
}

static void check_others(void)
{
    struct target target;
    CHECK(parse(PROBE_EXEC, "test -f /tmp/x", &target) && strcmp(target.text, "test -f /tmp/x") == 0);
    CHECK(!parse(PROBE_EXEC, "", &target));
    CHECK(parse(PROBE_MEMORY, "90%", &target) && target.limit_ppm == 900000);
    CHECK(!parse(PROBE_MEMORY, "90", &target) && !parse(PROBE_MEMORY, "0%", &target));
    CHECK(!parse(PROBE_MEMORY, "101%", &target));
}

int main(void)
{
    check_addresses();
    check_http();
    check_others();
    return check_end();
}
