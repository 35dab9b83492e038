/* SPDX-License-Identifier: MIT
 * Settings of the process, attachment to the segment, the private copy of the rules. */
#include "conn/host.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "config/chaos.h"
#include "config/compile.h"
#include "config/hosts.h"
#include "conn/account.h"
#include "conn/adopt.h"
#include "conn/envp.h"
#include "conn/load.h"
#include "conn/specs.h"
#include "real/raw.h"
#include "segment/publish.h"
#include "segment/registry.h"
#include "segment/rows.h"

#define ATTACH_WAIT_NS 100000000ull
#define TURN_NS        5000000000ull

struct host host;

static const char *find_env(char **environment, const char *name)
{
    size_t length = strlen(name);
    for (char **entry = environment; entry && *entry; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

/* The program may overwrite its environment later (setproctitle does): keep copies, in pages of our own. */
static char *keep_env(char **environment, const char *name)
{
    const char *value = find_env(environment, name);
    if (!value || !*value)
        return NULL;
    size_t bytes = strlen(value) + 1;
    char *copy = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy)
        memcpy(copy, value, bytes);
    else
        host.inert = true; /* without it other rules would hold, or others' segment */
    return copy;
}

/* A relative path means the directory in which the program started, whatever it changes to later. */
static char *keep_path(char **environment, const char *name)
{
    char directory[SEGMENT_PATH];
    char *value = keep_env(environment, name);
    if (!value || *value == '/' || raw_syscall(SYS_getcwd, (long)directory, sizeof directory, 0, 0, 0, 0) < 0)
        return value;
    size_t bytes = strlen(directory) + 1 + strlen(value) + 1;
    char *path = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (path)
        text_format(path, bytes, "%s/%s", directory, value);
    return path ? path : value;
}

void host_log(const char *format, ...)
{
    char line[512];
    va_list args;
    if (!host.log_env)
        return;
    size_t used = text_format(line, sizeof line, "libresil[%d] %s: ", raw_getpid(), host.program);
    va_start(args, format);
    used += text_vformat(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    line[used++] = '\n';
    if (strcmp(host.log_env, "stderr") == 0) {
        raw_append(STDERR_FILENO, line, used);
        return;
    }
    /* Opened for each line: a descriptor of ours would be closed, inherited or counted by the program. */
    int fd = raw_open(host.log_env, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (fd >= 0) {
        raw_append(fd, line, used);
        raw_close(fd);
    }
}

/* 0: no such pattern. */
static uint32_t pattern_of(const char *word, size_t length)
{
    static const struct {
        const char *name;
        uint32_t mask;
    } patterns[] = {{"all", DISABLE_ALL},           {"1", DISABLE_ALL},           {"breaker", DISABLE_BREAKER},
                    {"bulkhead", DISABLE_BULKHEAD}, {"timeout", DISABLE_TIMEOUT}, {"chaos", DISABLE_CHAOS},
                    {"retry", DISABLE_RETRY},       {"rate", DISABLE_RATE},       {"exec", DISABLE_EXEC}};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (strlen(patterns[i].name) == length && memcmp(word, patterns[i].name, length) == 0)
            return patterns[i].mask;
    return 0;
}

static uint32_t parse_disable(const char *text)
{
    uint32_t mask = 0;
    while (text && *text) {
        size_t length = strcspn(text, ", ");
        uint32_t pattern = pattern_of(text, length);
        if (length > 0 && pattern == 0)
            host_log("RESIL_DISABLE: got `%.*s', want all, or any of breaker bulkhead timeout chaos retry rate exec",
                     (int)length, text);
        mask |= pattern;
        text += length + (text[length] != '\0');
    }
    return mask;
}

static uint64_t parse_seed(const char *text)
{
    uint64_t seed = 0;
    if (!text)
        return clock_now_ns() ^ (uint64_t)raw_getpid() << 32; /* unseeded runs differ */
    for (; *text; text++)
        seed = seed * 131 + (uint8_t)*text;
    return seed;
}

static int64_t parse_priority(const char *text)
{
    enum { PRIORITY_MAX = 255 };
    int64_t priority;
    if (!text)
        return -1;
    if (parse_count(text, strlen(text), &priority) && priority <= PRIORITY_MAX)
        return priority;
    host_log("RESIL_PRIORITY: got `%s', want 0 to %d; not used", text, PRIORITY_MAX);
    return -1;
}

/* When RESIL_CHAOS began: `resctl run` says it, for a program and all that it starts; else this program's start. */
static uint64_t parse_began(const char *text, uint64_t now_ns)
{
    int64_t began_ns = 0;
    bool told = text && parse_count(text, strlen(text), &began_ns) && (uint64_t)began_ns <= now_ns;
    return told ? (uint64_t)began_ns : now_ns;
}

static void read_chaos(char **environment)
{
    char error[256];
    const char *spec = find_env(environment, "RESIL_CHAOS");
    host.chaos_seed = parse_seed(find_env(environment, "RESIL_CHAOS_SEED"));
    host.chaos_began_ns = parse_began(find_env(environment, "RESIL_CHAOS_BEGAN"), clock_now_ns());
    if (spec && !chaos_parse(spec, &host.faults, error, sizeof error))
        host_log("RESIL_CHAOS: %s; no fault is injected", error);
}

static void learn_program(const char *argv0)
{
    const char *base = argv0 ? strrchr(argv0, '/') : NULL;
    text_copy(host.program, sizeof host.program, base ? base + 1 : argv0 ? argv0 : "?");
}

void host_init(const char *argv0, char **environment)
{
    atomic_store(&host.pid, (uint32_t)raw_getpid());
    /* A privileged program must not listen to whoever started it: not even the environment is read. */
    if (getauxval(AT_SECURE)) {
        host.inert = true;
        return;
    }
    learn_program(argv0);
    host.log_env = keep_env(environment, "RESIL_LOG");
    host.disabled = parse_disable(find_env(environment, "RESIL_DISABLE"));
    if ((host.disabled & DISABLE_ALL) == DISABLE_ALL)
        host.inert = true;
    if (host.inert)
        return;
    host.config_env = keep_path(environment, "RESIL_CONFIG");
    host.rules_env = keep_env(environment, "RESIL_RULES");
    host.segment_env = keep_env(environment, "RESIL_SEGMENT");
    host.xdg_env = keep_env(environment, "XDG_CONFIG_HOME");
    host.home_env = keep_env(environment, "HOME");
    host.priority = parse_priority(find_env(environment, "RESIL_PRIORITY"));
    read_chaos(environment);
    envp_learn(environment);
}

static bool open_segment(void)
{
    char path[SEGMENT_PATH];
    if (host.segment_env && strcmp(host.segment_env, "private") == 0)
        return segment_private(&host.segment);
    if (host.segment_env)
        text_copy(path, sizeof path, host.segment_env);
    else
        segment_path(path, sizeof path, geteuid(), host.config_env, host.rules_env);
    enum segment_result result = segment_open(&host.segment, path, true);
    if (result == SEGMENT_ABSENT || result == SEGMENT_STALE)
        result = segment_create(&host.segment, path, result == SEGMENT_STALE);
    /* resctl of root steers the segments of others; a program of root must not obey what another user put in its way.
     */
    if (result == SEGMENT_OK && host.segment.uid != geteuid()) {
        text_copy(host.segment.error, sizeof host.segment.error, "it belongs to another user");
        raw_munmap(host.segment.base, (size_t)host.segment.bytes);
    } else if (result == SEGMENT_OK) {
        return true;
    }
    host_log("segment not shared: %s", host.segment.error);
    return segment_private(&host.segment);
}

/* A handler that interrupts the thread in its turn runs deeper on the stack; whoever calls from the same place or above
 * has left it. On another stack this may err: then the thread has its turn twice, and the second entry or copy stands.
 */
static bool turn_is_abandoned(const struct host_turn *turn, uint32_t tid, uintptr_t frame, uint64_t now_ns)
{
    if (now_ns - atomic_load(&turn->since_ns) > TURN_NS)
        return true;
    return tid == (uint32_t)raw_gettid() ? frame >= atomic_load(&turn->frame)
                                         : !raw_thread_lives(raw_getpid(), (int)tid);
}

bool host_turn_take(struct host_turn *turn)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    uint64_t now_ns = clock_now_ns();
    uint32_t holder = atomic_load(&turn->tid);
    if (holder == 0)
        atomic_store(&turn->since_ns, now_ns); /* before the turn is taken: it is never old at its beginning */
    if (holder != 0 && !turn_is_abandoned(turn, holder, frame, now_ns))
        return false;
    if (!atomic_compare_exchange_strong(&turn->tid, &holder, (uint32_t)raw_gettid()))
        return false;
    atomic_store(&turn->since_ns, now_ns);
    atomic_store(&turn->frame, frame);
    return true;
}

void host_turn_end(struct host_turn *turn)
{
    atomic_store_explicit(&turn->tid, 0, memory_order_release);
}

/* Enters this process into the registry, once: a second entry would retire the first one. The other threads (and a
 * signal handler on the joining thread) wait a moment, and pass their call through when that was not enough. */
static bool join(void)
{
    uint64_t start_ns = 0;
    for (;;) {
        if (atomic_load_explicit(&host.owner, memory_order_acquire))
            return true;
        if (host_turn_take(&host.joining))
            break;
        uint64_t now_ns = clock_now_ns();
        start_ns = start_ns ? start_ns : now_ns;
        if (now_ns - start_ns > ATTACH_WAIT_NS)
            return false;
        raw_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    if (!atomic_load(&host.owner))
        atomic_store(&host.owner,
                     registry_join(&host.segment, atomic_load(&host.parent_owner), host.program, &host.resumed));
    host_turn_end(&host.joining);
    return atomic_load(&host.owner) != 0;
}

/* retaken: another attempt at it was left half done. */
static bool attach(bool retaken)
{
    if (!open_segment() || !join())
        return false;
    if (host.resumed || retaken)
        publish_end(&host.segment, atomic_load(&host.owner)); /* whoever was before us may have been at it */
    load_publish_if_missing();
    host_rules(); /* the copy is there before any other thread may look: its first call must not slip through */
    if (host.resumed)
        adopt_past();
    return true;
}

/* Waits for the thread that attaches; a signal handler on that very thread must not. True when the turn to attach is
 * the caller's: there is no such thread any more. */
static bool wait_for_attacher(void)
{
    uint64_t start_ns = clock_now_ns();
    while (atomic_load_explicit(&host.attach_state, memory_order_acquire) < ATTACH_READY) {
        if (host_turn_take(&host.attaching))
            return true;
        if (atomic_load(&host.attaching.tid) == (uint32_t)raw_gettid() || clock_now_ns() - start_ns > ATTACH_WAIT_NS)
            return false;
        raw_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    return false;
}

bool host_attach(void)
{
    uint32_t state = atomic_load_explicit(&host.attach_state, memory_order_acquire);
    if (state == ATTACH_READY)
        return join();
    if (state == ATTACH_FAILED || host.inert)
        return false;
    if (!host_turn_take(&host.attaching) && !wait_for_attacher())
        return atomic_load_explicit(&host.attach_state, memory_order_acquire) == ATTACH_READY;
    state = atomic_load(&host.attach_state);
    if (state == ATTACH_NONE || state == ATTACH_BUSY) {
        atomic_store(&host.attach_state, ATTACH_BUSY);
        bool ok = attach(state == ATTACH_BUSY);
        if (!ok)
            host_log("cannot attach: every call passes through");
        state = ok ? ATTACH_READY : ATTACH_FAILED;
        atomic_store_explicit(&host.attach_state, state, memory_order_release);
    }
    host_turn_end(&host.attaching);
    return state == ATTACH_READY;
}

bool host_off(void)
{
    if (atomic_load_explicit(&host.attach_state, memory_order_acquire) != ATTACH_READY)
        return false;
    const struct seg_header *header = seg_header(&host.segment);
    if (atomic_load_explicit(&header->off, memory_order_relaxed) == 0)
        return false;
    uint64_t until_ns = atomic_load_explicit(&header->off_until_ns, memory_order_relaxed);
    return until_ns == 0 || clock_now_ns() < until_ns;
}

const struct rules *host_rules(void)
{
    uint64_t published = atomic_load_explicit(&seg_header(&host.segment)->generation, memory_order_acquire);
    if (published != atomic_load_explicit(&host.rules_generation, memory_order_relaxed))
        load_refresh();
    return atomic_load_explicit(&host.rules, memory_order_acquire);
}

const struct live *host_live(const struct rules *rules)
{
    return copies_of(rules)->live;
}

const struct rules *host_effective(const struct rules *rules, uint32_t *destination, uint64_t now_ns)
{
    const struct live *live = host_live(rules);
    int row = live_row(live, *destination, now_ns);
    if (row < 0)
        return rules;
    *destination = (uint32_t)row;
    return live_rules(live);
}

uint64_t host_chaos_wall_ns(const struct rules *rules, uint32_t destination, uint64_t now_ns)
{
    const struct live *live = host_live(rules);
    int row = live_row(live, destination, now_ns);
    /* A variant's number is its row's; where it is not, somebody else wrote the block. */
    return row < 0 || (uint32_t)row >= live->variants ? 0 : live_variant(live, (uint32_t)row)->chaos_wall_ns;
}

/* By the table, which knows the rows that this copy of the rules has been used for, else by name. */
static bool is_of_row(const struct rules *rules, uint32_t destination, uint32_t row)
{
    uint32_t known = atomic_load_explicit(host_rule_rows(rules) + destination, memory_order_relaxed);
    const char *name = rules_text(rules, rules_destination(rules, destination)->name);
    return known == ROW_NONE ? strncmp(name, seg_row(&host.segment, row)->name, SEG_NAME) == 0 : known == row;
}

const struct conf *host_current_conf(uint32_t row, const struct conf *conf)
{
    if (__builtin_expect(atomic_load_explicit(&host.rules_move, memory_order_relaxed) == 0, 1) &&
        atomic_load_explicit(&seg_header(&host.segment)->generation, memory_order_acquire) ==
            atomic_load_explicit(&host.rules_generation, memory_order_relaxed))
        return conf;
    const struct rules *rules = host_rules();
    for (uint32_t i = 0; rules && i < rules->destinations; i++) {
        if (!is_of_row(rules, i, row))
            continue;
        rules = host_effective(rules, &i, clock_now_ns());
        return &rules_destination(rules, i)->conf;
    }
    return conf;
}

_Atomic uint32_t *host_rule_rows(const struct rules *rules)
{
    return (_Atomic uint32_t *)(uintptr_t)((const uint8_t *)rules + (rules->bytes + 15) / 16 * 16);
}

/* Behind the rows: a pointer to the parsed faults of each destination. The layout of load_refresh(). */
static _Atomic(const struct faults *) *fault_slots(const struct rules *rules)
{
    size_t rows_bytes = (rules->destinations * sizeof(uint32_t) + 15) / 16 * 16;
    return (_Atomic(const struct faults *) *)(uintptr_t)((const uint8_t *)host_rule_rows(rules) + rows_bytes);
}

/* Behind those: a pointer to the maglev table of each destination, then the rows of all endpoints. */
static _Atomic(uint8_t *) *maglev_slots(const struct rules *rules)
{
    return (_Atomic(uint8_t *) *)(uintptr_t)(fault_slots(rules) + rules->destinations);
}

_Atomic uint32_t *host_endpoint_rows(const struct rules *rules, const struct rule_destination *destination)
{
    return (_Atomic uint32_t *)(uintptr_t)(maglev_slots(rules) + rules->destinations) + destination->first_endpoint;
}

size_t host_tables_bytes(size_t rules_bytes)
{
    size_t endpoints_max = rules_bytes / sizeof(struct rule_endpoint);
    return SEG_ROWS * (sizeof(uint32_t) + 2 * sizeof(void *)) + 32 + endpoints_max * sizeof(uint32_t);
}

_Atomic(uint8_t *) *host_maglev_slot(const struct rules *rules, uint32_t destination)
{
    return maglev_slots(rules) + destination;
}

const uint8_t *host_maglev(const struct rules *rules, uint32_t destination)
{
    enum { TAKEN = BALANCE_TABLE / 8 + 1 };
    _Atomic(uint8_t *) *slot = maglev_slots(rules) + destination;
    uint8_t *table = atomic_load_explicit(slot, memory_order_acquire), *none = NULL;
    if (table)
        return table;
    uint8_t *taken = raw_mmap(NULL, TAKEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    table = raw_mmap(NULL, BALANCE_TABLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool made = taken && table && rules_maglev(rules, rules_destination(rules, destination), table, taken);
    if (taken)
        raw_munmap(taken, TAKEN);
    if (made && atomic_compare_exchange_strong(slot, &none, table))
        return table;
    if (table)
        raw_munmap(table, BALANCE_TABLE);
    return none; /* another thread's, or NULL */
}

const struct faults *host_rule_faults(const struct rules *rules, uint32_t destination)
{
    const char *text = rules_text(rules, rules_destination(rules, destination)->conf.chaos);
    if (!*text || strcmp(text, "deny") == 0)
        return NULL;
    _Atomic(const struct faults *) *slot = fault_slots(rules) + destination;
    const struct faults *faults = atomic_load_explicit(slot, memory_order_acquire);
    if (!faults) {
        faults = specs_find(text);
        atomic_store_explicit(slot, faults, memory_order_release);
    }
    return faults;
}

/* The header keeps wall time, which a reader can print. */
uint64_t host_rules_began_ns(uint64_t wall_ns)
{
    uint64_t now_ns = clock_now_ns(), now_wall_ns = clock_wall_ns();
    uint64_t loaded_ns = atomic_load_explicit(&seg_header(&host.segment)->loaded_wall_ns, memory_order_relaxed);
    uint64_t began_ns = wall_ns ? wall_ns : loaded_ns;
    uint64_t age_ns = now_wall_ns > began_ns ? now_wall_ns - began_ns : 0;
    return now_ns > age_ns ? now_ns - age_ns : 0;
}

void host_after_fork(void)
{
    uint32_t busy = ATTACH_BUSY;
    atomic_store(&host.pid, (uint32_t)raw_getpid());
    atomic_store(&host.parent_owner, atomic_load(&host.owner));
    atomic_store(&host.owner, 0);
    host_turn_end(&host.refreshing);
    host_turn_end(&host.joining);
    host_turn_end(&host.attaching);
    account_after_fork();
    /* The thread that was attaching does not exist here. */
    atomic_compare_exchange_strong(&host.attach_state, &busy, ATTACH_NONE);
}
