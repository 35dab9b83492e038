/* SPDX-License-Identifier: MIT
 * Creation and validation of the segment file. */
#include "segment/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32.h"
#include "base/text.h"
#include "real/raw.h"
#include "segment/ipc.h"
#include "segment/leftovers.h"
#include "tables/enums.h"

#define LOCK_WAIT_NS 100000000ull

enum { BOOT_ID_BYTES = sizeof((struct seg_header *)NULL)->boot_id };

/* Fills entry[] with the layout of this version and returns the size of the file. */
static uint64_t lay_out(struct seg_region_entry entry[SEG_REGIONS])
{
    static const struct seg_region_entry layout[SEG_REGIONS] = {
        {SEG_AT_DIRECTORY, sizeof(struct seg_counter), SEG_DIRECTORY},
        {SEG_AT_RULES, SEG_RULES_BYTES, SEG_RULES_SLOTS},
        {SEG_AT_ROWS, sizeof(struct seg_row), SEG_ROWS},
        {SEG_AT_PROCESSES, sizeof(struct seg_process), SEG_PROCESSES},
        {SEG_AT_LEDGER, sizeof(struct seg_entry), SEG_LEDGER},
        {SEG_AT_UNMATCHED, sizeof(struct seg_unmatched), SEG_UNMATCHED},
        {SEG_AT_EVENTS_LIFE, sizeof(struct seg_event), SEG_EVENTS_LIFE},
        {SEG_AT_EVENTS_REFUSAL, sizeof(struct seg_event), SEG_EVENTS_REFUSAL},
    };
    memcpy(entry, layout, sizeof layout);
    return SEG_BYTES;
}

static enum segment_result fail(struct segment *segment, enum segment_result result, const char *path, const char *why,
                                long error)
{
    segment->system_error = (int)error;
    if (error)
        text_format(segment->error, sizeof segment->error, "%s: %s (error %lld)", path, why, (long long)error);
    else
        text_format(segment->error, sizeof segment->error, "%s: %s", path, why);
    return result;
}

void segment_path(char *out, size_t size, uint32_t uid, const char *config_path, const char *rules_text)
{
    if (!config_path && !rules_text) {
        text_format(out, size, "/dev/shm/resil-%u-%u", SEG_MAJOR, uid);
        return;
    }
    uint32_t hash = 0;
    if (config_path)
        hash = crc32_update(hash, config_path, strlen(config_path));
    hash = crc32_update(hash, "\n", 1);
    if (rules_text)
        hash = crc32_update(hash, rules_text, strlen(rules_text));
    text_format(out, size, "/dev/shm/resil-%u-%u-%x", SEG_MAJOR, uid, hash);
}

/* Zeros where it cannot be read: without /proc, or without a descriptor to spare. */
static void read_boot_id(uint8_t out[BOOT_ID_BYTES])
{
    char text[64];
    memset(out, 0, BOOT_ID_BYTES);
    ssize_t length = raw_read_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
    int digits = 0;
    for (ssize_t i = 0; i < length && digits < 32; i++) {
        char c = text[i];
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value < 0)
            continue;
        out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | value);
        digits++;
    }
}

/* Unknown is no other one: who takes a living segment for an old one puts his own in its place. */
static bool is_of_other_boot(const struct seg_header *header)
{
    static const uint8_t unknown[BOOT_ID_BYTES];
    uint8_t now[BOOT_ID_BYTES], then[BOOT_ID_BYTES];
    read_boot_id(now);
    memcpy(then, header->boot_id, sizeof then);
    return memcmp(now, unknown, sizeof now) != 0 && memcmp(then, unknown, sizeof then) != 0 &&
           memcmp(now, then, sizeof now) != 0;
}

/* Everything that is checked before a byte of the mapping is believed. */
static enum segment_result check_file(struct segment *segment, const char *path, const struct raw_stat *st)
{
    if (!S_ISREG(st->mode))
        return fail(segment, SEGMENT_UNUSABLE, path, "not a regular file", 0);
    if (st->uid != geteuid() && geteuid() != 0)
        return fail(segment, SEGMENT_UNUSABLE, path, "belongs to another user", 0);
    if (st->mode & 022)
        return fail(segment, SEGMENT_UNUSABLE, path, "writable by others (mode must be 0600)", 0);
    if (st->links > 1)
        return fail(segment, SEGMENT_UNUSABLE, path, "has more than one link", 0);
    if (st->size < sizeof(struct seg_header))
        return fail(segment, SEGMENT_UNUSABLE, path, "too short to be a segment", 0);
    return SEGMENT_OK;
}

