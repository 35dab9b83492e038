/* SPDX-License-Identifier: MIT
 * The layout of the shared segment: the one description of it, included by the library and by resctl.
 *
 * Owns nothing and contains no code. Fixed-width types only, no pointers, no bool, no enum: 32- and
 * 64-bit processes share one segment. Every offset is asserted below; a change of any of them is a new
 * SEG_MAJOR, an addition in spare bytes a new SEG_MINOR.
 *
 * Beside each shared word stands who writes it. "Any" means any attached process, at any time, from
 * any thread or signal handler, by a compare-and-swap or an atomic add; a writer may die after any
 * instruction, and the comment then says what repairs the word.
 */
#ifndef RESIL_SEGMENT_LAYOUT_H
#define RESIL_SEGMENT_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SEG_MAGIC 0x4745534c49534552ull /* "RESILSEG" in memory order on little-endian machines */
#define SEG_MAJOR 1u
#define SEG_MINOR 0u

enum {
    SEG_ALIGN = 65536,  /* regions begin on the largest page size that we may meet (aarch64) */
    SEG_COUNTERS = 64,  /* counter words in a row */
    SEG_DIRECTORY = 64, /* entries of the counter directory */
    SEG_ROWS = 1024,    /* destinations and endpoints together */
    SEG_PROCESSES = 4096,
    SEG_LEDGER = 65536, /* open connections */
    SEG_UNMATCHED = 256,
    SEG_EVENTS_LIFE = 1024,
    SEG_EVENTS_REFUSAL = 2048,
    SEG_RULES_SLOTS = 2,
    SEG_RULES_BYTES = 1 << 20, /* of one slot */
    SEG_LEASES = 32,           /* probes of one breaker */
    SEG_BUCKETS = 10,          /* tenths of a window */
    SEG_CALL_WORDS = 16,       /* 64 calls each: the longest window of calls */
    SEG_HIST = 104,            /* log-linear: four buckets an octave, in microseconds */
    SEG_NAME = 64,             /* a destination's name with its NUL */
    SEG_LOOKUPS = 256,         /* names whose last good addresses are kept (dns.stale_max) */
    SEG_LOOKUP_ADDRESSES = 8,
    SEG_LOOKUP_NAME = 192,
    SEG_LABEL = 112, /* an endpoint as shown: "[addr]:port" or a socket's path */
    SEG_PROGRAM = 16
};

/* Regions, in the order of the file. */
enum seg_region {
    SEG_R_DIRECTORY,
    SEG_R_RULES,
    SEG_R_ROWS,
    SEG_R_PROCESSES,
    SEG_R_LEDGER,
    SEG_R_UNMATCHED,
    SEG_R_EVENTS_LIFE,
    SEG_R_EVENTS_REFUSAL,
    SEG_REGIONS
};

struct seg_region_entry {
    uint64_t offset;
    uint32_t record_bytes;
    uint32_t records;
};

