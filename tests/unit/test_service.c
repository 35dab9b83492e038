/* SPDX-License-Identifier: MIT
 * Service names: an address for each name, of its own, from the name alone. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "config/compile.h"
#include "config/service.h"
#include "tests/unit/check.h"

enum { RULES_BYTES = 1 << 20, NAMES = 3000 };

static _Alignas(16) char block[RULES_BYTES];
static const struct rules *const rules = (const struct rules *)(const void *)block;
static const struct service_asker nobody = {"program", 1000};

static bool compile(const char *text)
{
    char errors_text[1024] = "";
    struct config_errors errors = {errors_text, sizeof errors_text, 0, 0};
    struct config_input input = {.inline_text = text};
    size_t bytes;
    bool good = config_compile(&input, block, sizeof block, &errors, &bytes);
    return CHECK_TEXT(errors_text, "") && good;
}

static bool find(const char *name, struct service *out)
{
    return service_find(rules, name, &nobody, out);
}

static void test_who_has_one(void)
{
    struct service one, other;
    CHECK(compile("mode=enforce;[destination a];match=A.svc:80,*.wild.svc,10.0.0.1;endpoints=127.0.0.1:1;"
                  "[destination b];match=b.svc;fallback=[::1]:1;[destination c];match=c.svc;via=unix:/x;"
                  "[destination d];match=d.svc;[destination e];match=e.svc;endpoints=127.0.0.1:1;mode=observe;"
                  "[destination f];match=f.svc app=other;endpoints=127.0.0.1:1;"
                  "[destination g];match=g.svc uid=1000;endpoints=127.0.0.1:1;"
                  "[destination a2];match=a.svc:81;endpoints=[::1]:1"));
    CHECK(find("a.svc", &one) && one.has_v4 && one.has_v6);
    CHECK(find("A.SVC.", &other) && other.number == one.number);
    CHECK_TEXT(other.name, "a.svc");
    CHECK(find("b.svc", &one) && !one.has_v4 && one.has_v6);
    CHECK(find("g.svc", &one));
    static const char *const none[] = {"c.svc", "d.svc", "e.svc",   "f.svc",    "x.wild.svc",
                                       "",      ".",     "a.svc..", "10.0.0.1", "a.sv"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        CHECK(!find(none[i], &one));
}

/* Both networks, there and back; nobody shares an address although some 35 hashes collide. */
static void test_addresses(void)
{
    static char text[NAMES * 16 + 128];
    static bool taken[1 << 17];
    size_t used =
        (size_t)snprintf(text, sizeof text, "mode=enforce;[destination a];endpoints=127.0.0.1:1;match=n0.svc");
    for (int i = 1; i < NAMES; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, ",n%d.svc", i);
    if (!CHECK(compile(text)))
        return;
    for (int i = 0; i < NAMES; i++) {
        char name[24];
        struct service one, back;
        uint8_t addr[16];
        snprintf(name, sizeof name, "n%d.svc", i);
        CHECK(find(name, &one) && one.number > 0 && one.number < 1 << 17 && !taken[one.number]);
        taken[one.number] = true;
        service_address(&one, AF_INET, addr);
        CHECK(addr[0] == 198 && (addr[1] == 18 || addr[1] == 19));
        CHECK(service_is_address(AF_INET, addr) && service_at(rules, AF_INET, addr, &nobody, &back));
        CHECK_TEXT(back.name, name);
        service_address(&one, AF_INET6, addr);
        CHECK(service_is_address(AF_INET6, addr) && service_at(rules, AF_INET6, addr, &nobody, &back));
        CHECK_TEXT(back.name, name);
    }
}

static void test_other_addresses(void)
{
    static const uint8_t v4[][16] = {{198, 17, 1, 1}, {198, 20, 1, 1}, {127, 18, 0, 1}, {198, 18, 0, 0}};
    static const uint8_t v6[][16] = {{0x20, 1, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
                                     {0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1},
                                     {0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1},
                                     {0}};
    struct service out;
    for (int i = 0; i < 4; i++) {
        CHECK(!service_is_address(AF_INET, v4[i]) && !service_at(rules, AF_INET, v4[i], &nobody, &out));
        CHECK(!service_is_address(AF_INET6, v6[i]) && !service_at(rules, AF_INET6, v6[i], &nobody, &out));
    }
}

int main(void)
{
    test_who_has_one();
    test_addresses();
    test_other_addresses();
    return check_end();
}
