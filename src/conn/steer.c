/* SPDX-License-Identifier: MIT
 * From rows to hosts, from the choice to a socket address. */
#include "conn/steer.h"

#include <alloca.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/prng.h"
#include "config/hosts.h"
#include "conn/host.h"
#include "conn/kernel.h"
#include "policy/health.h"
#include "real/raw.h"
#include "segment/force.h"
#include "segment/rows.h"

enum { REACH_V4 = 1, REACH_V6 = 2, REACH_UNIX = 4 };

/* balance.affinity = process: {process id:32, seg_row.affinity:20, row of the endpoint + 1:12} by the row of the
 * destination. A forked child chooses anew, and so does everybody when an operator moves seg_row.affinity. Any thread
 * writes. */
static _Atomic uint64_t kept[SEG_ROWS];
enum { KEPT_ROW_BITS = 12, KEPT_ROW_MASK = (1 << KEPT_ROW_BITS) - 1, KEPT_EPOCH_MASK = (1 << 20) - 1 };
_Static_assert((int)SEG_ROWS < (int)KEPT_ROW_MASK, "a word holds every row");

/* The word without the row. */
static uint64_t session_of(const struct attempt *attempt)
{
    uint64_t pid = atomic_load_explicit(&host.pid, memory_order_relaxed);
    uint64_t epoch = atomic_load_explicit(&seg_row(&host.segment, attempt->row)->affinity, memory_order_relaxed);
    return pid << 32 | (epoch & KEPT_EPOCH_MASK) << KEPT_ROW_BITS;
}

bool steer_wanted(const struct rule_destination *destination)
{
    return destination->endpoints > 0 && destination->conf.mode == MODE_ENFORCE;
}

/* ---- what the socket can reach -------------------------------------------------------------------- */

static int option(int fd, int level, int name)
{
    int value = 0;
    unsigned length = sizeof value;
    return raw_getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
}

/* The local address that the application bound; family AF_UNSPEC when there is none, or any. */
static struct address bound_address(int fd)
{
    static const uint8_t any[16];
    struct sockaddr_storage local = {0};
    struct address address = {0};
    unsigned length = sizeof local;
    if (raw_syscall(SYS_getsockname, fd, (long)&local, (long)&length, 0, 0, 0) != 0 || local.ss_family == AF_UNIX ||
        !address_read(&address, (const struct sockaddr *)&local, length) || memcmp(address.addr, any, sizeof any) == 0)
        return (struct address){.family = AF_UNSPEC};
    return address;
}

static uint32_t reach_of(int fd, int domain)
{
    if (domain == AF_UNIX)
        return REACH_UNIX;
    if (domain == AF_INET)
        return REACH_V4;
    int bound = bound_address(fd).family;
    if (bound != AF_UNSPEC)
        return bound == AF_INET ? REACH_V4 : REACH_V6;
    return option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0 ? REACH_V4 | REACH_V6 : REACH_V6;
}

bool steer_know(struct attempt *attempt)
{
    if (attempt->asked_length > 0)
        return true;
    int domain = option(attempt->fd, SOL_SOCKET, SO_DOMAIN);
    if (domain != attempt->addr.ss_family)
        return false;
    attempt->asked = attempt->addr;
    attempt->asked_length = attempt->length;
    attempt->reach = reach_of(attempt->fd, domain);
    return true;
}

void steer_begin(struct attempt *attempt)
{
    attempt->steered = steer_know(attempt);
    attempt->picked = BALANCE_HOSTS;
}

void steer_home(struct attempt *attempt)
{
    attempt->steered = false;
    attempt->insist = false;
    attempt->endpoint = attempt->row;
    attempt->addr = attempt->asked;
    attempt->length = attempt->asked_length;
    address_read(&attempt->to, (const struct sockaddr *)&attempt->addr, attempt->length);
}

/* ---- what the balancer has to know ---------------------------------------------------------------- */

static bool has_bit(const uint64_t *bits, uint32_t index)
{
    return bits[index / 64] >> index % 64 & 1;
}

static void set_bit(uint64_t *bits, uint32_t index)
{
    bits[index / 64] |= 1ull << index % 64;
}