/* First page. Written by the creator before `magic` is published with release, except where noted. */
struct seg_header {
    _Atomic uint64_t magic;
    uint32_t major;
    uint32_t minor;
    _Atomic uint32_t off; /* resctl: the kill switch, read first by every hook; this offset never changes */
    uint32_t reserved0;
    _Atomic uint64_t off_until_ns; /* resctl: end of the kill switch, 0 = until turned on; this offset never changes */
    uint64_t total_bytes;
    uint32_t header_bytes;
    uint32_t uid;
    uint8_t boot_id[16];
    int64_t clock_offset_ns; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC of the creator: another time namespace shows */
    uint64_t created_ns;     /* CLOCK_MONOTONIC */
    uint64_t created_wall_ns;
    int32_t sem_id; /* SysV set that holds one unit for each live process, -1 = none */
    uint32_t reserved1;
    uint64_t ipc_ns;             /* inode of the creator's IPC namespace: sem_id means something only there */
    uint64_t pid_ns;             /* likewise for start times in /proc */
    _Atomic uint64_t generation; /* publisher: rules generation, 0 = none yet; slot = generation % SEG_RULES_SLOTS */
    _Atomic uint64_t publisher;  /* owner word of who publishes now, 0 = nobody; a dead owner's is taken over */
    _Atomic uint64_t loaded_wall_ns;
    _Atomic uint32_t loaded_pid;
    _Atomic uint32_t ledger_used;    /* any: no ledger entry at or above this index was ever used; only grows */
    _Atomic uint32_t rows_used;      /* any: likewise for rows */
    _Atomic uint32_t processes_used; /* any: likewise for processes */
    _Atomic uint64_t dropped;        /* any: connections or rows that found their table full: passed through */
    _Atomic uint64_t doubts;         /* any: calls passed through because of an internal doubt */
    _Atomic uint64_t foreign;        /* any: stream connects that no destination matched */
    _Atomic uint64_t event_seq[2];   /* any: next sequence number of each ring */
    struct seg_region_entry region[SEG_REGIONS];
    uint64_t file_mtime_ns; /* publisher: of the configuration file as compiled */
    uint64_t file_bytes;
    char config_path[512];   /* publisher: "" when built in */
    char config_error[1024]; /* publisher: first errors of a file that could not be used, "" when good */
    uint8_t spare[2024];
    _Atomic uint64_t agent; /* agents: the lease of the active one (tools/agent/lease.h), a dead one's is taken */
    _Atomic uint64_t rings; /* any: io_uring_setup() calls seen and let through */
    _Atomic uint64_t rings_denied; /* any: likewise, refused (io_uring = deny) */
};

/* Bytes of connections that were closed, as the kernel knows them and as the hooks saw them. What the hooks did not see
 * went past them: inside libc (stdio), by bare system calls, by io_uring, or through a descriptor that another program
 * inherited. Any process adds; one that dies before its closes has added nothing. */
struct seg_coverage {
    _Atomic uint64_t kernel_out, kernel_in, seen_out, seen_in;
};

/* Counter directory: the names of the counters of a row, so that readers need no table. */
struct seg_counter {
    char name[32];
    char unit[16];
    char help[144];
};

/* Latency histogram. Any process adds. Those of a destination's row are the sample of auto timeouts (segment/learn.h).
 */
struct seg_hist {
    _Atomic uint32_t bucket[SEG_HIST];
    _Atomic uint64_t max_us;
};

/* A destination ("*"), one endpoint of it, an account of its bulkhead or rate limit (conn/account.h), a target of
 * its fallback, or a [check] (tools/checks.h). */
enum { ROW_FREE = 0, ROW_DESTINATION = 1, ROW_ENDPOINT = 2, ROW_ACCOUNT = 3, ROW_FALLBACK = 4, ROW_CHECK = 5 };
/* What an account counts: seg_row.family of such a row. */
enum { ACCOUNT_OF_CONNECTIONS, ACCOUNT_OF_EXCHANGES };
/* claim: 0 free, {hash of the key:62, 1} being filled, {hash, 3} ready. Whoever meets a row of its own hash
 * that is not ready fills it as well: all bytes follow from the key, so a dead claimer costs nothing. */
#define ROW_CLAIMED 1ull
#define ROW_READY   3ull

