/* SPDX-License-Identifier: MIT
 * Names: A and AAAA, and SRV. Answers come in any order, and often in another one each time: they are sorted, so that
 * the same answer is the same text. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dns_client.h"
#include "policy/balance.h"
#include "source.h"

enum { ADDRESSES_MAX = 1024, SERVICES_MAX = 512, TARGETS_ASKED_MAX = 64 };

struct address {
    char text[INET6_ADDRSTRLEN];
    unsigned priority, weight, port; /* of SRV */
    bool v6;
};

struct addresses {
    struct address at[ADDRESSES_MAX];
    unsigned count;
};

static void add(struct addresses *list, const struct address *address)
{
    if (list->count < ADDRESSES_MAX)
        list->at[list->count++] = *address;
}

static int by_order(const void *a, const void *b)
{
    const struct address *left = a, *right = b;
    if (left->priority != right->priority)
        return left->priority < right->priority ? -1 : 1;
    if (left->v6 != right->v6)
        return left->v6 ? 1 : -1;
    int texts = strcmp(left->text, right->text);
    return texts ? texts : (int)left->port - (int)right->port;
}

/* ---- A and AAAA ----------------------------------------------------------------------------------- */

static void add_resolved(struct addresses *list, const struct addrinfo *info)
{
    struct address address = {.v6 = info->ai_family == AF_INET6};
    const void *bytes = address.v6
                            ? (const void *)&((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr;
    inet_ntop(info->ai_family, bytes, address.text, sizeof address.text);
    add(list, &address);
}

/* As any program on this host would find it. */
static const char *resolve(const char *name, struct addresses *list)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    int error = getaddrinfo(name, NULL, &hints, &found);
    if (error)
        return gai_strerror(error);
    for (const struct addrinfo *at = found; at; at = at->ai_next)
        add_resolved(list, at);
    freeaddrinfo(found);
    return NULL;
}

static void add_record(void *context, const struct dns_record *record)
{
    struct address address = {.v6 = record->type == DNS_AAAA};
    if (record->type == DNS_SRV || record->additional)
        return;
    inet_ntop(address.v6 ? AF_INET6 : AF_INET, record->addr, address.text, sizeof address.text);
    add(context, &address);
}

/* Both families of one name server. One that has no answer for one family is no failure as long as the other has. */
static const char *ask_addresses(const struct discovery *what, const char *name, struct addresses *list)
{
    static struct dns_reply reply;
    static const uint16_t types[] = {DNS_A, DNS_AAAA};
    const char *why = NULL;
    unsigned before = list->count;
    for (int i = 0; i < 2; i++) {
        const char *no = dns_lookup(what, name, types[i], &reply);
        if (!no && !dns_records(reply.message, reply.length, add_record, list))
            no = "the name server's answer is damaged";
        why = no ? no : why;
    }
    return list->count > before ? NULL : why;
}

void source_dns(const struct source *source, FILE *out)
{
    static struct addresses list;
    const struct discovery *what = &source->what;
    const char *why = what->server[0] ? ask_addresses(what, what->name, &list) : resolve(what->name, &list);
    if (why) {
        fprintf(out, "! %s\n", why);
        return;
    }
    qsort(list.at, list.count, sizeof list.at[0], by_order);
    for (unsigned i = 0; i < list.count; i++)
        source_print(out, list.at[i].text, what->port, 0, 0);
}

/* ---- SRV ------------------------------------------------------------------------------------------ */

/* The records of one answer: services, and addresses that were sent with them. */
struct services {
    struct dns_record service[SERVICES_MAX], address[ADDRESSES_MAX];
    unsigned services, addresses;
};

static void sort_record(void *context, const struct dns_record *record)
{
    struct services *all = context;
    if (record->type == DNS_SRV && !record->additional && all->services < SERVICES_MAX)
        all->service[all->services++] = *record;
    if (record->type != DNS_SRV && record->additional && all->addresses < ADDRESSES_MAX)
        all->address[all->addresses++] = *record;
}

static bool add_sent(const struct services *all, const char *target, struct addresses *list)
{
    unsigned before = list->count;
    for (unsigned i = 0; i < all->addresses; i++)
        if (strcmp(all->address[i].name, target) == 0) {
            struct dns_record record = all->address[i];
            record.additional = false;
            add_record(list, &record);
        }
    return list->count > before;
}

/* RFC 2782: the lowest priority comes first, and the others when it is gone; with two tiers all others are backups. */
static unsigned first_priority(const struct addresses *list)
{
    return list->count ? list->at[0].priority : 0;
}

/* Weights are up to 65535 there and 1000 here; 0 is a very small chance. */
static unsigned scale(unsigned weight, unsigned heaviest)
{
    unsigned scaled = heaviest > BALANCE_WEIGHT_MAX ? weight * BALANCE_WEIGHT_MAX / heaviest : weight;
    return scaled ? scaled : 1;
}

static const char *add_service(const struct discovery *what, const struct services *all,
                               const struct dns_record *service, unsigned *asked, struct addresses *list)
{
    unsigned begin = list->count;
    const char *why = NULL;
    if (!add_sent(all, service->target, list))
        why = (*asked)++ < TARGETS_ASKED_MAX ? ask_addresses(what, service->target, list) : "too many targets";
    for (unsigned i = begin; i < list->count; i++) {
        list->at[i].priority = service->priority;
        list->at[i].weight = service->weight;
        list->at[i].port = service->port;
    }
    return why;
}

static void print_services(const struct addresses *list, FILE *out)
{
    unsigned heaviest = 0;
    for (unsigned i = 0; i < list->count; i++)
        heaviest = list->at[i].weight > heaviest ? list->at[i].weight : heaviest;
    for (unsigned i = 0; i < list->count; i++)
        source_print(out, list->at[i].text, list->at[i].port, scale(list->at[i].weight, heaviest),
                     list->at[i].priority != first_priority(list));
}

/* A target whose address cannot be had makes the whole answer useless: half of it would shut the other half out. */
void source_srv(const struct source *source, FILE *out)
{
    static struct dns_reply reply;
    static struct services all;
    static struct addresses list;
    unsigned asked = 0;
    const char *why = dns_lookup(&source->what, source->what.name, DNS_SRV, &reply);
    if (!why && !dns_records(reply.message, reply.length, sort_record, &all))
        why = "the name server's answer is damaged";
    for (unsigned i = 0; !why && i < all.services; i++)
        if (all.service[i].target[0] && all.service[i].port) /* "." is: no such service here */
            why = add_service(&source->what, &all, &all.service[i], &asked, &list);
    if (why) {
        fprintf(out, "! %s\n", why);
        return;
    }
    qsort(list.at, list.count, sizeof list.at[0], by_order);
    print_services(&list, out);
}