uint32_t steer_row(const struct attempt *attempt, uint32_t index)
{
    _Atomic uint32_t *known = host_endpoint_rows(attempt->rules, attempt->destination) + index;
    uint32_t row = atomic_load_explicit(known, memory_order_relaxed);
    if (row != ROW_NONE)
        return row;
    const struct rule_endpoint *endpoint = rules_endpoint(attempt->rules, attempt->destination, index);
    struct row_key key = {
        .kind = index < attempt->destination->endpoints ? ROW_ENDPOINT : ROW_FALLBACK,
        .parent = attempt->row,
        .family = endpoint->family,
        .port = endpoint->port,
        .name = attempt->name,
        .path = endpoint->family == AF_UNIX ? rules_text(attempt->rules, endpoint->text) + strlen(RULES_UNIX) : NULL,
    };
    memcpy(key.addr, endpoint->addr, sizeof key.addr);
    row = rows_get(&host.segment, &key);
    if (row == ROW_NONE)
        row = attempt->row; /* table full: one breaker for the rest */
    atomic_store_explicit(known, row, memory_order_relaxed);
    return row;
}

static uint32_t reach_needed(uint8_t family)
{
    return family == AF_INET ? REACH_V4 : family == AF_INET6 ? REACH_V6 : REACH_UNIX;
}

/* Open and due is ready: the breaker itself then decides on the probe, and nobody else. */
static enum balance_state state_of(const struct attempt *attempt, const struct seg_row *row)
{
    uint32_t forced = force_own(row, attempt->now_ns);
    if (forced == 0 && row->kind == ROW_ENDPOINT)
        forced = force_own(seg_row(&host.segment, attempt->row), attempt->now_ns);
    if (forced == STATE_FORCED_OPEN || forced == STATE_DRAINING)
        return BALANCE_SHUT;
    const struct conf *conf = &attempt->destination->conf;
    if (forced == STATE_FORCED_CLOSED || conf->breaker_scope == SCOPE_DESTINATION)
        return BALANCE_READY;
    struct breaker breaker = breaker_unpack(atomic_load_explicit(&row->breaker, memory_order_acquire));
    return breaker_wait_ns(&breaker, conf, attempt->now_ns) > 0 ? BALANCE_OPEN : BALANCE_READY;
}

static bool is_down(const struct conf *conf, const struct seg_row *row, uint64_t now_ns)
{
    if (conf->health_check == 0)
        return false;
    uint64_t checked_ns = atomic_load_explicit(&row->checked_ns, memory_order_relaxed);
    return health_is_fresh(checked_ns, conf->health_check_interval_ns, now_ns) &&
           health_unpack(atomic_load_explicit(&row->health, memory_order_relaxed)).state == HEALTH_DOWN;
}

static bool by_load(const struct conf *conf)
{
    return conf->balance == BALANCE_LEAST_CONN || conf->balance == BALANCE_P2C || conf->balance == BALANCE_LEAST_TIME;
}

static uint64_t load_of(const struct conf *conf, const struct seg_row *row, uint64_t now_ns)
{
    uint64_t connections = steer_endpoint_connections(row);
    if (conf->balance != BALANCE_LEAST_TIME)
        return connections;
    uint64_t word = atomic_load_explicit(&row->ewma, memory_order_relaxed);
    return balance_cost(balance_ewma_ns(word, now_ns), connections);
}

bool steer_reaches(const struct attempt *attempt, const struct rule_endpoint *place)
{
    return (attempt->reach & reach_needed(place->family)) != 0;
}

static void look(const struct attempt *attempt, struct balance_host *all)
{
    const struct conf *conf = &attempt->destination->conf;
    rules_hosts(attempt->rules, attempt->destination, all);
    for (uint32_t i = 0; i < attempt->destination->endpoints; i++) {
        uint8_t family = rules_endpoint(attempt->rules, attempt->destination, i)->family;
        const struct seg_row *row = seg_row(&host.segment, steer_row(attempt, i));
        struct balance_host *one = &all[i];
        if (!(attempt->reach & reach_needed(family))) {
            one->state = BALANCE_OUT;
            continue;
        }
        one->state = (uint8_t)state_of(attempt, row);
        if (one->state == BALANCE_READY && has_bit(attempt->passed, i))
            one->state = BALANCE_OPEN;
        one->tried = has_bit(attempt->tried, i);
        one->down = is_down(conf, row, attempt->now_ns);
        one->share = balance_share(conf->balance_slow_start_ns,
                                   atomic_load_explicit(&row->up_since_ns, memory_order_relaxed), attempt->now_ns);
        one->load = by_load(conf) ? load_of(conf, row, attempt->now_ns) : 0;
    }
}