struct seg_row {
    _Atomic uint64_t claim; /* any: 0 -> claimed -> ready, for ever (segment/rows.h) */
    uint32_t kind;
    uint32_t parent; /* row of the destination; of a destination, itself */
    uint16_t family;
    uint16_t port; /* host order */
    uint32_t reserved0;
    uint8_t addr[16];    /* v4 in the first four bytes */
    char name[SEG_NAME]; /* the destination's */
    char label[SEG_LABEL];
    _Atomic uint32_t forced;  /* resctl: 1 from the first time on that somebody laid a state over the breaker: force */
    _Atomic uint32_t speaks;  /* any: who was seen to speak first: 0 unknown, 1 client, 2 server */
    _Atomic uint32_t retired; /* publisher: 1 when the current rules have no such destination */
    uint32_t reserved1;
    _Atomic uint64_t breaker;             /* any: packed struct breaker, one CAS a step (policy/breaker.h) */
    _Atomic uint64_t breaker_mark;        /* any: last transition, {reason, wall ms}: for display only */
    _Atomic uint64_t window_epoch;        /* any: newest tenth ever written, only grows */
    _Atomic uint64_t bucket[SEG_BUCKETS]; /* any: packed struct bucket (policy/window.h) */
    _Atomic uint64_t
        lease[SEG_LEASES];    /* any: packed struct lease (policy/lease.h), freed by holder, expiry or reaper */
    _Atomic uint64_t account; /* any: the bulkhead's account word (segment/ledger.h) */
    _Atomic uint64_t refused_event_ns;      /* any: when the last refusal became an event */
    _Atomic uint64_t refused_since;         /* any: refusals since that event */
    _Atomic uint64_t counter[SEG_COUNTERS]; /* any */
    struct seg_hist connect;
    struct seg_hist response;
    _Atomic uint64_t calls; /* any: {generation, calls seen} of the window of calls (policy/calls.h) */
    _Atomic uint64_t call_failed[SEG_CALL_WORDS]; /* any: one bit a call */
    _Atomic uint64_t call_slow[SEG_CALL_WORDS];
    _Atomic uint64_t lumped;              /* any: {generation, us}: when a failure last counted (breaker.lumping) */
    _Atomic uint64_t rate_ns;             /* any: the theoretical arrival time of the rate limiter (policy/rate.h) */
    _Atomic uint64_t queue;               /* any: the account of the bulkhead's queue (segment/ledger.h) */
    _Atomic uint64_t queue_ticket;        /* any: the next place in the line, only grows */
    _Atomic uint64_t budget[SEG_BUCKETS]; /* any: packed buckets of the retry budget (policy/retry.h) */
    _Atomic uint64_t wanted;        /* any: {priority, ms} of a call that half-open had no place for (segment/gate.c) */
    _Atomic uint64_t learned_ns[2]; /* any: what auto timeouts learned: connect, response (segment/learn.c) */
    _Atomic uint64_t adaptive[6];   /* any: the adaptive limit (policy/adaptive.h) */
    _Atomic uint64_t pick[2];       /* any: of a destination: picks so far; when dead holders are looked for next */
    _Atomic uint64_t ewma;          /* any: peak EWMA of an endpoint's latency (policy/balance.h), 0 = nothing known */
    _Atomic uint64_t up_since_ns;   /* any: when a probe closed its breaker (balance.slow_start), 0 = never */
    /* The active agent alone, by what it checks and discovers (tools/agent): a dead one's words get old, and the next
     * one goes on from them. */
    _Atomic uint64_t health;            /* packed struct health (policy/health.h) */
    _Atomic uint64_t checked_ns;        /* when health was found, 0 = never: older than 3 intervals says nothing */
    _Atomic uint64_t health_since_ns;   /* when its state changed */
    _Atomic uint64_t discovered_ns;     /* of a destination: the last good answer of its source, 0 = none yet */
    _Atomic uint64_t discover_failures; /* of a destination: answers in a row since then that could not be used */
    uint8_t spare[24];
    /* resctl; any, to take away what has ended: the administrative state (segment/force.h). The next two are for
     * display: who dies between them leaves an older author. */
    _Atomic uint64_t force;
    _Atomic uint64_t force_by; /* {uid:32, pid:32} */
    _Atomic uint64_t force_wall_ns;
    _Atomic uint64_t affinity;    /* resctl: of a destination: how often its sessions were dissolved (conn/steer.c) */
    struct seg_coverage coverage; /* of a destination; its endpoints have none */
};

