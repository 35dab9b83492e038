/* SPDX-License-Identifier: MIT
 * Reading a process. */
#include "process.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mark.h"
#include "choose.h"
#include "preload.h"
#include "print.h"
#include "segment/registry.h"

static void proc_path(int64_t pid, const char *name, char *out, size_t size)
{
    snprintf(out, size, "/proc/%lld/%s", (long long)pid, name);
}

/* Looks for the version that each build of the library bears (base/mark.h). */
static void read_version(const char *path, char *out, size_t size)
{
    static const char mark[] = LIBRARY_MARK;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        size_t bytes = (size_t)st.st_size;
        const char *image = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        const char *found = image != MAP_FAILED ? memmem(image, bytes, mark, sizeof mark - 1) : NULL;
        if (found)
            copy_text(out, size, found + sizeof mark - 1, bytes - (size_t)(found + sizeof mark - 1 - image));
        if (image != MAP_FAILED)
            munmap((void *)(uintptr_t)image, bytes);
    }
    close(fd);
}

/* The last field of a line of maps; "(deleted)" behind a path belongs to the kernel, not to the name. */
static bool read_mapping(struct process *process, char *line)
{
    static const char deleted[] = " (deleted)";
    char *path = strchr(line, '/');
    if (!path)
        return false;
    path[strcspn(path, "\n")] = '\0';
    size_t length = strlen(path);
    bool gone = length >= sizeof deleted && strcmp(path + length - (sizeof deleted - 1), deleted) == 0;
    if (gone)
        path[length - (sizeof deleted - 1)] = '\0';
    const char *base = strrchr(path, '/') + 1;
    if (strcmp(base, PRELOAD_LIBRARY) != 0)
        return false;
    snprintf(process->program.library, sizeof process->program.library, "%s", path);
    process->program.notes |= gone ? 1u << NOTE_replaced : 0;
    return true;
}

static bool read_maps(struct process *process)
{
    char path[64], line[4096 + 128];
    proc_path(process->pid, "maps", path, sizeof path);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    process->program.library[0] = '\0';
    while (!process->program.library[0] && fgets(line, sizeof line, file))
        read_mapping(process, line);
    fclose(file);
    if (process->program.library[0] && !(process->program.notes & 1u << NOTE_replaced)) {
        char seen[4096 + 64]; /* as the process sees the path */
        proc_path(process->pid, "root", path, sizeof path);
        snprintf(seen, sizeof seen, "%s%s", path, process->program.library);
        read_version(seen, process->version, sizeof process->version);
    }
    return true;
}

/* AT_SECURE of the auxiliary vector, whose words are of the program's own class. */
static bool is_secure(const struct process *process)
{
    char path[64];
    uint64_t wide[128];
    uint32_t narrow[256];
    bool is_wide = process->program.facts.elf_class == ELFCLASS64;
    proc_path(process->pid, "auxv", path, sizeof path);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t words = is_wide ? fread(wide, sizeof wide[0], 128, file) : fread(narrow, sizeof narrow[0], 256, file);
    fclose(file);
    for (size_t i = 0; i + 1 < words; i += 2)
        if ((is_wide ? wide[i] : narrow[i]) == AT_SECURE)
            return (is_wide ? wide[i + 1] : narrow[i + 1]) != 0;
    return false;
}

static bool has_seccomp(const struct process *process)
{
    char path[64], line[256];
    bool found = false;
    proc_path(process->pid, "status", path, sizeof path);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        found |= strncmp(line, "Seccomp:", 8) == 0 && atoi(line + 8) != 0;
    if (file)
        fclose(file);
    return found;
}

static void count_rings(struct process *process)
{
    char path[64], target[64];
    proc_path(process->pid, "fd", path, sizeof path);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (length <= 0)
            continue;
        target[length] = '\0';
        process->rings += strcmp(target, "anon_inode:[io_uring]") == 0;
    }
    if (directory)
        closedir(directory);
    process->program.notes |= process->rings ? 1u << NOTE_ring : 0;
}

/* As the library reads it: RESIL_DISABLE is of the environment with which the process was started. */
static void read_environment(struct process *process)
{
    char path[64], *entry = NULL;
    size_t room = 0;
    proc_path(process->pid, "environ", path, sizeof path);
    FILE *file = fopen(path, "re");
    while (file && getdelim(&entry, &room, '\0', file) > 0) {
        if (strcmp(entry, "RESIL_DISABLE=all") == 0 || strcmp(entry, "RESIL_DISABLE=1") == 0)
            process->program.reach = REACH_disabled;
        if (strncmp(entry, "LD_PRELOAD=", 11) == 0)
            process->program.notes |= program_preloads(entry + 11);
    }
    free(entry);
    if (file)
        fclose(file);
}

static void read_entry(struct process *process, const struct segment *segment, uint32_t index)
{
    const struct seg_process *entry = seg_process(segment, index);
    uint32_t owner = registry_owner_at(segment, index);
    if (!owner || !segment->same_pid_ns || atomic_load(&entry->pid) != process->pid || !registry_alive(segment, owner))
        return;
    process->attached = true;
    process->coverage = coverage_read(&entry->coverage);
}

static void read_segment(struct process *process)
{
    struct segment segment;
    struct choice choice = CHOICE_NONE;
    char path[SEGMENT_PATH];
    choice.pid = process->pid;
    if (choose_path(&choice, path, sizeof path) == RESCTL_OK && segment_open(&segment, path, false) == SEGMENT_OK) {
        const struct seg_header *header = seg_header(&segment);
        uint32_t used = atomic_load(&header->processes_used);
        for (uint32_t i = 0; i < used && i < SEG_PROCESSES && !process->attached; i++)
            read_entry(process, &segment, i);
        if (process->attached) {
            copy_text(process->segment, sizeof process->segment, path, sizeof path);
            process->program.notes |= atomic_load(&header->off) ? 1u << NOTE_off : 0;
        }
    }
    process->program.notes |= process->attached ? 0 : 1u << NOTE_not_attached;
}

/* Why the library is not there, as far as the program's file tells; else that it was not asked for. */
static void explain_absence(struct process *process)
{
    char preload[4096];
    struct program *program = &process->program;
    uint32_t notes = program->notes;
    if (preload_find(preload, sizeof preload))
        program_inspect(program, preload, false);
    program->library[0] = '\0';
    program->notes = notes;
    if (program->reach == REACH_yes || program->reach == REACH_unreadable)
        program->reach = is_secure(process) ? REACH_secure : REACH_not_mapped;
}

int process_read(int64_t pid, struct process *process)
{
    char path[64];
    struct stat st;
    memset(process, 0, sizeof *process);
    process->pid = pid;
    proc_path(pid, "", path, sizeof path);
    if (stat(path, &st) != 0) {
        complain("no process %lld", (long long)pid);
        return RESCTL_NO;
    }
    proc_path(pid, "exe", path, sizeof path);
    ssize_t length = readlink(path, process->program.asked, sizeof process->program.asked - 1);
    snprintf(process->program.path, sizeof process->program.path, "%s", path);
    if (length <= 0 || !read_maps(process)) {
        complain("cannot look into process %lld: %s", (long long)pid, strerror(errno));
        return RESCTL_SYSTEM;
    }
    elf_read(path, &process->program.facts);
    process->program.notes |= has_seccomp(process) ? 1u << NOTE_seccomp : 0;
    count_rings(process);
    if (!process->program.library[0]) {
        explain_absence(process);
        return RESCTL_OK;
    }
    process->program.reach = is_secure(process) ? REACH_secure : REACH_yes;
    read_environment(process);
    read_segment(process);
    return RESCTL_OK;
}