/* Dead owners' slots must not count for ever where loads decide: somebody looks for them once a second. pick[1]: when
 * that is due; who dies before he looked leaves it to the next second. */
static void bury_holders(const struct attempt *attempt)
{
    enum { PERIOD_NS = 1000000000 };
    _Atomic uint64_t *due_ns = &seg_row(&host.segment, attempt->row)->pick[1];
    uint64_t seen = atomic_load_explicit(due_ns, memory_order_relaxed);
    if (attempt->now_ns >= seen && atomic_compare_exchange_strong(due_ns, &seen, attempt->now_ns + PERIOD_NS))
        ledger_reap(&host.segment, attempt->row, attempt->now_ns);
}

/* Who asks: the bound source address, else the process. */
static uint64_t source_key(const struct attempt *attempt)
{
    struct address local = bound_address(attempt->fd);
    if (local.family == AF_UNSPEC)
        return prng_mix(atomic_load_explicit(&host.pid, memory_order_relaxed));
    return balance_hash(local.addr, sizeof local.addr);
}

static uint32_t kept_endpoint(const struct attempt *attempt)
{
    uint64_t word = atomic_load_explicit(&kept[attempt->row], memory_order_relaxed);
    if ((word & ~(uint64_t)KEPT_ROW_MASK) != session_of(attempt))
        return BALANCE_HOSTS;
    for (uint32_t i = 0; i < attempt->destination->endpoints; i++)
        if (steer_row(attempt, i) == (uint32_t)(word & KEPT_ROW_MASK) - 1)
            return i;
    return BALANCE_HOSTS;
}

static void keep(const struct attempt *attempt)
{
    if (attempt->destination->conf.balance_affinity == AFFINITY_PROCESS)
        atomic_store_explicit(&kept[attempt->row], session_of(attempt) | (attempt->endpoint + 1), memory_order_relaxed);
}

static void describe_call(const struct attempt *attempt, struct balance_call *call)
{
    const struct conf *conf = &attempt->destination->conf;
    int64_t affinity = conf->balance_affinity;
    rules_call(attempt->rules, attempt->destination, call);
    call->number = attempt->number;
    call->random = prng_at(attempt->now_ns, attempt->cookie, attempt->number + 2);
    call->insist = attempt->insist_all || (host.disabled & DISABLE_BREAKER);
    call->by_key = affinity == AFFINITY_UID || affinity == AFFINITY_SOURCE;
    if (affinity == AFFINITY_PROCESS)
        call->kept = kept_endpoint(attempt);
    if (affinity == AFFINITY_UID)
        call->key = prng_mix(geteuid());
    else if (call->by_key || conf->balance == BALANCE_IP_HASH || conf->balance == BALANCE_MAGLEV)
        call->key = source_key(attempt);
    if (conf->balance == BALANCE_MAGLEV && !call->by_key) {
        call->table = host_maglev(attempt->rules, attempt->index);
        call->table_size = BALANCE_TABLE;
    }
}

static struct balance_choice choose(const struct attempt *attempt, bool *tried)
{
    uint32_t count = attempt->destination->endpoints;
    struct balance_host *all = alloca((count ? count : 1) * sizeof *all); /* the stack may be small */
    struct balance_call call;
    look(attempt, all);
    describe_call(attempt, &call);
    struct balance_choice choice = balance_pick(all, count, &call);
    *tried = choice.verdict != VERDICT_ADMIT || all[choice.index].tried;
    return choice;
}

/* ---- the choice as an address --------------------------------------------------------------------- */

static void aim_inet(struct attempt *attempt, const struct rule_endpoint *endpoint)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
    if (attempt->asked.ss_family == AF_INET) {
        memcpy(&in.sin_addr, endpoint->addr, 4);
        memcpy(&attempt->addr, &in, sizeof in);
        attempt->length = sizeof in;
        return;
    }
    if (endpoint->family == AF_INET) {
        memset(&in6.sin6_addr.s6_addr[10], 0xff, 2);
        memcpy(&in6.sin6_addr.s6_addr[12], endpoint->addr, 4);
    } else {
        memcpy(&in6.sin6_addr, endpoint->addr, 16);
    }
    memcpy(&attempt->addr, &in6, sizeof in6);
    attempt->length = sizeof in6;
}