/* An attached process. */
struct seg_process {
    _Atomic uint64_t word; /* any: {state, generation}: segment/registry.h; freed by the reaper */
    _Atomic uint32_t pid;
    _Atomic uint32_t parent;     /* registry index + 1 of the process that forked this one, 0 = none */
    _Atomic uint64_t start_time; /* /proc/PID/stat field 22 */
    _Atomic uint64_t pid_ns;
    _Atomic uint64_t attached_ns;
    _Atomic uint64_t sem_ok; /* 1 when it holds its unit in the semaphore set */
    char program[SEG_PROGRAM];
    /* Its own: how often it began to fork while it held slots, when last; its children: how many have arrived. When it
     * dies with a child on its way, its slots wait for that child, a second at most. */
    _Atomic uint64_t fork_ns;
    _Atomic uint32_t forks;
    _Atomic uint32_t arrivals;
    uint8_t spare[16];
    struct seg_coverage coverage; /* of this process since it attached */
};

/* One open connection. */
struct seg_entry {
    _Atomic uint64_t word;   /* any: {state, generation, owner}: segment/ledger.h; freed by owner or reaper */
    _Atomic uint64_t cookie; /* owner, before the entry is held */
    _Atomic uint64_t started_ns;
    _Atomic uint32_t row; /* destination */
    _Atomic uint32_t endpoint;
    _Atomic uint32_t fd;
    _Atomic uint32_t pid;
    _Atomic uint64_t ticket;    /* owner, before it is queued: its place in the line; held: heirs (segment/heirs.h) */
    _Atomic uint32_t priority;  /* owner, before it is queued: higher goes first */
    _Atomic uint32_t lent;      /* any holder: 1: a program without the library was given the socket (conn/block.h);
                                   owner, queued: an even number, its last look (segment/ledger.c) */
    _Atomic uint64_t expiry_ns; /* owner, before it is queued: when it gives up; held: heirs */
};

struct seg_unmatched {
    _Atomic uint64_t claim;
    _Atomic uint64_t count;
    _Atomic uint64_t last_ns;
    uint16_t family;
    uint16_t port;
    uint32_t reserved0;
    uint8_t addr[16];
    char label[80];
};

/* The last good answer to a lookup. Any process that connects to one of its addresses writes; nothing keeps two writers
 * apart, and one may die half way: the checksum tells whoever reads. It is of the bytes behind it. */
struct seg_lookup {
    uint32_t crc;
    uint32_t count;             /* of addresses; 0: nothing here */
    uint64_t when_ns;           /* CLOCK_MONOTONIC of the lookup */
    char name[SEG_LOOKUP_NAME]; /* lower case, without the last dot */
    uint8_t family[SEG_LOOKUP_ADDRESSES];
    uint8_t addr[SEG_LOOKUP_ADDRESSES][16]; /* v4 in the first four bytes */
};

/* Event. seq is written 0 first and last the true number with release: a reader that sees the same
 * non-zero seq before and after its copy has a whole event; a writer that died leaves 0. */
struct seg_event {
    _Atomic uint64_t seq; /* number + 1 */
    uint64_t time_ns;     /* CLOCK_MONOTONIC */
    uint64_t wall_ns;
    uint32_t kind; /* EVENT_* */
    uint32_t pid;
    uint32_t from; /* STATE_* */
    uint32_t to;
    uint32_t reason; /* REASON_* of a state, VERDICT_* of a refusal, OBSERVATION_* of a failure */
    uint32_t error;  /* errno, or 0; of what was done by hand (tools/event_text.c): the author's uid */
    uint64_t count;  /* how many this stands for */
    char program[SEG_PROGRAM];
    char name[SEG_NAME];
    char label[SEG_LABEL];
};

#define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define SIZE(type, bytes)       _Static_assert(sizeof(struct type) == (bytes), #type)