static enum segment_result check_header(struct segment *segment, const char *path, uint64_t file_bytes)
{
    const struct seg_header *header = seg_header(segment);
    struct seg_region_entry expected[SEG_REGIONS];
    uint64_t total = lay_out(expected);

    if (atomic_load_explicit(&header->magic, memory_order_acquire) != SEG_MAGIC)
        return fail(segment, SEGMENT_UNUSABLE, path, "not a segment of libresil (wrong magic)", 0);
    if (header->major != SEG_MAJOR) {
        text_format(segment->error, sizeof segment->error, "%s: segment version %u.%u, this program speaks %u.%u", path,
                    header->major, header->minor, SEG_MAJOR, SEG_MINOR);
        return SEGMENT_VERSION;
    }
    if (file_bytes < total || header->total_bytes != total || memcmp(header->region, expected, sizeof expected) != 0)
        return fail(segment, SEGMENT_UNUSABLE, path, "truncated, or its region table is damaged", 0);
    if (is_of_other_boot(header))
        return fail(segment, SEGMENT_STALE, path, "left over from an earlier boot", 0);
    return SEGMENT_OK;
}

static void learn_namespaces(struct segment *segment)
{
    const struct seg_header *header = seg_header(segment);
    segment->sem_usable = header->sem_id >= 0 && header->ipc_ns != 0 && header->ipc_ns == ipc_namespace("ipc");
    segment->same_pid_ns = header->pid_ns != 0 && header->pid_ns == ipc_namespace("pid");
}