static void aim_unix(struct attempt *attempt, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t bytes = strnlen(path, sizeof un.sun_path - 1);
    memcpy(un.sun_path, path, bytes);
    if (path[0] == '@')
        un.sun_path[0] = '\0';
    memcpy(&attempt->addr, &un, sizeof un);
    attempt->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (path[0] != '@'));
}

static void aim_at(struct attempt *attempt, const struct rule_endpoint *place)
{
    if (place->family == AF_UNIX)
        aim_unix(attempt, rules_text(attempt->rules, place->text) + strlen(RULES_UNIX));
    else
        aim_inet(attempt, place);
    address_read(&attempt->to, (const struct sockaddr *)&attempt->addr, attempt->length);
}

static void aim(struct attempt *attempt, const struct balance_choice *choice)
{
    attempt->picked = choice->index;
    attempt->insist = choice->insist;
    attempt->endpoint = steer_row(attempt, choice->index);
    aim_at(attempt, rules_endpoint(attempt->rules, attempt->destination, choice->index));
}

void steer_to(struct attempt *attempt, uint32_t index)
{
    attempt->steered = attempt->relayed = false;
    attempt->endpoint = steer_row(attempt, index);
    aim_at(attempt, rules_endpoint(attempt->rules, attempt->destination, index));
}

bool steer_via(struct attempt *attempt)
{
    const struct rule_endpoint *relay = rules_via(attempt->rules, attempt->destination);
    if (!steer_know(attempt) || !steer_reaches(attempt, relay))
        return false;
    attempt->relayed = true;
    aim_at(attempt, relay);
    return true;
}

enum verdict steer_pick(struct attempt *attempt)
{
    static const uint64_t none[BALANCE_HOSTS / 64];
    bool tried;
    if (memcmp(attempt->passed, none, sizeof none) == 0) {
        attempt->number = atomic_fetch_add(&seg_row(&host.segment, attempt->row)->pick[0], 1);
        if (by_load(&attempt->destination->conf))
            bury_holders(attempt);
    }
    struct balance_choice choice = choose(attempt, &tried);
    if (choice.verdict != VERDICT_ADMIT) {
        attempt->endpoint = attempt->row; /* no endpoint's own refusal */
        return choice.verdict;
    }
    aim(attempt, &choice);
    keep(attempt);
    return VERDICT_ADMIT;
}

void steer_pass(struct attempt *attempt)
{
    set_bit(attempt->passed, attempt->picked);
}

bool steer_other(struct attempt *attempt)
{
    bool tried;
    if (!attempt->steered)
        return false;
    if (attempt->picked < BALANCE_HOSTS)
        set_bit(attempt->tried, attempt->picked);
    choose(attempt, &tried);
    return !tried;
}

/* ---- accounts and latencies ----------------------------------------------------------------------- */

uint32_t steer_endpoint_connections(const struct seg_row *row)
{
    return ledger_count(atomic_load_explicit(&row->account, memory_order_relaxed));
}

void steer_learn(const struct conn *conn, uint64_t latency_ns, uint64_t now_ns)
{
    _Atomic uint64_t *word = &seg_row(&host.segment, conn->endpoint)->ewma;
    if (conn->conf->balance != BALANCE_LEAST_TIME)
        return;
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(word, &seen, balance_ewma_add(seen, latency_ns, now_ns)))
        ;
}

/* ---- getpeername ---------------------------------------------------------------------------------- */

/* What the kernel would say of a connection to the address that was asked for. */
static socklen_t native_peer(const struct conn *conn, struct sockaddr_storage *peer)
{
    socklen_t length = conn->asked_length;
    memcpy(peer, &conn->asked, sizeof *peer);
    if (peer->ss_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)peer;
        memset(in->sin_zero, 0, sizeof in->sin_zero);
        if (in->sin_addr.s_addr == htonl(INADDR_ANY))
            in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        length = sizeof *in;
    } else if (peer->ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)peer;
        in6->sin6_flowinfo = 0;
        if (!IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
            in6->sin6_scope_id = 0;
        if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
            in6->sin6_addr = in6addr_loopback;
        length = sizeof *in6;
    }
    return length;
}

bool steer_peer(const struct conn *conn, int fd, struct sockaddr *addr, socklen_t room, socklen_t *length)
{
    struct sockaddr_storage peer;
    if (conn->asked_length == 0 || conn->conf->peername == PEERNAME_REAL || kernel_cookie(fd) != conn->cookie)
        return false;
    *length = native_peer(conn, &peer);
    memcpy(addr, &peer, room < *length ? room : *length);
    return true;
}