AT(seg_header, magic, 0);
AT(seg_header, major, 8);
AT(seg_header, minor, 12);
AT(seg_header, off, 16);
AT(seg_header, off_until_ns, 24);
AT(seg_header, total_bytes, 32);
AT(seg_header, header_bytes, 40);
AT(seg_header, uid, 44);
AT(seg_header, boot_id, 48);
AT(seg_header, clock_offset_ns, 64);
AT(seg_header, created_ns, 72);
AT(seg_header, created_wall_ns, 80);
AT(seg_header, sem_id, 88);
AT(seg_header, ipc_ns, 96);
AT(seg_header, pid_ns, 104);
AT(seg_header, generation, 112);
AT(seg_header, publisher, 120);
AT(seg_header, loaded_wall_ns, 128);
AT(seg_header, loaded_pid, 136);
AT(seg_header, ledger_used, 140);
AT(seg_header, rows_used, 144);
AT(seg_header, processes_used, 148);
AT(seg_header, dropped, 152);
AT(seg_header, doubts, 160);
AT(seg_header, foreign, 168);
AT(seg_header, event_seq, 176);
AT(seg_header, region, 192);
AT(seg_header, file_mtime_ns, 320);
AT(seg_header, file_bytes, 328);
AT(seg_header, config_path, 336);
AT(seg_header, config_error, 848);
AT(seg_header, spare, 1872);
AT(seg_header, agent, 3896);
AT(seg_header, rings, 3904);
AT(seg_header, rings_denied, 3912);
SIZE(seg_header, 3920);

AT(seg_counter, unit, 32);
AT(seg_counter, help, 48);
SIZE(seg_counter, 192);

AT(seg_coverage, seen_out, 16);
SIZE(seg_coverage, 32);

AT(seg_hist, max_us, 416);
SIZE(seg_hist, 424);

AT(seg_row, claim, 0);
AT(seg_row, kind, 8);
AT(seg_row, parent, 12);
AT(seg_row, family, 16);
AT(seg_row, port, 18);
AT(seg_row, addr, 24);
AT(seg_row, name, 40);
AT(seg_row, label, 104);
AT(seg_row, forced, 216);
AT(seg_row, speaks, 220);
AT(seg_row, retired, 224);
AT(seg_row, breaker, 232);
AT(seg_row, breaker_mark, 240);
AT(seg_row, window_epoch, 248);
AT(seg_row, bucket, 256);
AT(seg_row, lease, 336);
AT(seg_row, account, 592);
AT(seg_row, refused_event_ns, 600);
AT(seg_row, refused_since, 608);
AT(seg_row, counter, 616);
AT(seg_row, connect, 1128);
AT(seg_row, response, 1552);
AT(seg_row, calls, 1976);
AT(seg_row, call_failed, 1984);
AT(seg_row, call_slow, 2112);
AT(seg_row, lumped, 2240);
AT(seg_row, rate_ns, 2248);
AT(seg_row, queue, 2256);
AT(seg_row, queue_ticket, 2264);
AT(seg_row, budget, 2272);
AT(seg_row, wanted, 2352);
AT(seg_row, learned_ns, 2360);
AT(seg_row, adaptive, 2376);
AT(seg_row, pick, 2424);
AT(seg_row, ewma, 2440);
AT(seg_row, up_since_ns, 2448);
AT(seg_row, health, 2456);
AT(seg_row, discover_failures, 2488);
AT(seg_row, force, 2520);
AT(seg_row, affinity, 2544);
AT(seg_row, spare, 2496);
AT(seg_row, coverage, 2552);
SIZE(seg_row, 2584);

AT(seg_process, pid, 8);
AT(seg_process, parent, 12);
AT(seg_process, start_time, 16);
AT(seg_process, pid_ns, 24);
AT(seg_process, attached_ns, 32);
AT(seg_process, sem_ok, 40);
AT(seg_process, program, 48);
AT(seg_process, fork_ns, 64);
AT(seg_process, arrivals, 76);
AT(seg_process, coverage, 96);
SIZE(seg_process, 128);