enum segment_result segment_open(struct segment *segment, const char *path, bool writable)
{
    struct raw_stat st;
    memset(segment, 0, sizeof *segment);
    text_copy(segment->path, sizeof segment->path, path);
    int fd = raw_open(path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (fd == -ENOENT)
        return fail(segment, SEGMENT_ABSENT, path, "no such segment", 0);
    if (fd == -ELOOP)
        return fail(segment, SEGMENT_UNUSABLE, path, "is a symbolic link", 0);
    if (fd == -EISDIR)
        return fail(segment, SEGMENT_UNUSABLE, path, "is a directory", 0);
    if (fd < 0)
        return fail(segment, SEGMENT_SYSTEM, path, "cannot open", -fd);

    int error = raw_fstat(fd, &st);
    enum segment_result result =
        error ? fail(segment, SEGMENT_SYSTEM, path, "cannot stat", -error) : check_file(segment, path, &st);
    if (result == SEGMENT_OK) {
        /* Map no more than the file holds: touching a page beyond its end would be a SIGBUS. */
        segment->bytes = st.size;
        segment->base =
            raw_mmap(NULL, (size_t)st.size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
        if (!segment->base)
            result = fail(segment, SEGMENT_SYSTEM, path, "cannot map", 0);
    }
    raw_close(fd);
    if (result != SEGMENT_OK)
        return result;

    result = check_header(segment, path, st.size);
    if (result != SEGMENT_OK) {
        raw_munmap(segment->base, (size_t)segment->bytes);
        segment->base = NULL;
        return result;
    }
    segment->dev = st.dev;
    segment->ino = st.ino;
    segment->uid = st.uid;
    learn_namespaces(segment);
    if (writable)
        segment_protect_rules(segment, false);
    return SEGMENT_OK;
}

static void fill_directory(struct segment *segment)
{
    struct seg_counter *entry = (struct seg_counter *)(void *)(segment->base + SEG_AT_DIRECTORY);
#define COUNTER(counter_name, counter_unit, counter_help)                                                              \
    text_copy(entry->name, sizeof entry->name, #counter_name);                                                         \
    text_copy(entry->unit, sizeof entry->unit, counter_unit);                                                          \
    text_copy(entry->help, sizeof entry->help, counter_help);                                                          \
    entry++;
#include "tables/counters.tbl.h"
}

_Static_assert((int)COUNTER_COUNT <= (int)SEG_COUNTERS && (int)COUNTER_COUNT <= (int)SEG_DIRECTORY,
               "a row holds every counter");

/* Fills a zeroed mapping; the magic comes last. */
static void initialise(struct segment *segment, bool shared)
{
    struct seg_header *header = seg_header(segment);
    header->sem_id = -1; /* whoever dies before there is one names none */
    header->major = SEG_MAJOR;
    header->minor = SEG_MINOR;
    header->total_bytes = lay_out(header->region);
    header->header_bytes = sizeof *header;
    header->uid = geteuid();
    read_boot_id(header->boot_id);
    header->clock_offset_ns = clock_boot_offset_ns();
    header->created_ns = clock_now_ns();
    header->created_wall_ns = clock_wall_ns();
    header->sem_id = shared ? ipc_sem_create(SEG_PROCESSES) : -1;
    header->ipc_ns = ipc_namespace("ipc");
    header->pid_ns = ipc_namespace("pid");
    fill_directory(segment);
    atomic_store_explicit(&header->magic, SEG_MAGIC, memory_order_release);
}

/* Reserves the pages: a sparse file on a full tmpfs would kill the host program with SIGBUS. */
static int reserve(int fd, uint64_t bytes)
{
    if (raw_file_limit() < bytes)
        return -EFBIG; /* the kernel would kill the host program (SIGXFSZ) */
    int error = ipc_fallocate(fd, bytes);
    if (error != -EOPNOTSUPP && error != -ENOSYS)
        return error;
    static const char zeros[4096];
    for (uint64_t done = 0; done < bytes; done += sizeof zeros) {
        ssize_t written = raw_write(fd, zeros, sizeof zeros);
        if (written != (ssize_t)sizeof zeros)
            return written < 0 ? (int)written : -ENOSPC;
    }
    return 0;
}

static enum segment_result fill_file(struct segment *segment, int fd, const char *path)
{
    struct seg_region_entry scratch[SEG_REGIONS];
    segment->bytes = lay_out(scratch);
    int error = reserve(fd, segment->bytes);
    if (error)
        return fail(segment, SEGMENT_SYSTEM, path, "cannot reserve the segment's memory", -error);
    segment->base = raw_mmap(NULL, (size_t)segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!segment->base)
        return fail(segment, SEGMENT_SYSTEM, path, "cannot map", 0);
    initialise(segment, true);
    return SEGMENT_OK;
}

/* rename without RENAME_NOREPLACE would take away a segment that others use; link() would show the file with
 * two links for a moment, which segment_open() refuses: it serves where the flag is unknown. */
static long put_in_place(const char *temporary, const char *path)
{
    enum { NO_REPLACE = 1 };
    long result = raw_syscall(SYS_renameat2, AT_FDCWD, (long)temporary, AT_FDCWD, (long)path, NO_REPLACE, 0);
    if (result != -EINVAL)
        return result;
    result = raw_syscall(SYS_linkat, AT_FDCWD, (long)temporary, AT_FDCWD, (long)path, 0, 0);
    if (result == 0)
        raw_syscall(SYS_unlinkat, AT_FDCWD, (long)temporary, 0, 0, 0, 0);
    return result;
}

static bool has_name(int fd, const char *path)
{
    struct raw_stat opened, named;
    return raw_fstat(fd, &opened) == 0 && raw_stat(path, &named) == 0 && opened.ino == named.ino;
}

static bool is_stale(const char *path)
{
    struct segment now;
    enum segment_result found = segment_open(&now, path, false);
    if (found == SEGMENT_OK)
        raw_munmap(now.base, (size_t)now.bytes);
    return found == SEGMENT_STALE;
}

/* The stale file, locked: 0 while it has the name still, -EEXIST when another took its place meanwhile. The kernel
 * takes the lock away from a process that dies; whoever lives needs it for a rename, and for its turn on a busy
 * machine. */
static long lock_stale(int fd, const char *path)
{
    uint64_t end_ns = clock_now_ns() + LOCK_WAIT_NS;
    long result = -EWOULDBLOCK;
    while (result == -EWOULDBLOCK && clock_now_ns() < end_ns && has_name(fd, path)) {
        result = raw_syscall(SYS_flock, fd, LOCK_EX | LOCK_NB, 0, 0, 0, 0);
        if (result == -EWOULDBLOCK)
            raw_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    if (!has_name(fd, path))
        return -EEXIST;
    return result == 0 && !is_stale(path) ? -EEXIST : result;
}

/* Of several processes that find the same stale file one may replace it: the second rename would take away what the
 * first ones use by then (tests/model/create.pml). */
static long replace_stale(const char *temporary, const char *path)
{
    int fd = raw_open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd >= 0 && !is_stale(path)) { /* a new one never grows stale: nobody has to wait for its lock */
        raw_close(fd);
        return -EEXIST;
    }
    if (fd < 0)
        return fd == -ENOENT ? put_in_place(temporary, path) : fd;
    long result = lock_stale(fd, path);
    if (result == 0)
        result = raw_syscall(SYS_renameat2, AT_FDCWD, (long)temporary, AT_FDCWD, (long)path, 0, 0);
    raw_close(fd); /* and with it goes the lock */
    return result;
}

enum segment_result segment_create(struct segment *segment, const char *path, bool replace)
{
    char temporary[SEGMENT_PATH + 32];
    memset(segment, 0, sizeof *segment);
    text_copy(segment->path, sizeof segment->path, path);
    text_format(temporary, sizeof temporary, "%s" SEGMENT_UNFINISHED "%d-%llx", path, raw_getpid(),
                (unsigned long long)clock_now_ns());
    int fd = raw_open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(segment, SEGMENT_SYSTEM, path, "cannot create", -fd);
    raw_syscall(SYS_flock, fd, LOCK_EX | LOCK_NB, 0, 0, 0, 0); /* it is being made: segment/leftovers.h */
    enum segment_result result = fill_file(segment, fd, path);
    int32_t sem_id = segment->base ? seg_header(segment)->sem_id : -1;
    raw_close(fd); /* and with it goes the lock: under its name it is for whoever replaces a stale file (lock_stale) */
    long linked = -1;
    if (result == SEGMENT_OK)
        linked = replace ? replace_stale(temporary, path) : put_in_place(temporary, path);
    if (linked != 0)
        raw_syscall(SYS_unlinkat, AT_FDCWD, (long)temporary, 0, 0, 0, 0);
    if (linked != 0)
        ipc_sem_remove(sem_id);
    else
        leftovers_collect(path);
    if (segment->base) {
        raw_munmap(segment->base, (size_t)segment->bytes);
        segment->base = NULL;
    }
    if (result != SEGMENT_OK)
        return result;
    if (linked != 0 && linked != -EEXIST)
        return fail(segment, SEGMENT_SYSTEM, path, "cannot link into place", -linked);
    return segment_open(segment, path, true);
}

bool segment_private(struct segment *segment)
{
    char path[SEGMENT_PATH];
    char error[SEGMENT_ERROR];
    struct seg_region_entry scratch[SEG_REGIONS];
    uint64_t bytes = lay_out(scratch);

    text_copy(path, sizeof path, segment->path);
    text_copy(error, sizeof error, segment->error);
    memset(segment, 0, sizeof *segment);
    text_copy(segment->path, sizeof segment->path, path);
    text_copy(segment->error, sizeof segment->error, error);
    segment->base =
        raw_mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!segment->base)
        return false;
    segment->bytes = bytes;
    segment->is_private = true;
    initialise(segment, false);
    learn_namespaces(segment);
    segment_protect_rules(segment, false);
    return true;
}

bool segment_protect_rules(struct segment *segment, bool writable)
{
    return raw_syscall(SYS_mprotect, (long)(segment->base + SEG_AT_RULES), (long)SEG_RULES_BYTES * SEG_RULES_SLOTS,
                       writable ? PROT_READ | PROT_WRITE : PROT_READ, 0, 0, 0) == 0;
}

bool segment_gone(const struct segment *segment)
{
    struct raw_stat st;
    if (segment->is_private)
        return false;
    int error = raw_stat(segment->path, &st);
    return error == -ENOENT || (error == 0 && (st.ino != segment->ino || st.dev != segment->dev));
}