AT(seg_entry, cookie, 8);
AT(seg_entry, started_ns, 16);
AT(seg_entry, row, 24);
AT(seg_entry, endpoint, 28);
AT(seg_entry, fd, 32);
AT(seg_entry, pid, 36);
AT(seg_entry, ticket, 40);
AT(seg_entry, priority, 48);
AT(seg_entry, lent, 52);
AT(seg_entry, expiry_ns, 56);
SIZE(seg_entry, 64);

AT(seg_unmatched, count, 8);
AT(seg_unmatched, last_ns, 16);
AT(seg_unmatched, family, 24);
AT(seg_unmatched, port, 26);
AT(seg_unmatched, addr, 32);
AT(seg_unmatched, label, 48);
SIZE(seg_unmatched, 128);

AT(seg_lookup, count, 4);
AT(seg_lookup, when_ns, 8);
AT(seg_lookup, name, 16);
AT(seg_lookup, family, 208);
AT(seg_lookup, addr, 216);
SIZE(seg_lookup, 344);

AT(seg_event, time_ns, 8);
AT(seg_event, wall_ns, 16);
AT(seg_event, kind, 24);
AT(seg_event, pid, 28);
AT(seg_event, from, 32);
AT(seg_event, to, 36);
AT(seg_event, reason, 40);
AT(seg_event, error, 44);
AT(seg_event, count, 48);
AT(seg_event, program, 56);
AT(seg_event, name, 72);
AT(seg_event, label, 136);
SIZE(seg_event, 248);

/* Where the regions begin. The header's region table repeats it for readers of other versions; we compare it
 * when we open a segment and compute afterwards, for the page stays writable by others. */
#define SEG_NEXT(at, type, records) (((at) + sizeof(type) * (records) + SEG_ALIGN - 1) / SEG_ALIGN * SEG_ALIGN)
#define SEG_AT_DIRECTORY            ((size_t)SEG_ALIGN)
#define SEG_AT_RULES                SEG_NEXT(SEG_AT_DIRECTORY, struct seg_counter, SEG_DIRECTORY)
#define SEG_AT_ROWS                 SEG_NEXT(SEG_AT_RULES, uint8_t[SEG_RULES_BYTES], SEG_RULES_SLOTS)
#define SEG_AT_PROCESSES            SEG_NEXT(SEG_AT_ROWS, struct seg_row, SEG_ROWS)
#define SEG_AT_LEDGER               SEG_NEXT(SEG_AT_PROCESSES, struct seg_process, SEG_PROCESSES)
#define SEG_AT_UNMATCHED            SEG_NEXT(SEG_AT_LEDGER, struct seg_entry, SEG_LEDGER)
#define SEG_AT_EVENTS_LIFE          SEG_NEXT(SEG_AT_UNMATCHED, struct seg_unmatched, SEG_UNMATCHED)
#define SEG_AT_EVENTS_REFUSAL       SEG_NEXT(SEG_AT_EVENTS_LIFE, struct seg_event, SEG_EVENTS_LIFE)
/* Behind the last region of the header's table. */
#define SEG_AT_LOOKUPS SEG_NEXT(SEG_AT_EVENTS_REFUSAL, struct seg_event, SEG_EVENTS_REFUSAL)
#define SEG_BYTES      SEG_NEXT(SEG_AT_LOOKUPS, struct seg_lookup, SEG_LOOKUPS)

_Static_assert(sizeof(struct seg_header) <= SEG_ALIGN, "the header fits before the first region");

_Static_assert(SEG_AT_RULES == 131072 && SEG_AT_ROWS == 2228224 && SEG_AT_PROCESSES == 4915200, "regions");
_Static_assert(SEG_AT_LEDGER == 5439488 && SEG_AT_UNMATCHED == 9633792 && SEG_AT_EVENTS_LIFE == 9699328, "regions");
_Static_assert(SEG_AT_EVENTS_REFUSAL == 9961472 && SEG_AT_LOOKUPS == 10485760 && SEG_BYTES == 10616832, "regions");

#undef AT
#undef SIZE

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free in shared memory");

#endif
