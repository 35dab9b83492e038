/* SPDX-License-Identifier: MIT
 * `resctl ps`: the processes that are attached to a segment, and what share of their bytes the hooks saw. Never writes
 * to the segment. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "choose.h"
#include "connections.h"
#include "coverage.h"
#include "json.h"
#include "options.h"
#include "print.h"
#include "segment/registry.h"
#include "table.h"

/* One attached process. */
struct attached {
    uint32_t pid, parent_pid; /* parent_pid: of the attached process that forked it, 0: none that lives */
    char program[SEG_PROGRAM];
    uint64_t age_ns;
    uint32_t held, queued;
    bool by_semaphore; /* how others know that it lives: by its semaphore, else by its start time in /proc */
    struct coverage coverage;
};

struct attached_list {
    struct attached *item;
    uint32_t count;
};

static uint32_t parent_pid(const struct segment *segment, struct liveness *liveness, const struct seg_process *process)
{
    uint32_t parent = atomic_load_explicit(&process->parent, memory_order_relaxed);
    if (parent == 0 || parent > SEG_PROCESSES)
        return 0;
    const struct seg_process *entry = seg_process(segment, parent - 1);
    return liveness_ask(liveness, registry_owner_at(segment, parent - 1)) ? atomic_load(&entry->pid) : 0;
}

/* by_index: by their place in the registry. */
static void count_connections(const struct connections *connections, struct attached **by_index)
{
    for (uint32_t i = 0; i < connections->count; i++) {
        struct attached *out = by_index[connections->item[i].holder];
        if (!out)
            continue;
        out->held += !connections->item[i].queued;
        out->queued += connections->item[i].queued;
    }
}

static int by_pid(const void *a, const void *b)
{
    uint32_t left = ((const struct attached *)a)->pid, right = ((const struct attached *)b)->pid;
    return left < right ? -1 : left > right;
}

static struct attached_list gather(const struct segment *segment)
{
    struct liveness *liveness = take_memory(1, sizeof *liveness);
    liveness->segment = segment;
    uint64_t now_ns = clock_now_ns();
    uint32_t used = atomic_load(&seg_header(segment)->processes_used);
    struct connections connections = connections_gather(segment, liveness, now_ns);
    struct attached_list list = {.item = take_memory(SEG_PROCESSES, sizeof *list.item)};
    struct attached **by_index = take_memory(SEG_PROCESSES, sizeof(struct attached *));
    for (uint32_t i = 0; i < used && i < SEG_PROCESSES; i++) {
        const struct seg_process *process = seg_process(segment, i);
        if (!liveness_ask(liveness, registry_owner_at(segment, i)))
            continue;
        struct attached *out = by_index[i] = &list.item[list.count++];
        uint64_t since_ns = atomic_load_explicit(&process->attached_ns, memory_order_relaxed);
        out->pid = atomic_load_explicit(&process->pid, memory_order_relaxed);
        out->parent_pid = parent_pid(segment, liveness, process);
        copy_text(out->program, sizeof out->program, process->program, sizeof process->program);
        out->age_ns = now_ns > since_ns ? now_ns - since_ns : 0;
        out->by_semaphore = atomic_load_explicit(&process->sem_ok, memory_order_relaxed) == 1;
        out->coverage = coverage_read(&process->coverage);
    }
    count_connections(&connections, by_index);
    free(by_index);
    qsort(list.item, list.count, sizeof *list.item, by_pid);
    connections_release(&connections);
    free(liveness);
    return list;
}

static void print_table(const struct attached_list *list)
{
    static const char *const titles[] = {">PID",  "PROGRAM", ">PARENT",   ">ATTACHED",
                                         ">HELD", ">QUEUED", ">COVERAGE", "ALIVE BY"};
    struct table table = {.titles = titles, .columns = sizeof titles / sizeof titles[0]};
    for (uint32_t i = 0; i < list->count; i++) {
        const struct attached *one = &list->item[i];
        char age[DURATION_TEXT];
        double ratio;
        table_cell(&table, "%u", one->pid);
        table_cell(&table, "%s", one->program);
        if (one->parent_pid)
            table_cell(&table, "%u", one->parent_pid);
        else
            table_cell(&table, "-");
        table_cell(&table, "%s", format_rough(age, one->age_ns / (uint64_t)NS_PER_US));
        table_cell(&table, "%u", one->held);
        table_cell(&table, "%u", one->queued);
        if (coverage_ratio(&one->coverage, &ratio))
            table_cell(&table, "%.1f%%", ratio * 100);
        else
            table_cell(&table, "-");
        table_cell(&table, "%s", one->by_semaphore ? "semaphore" : "start time");
    }
    table_print(&table);
}

static void print_json(const struct attached_list *list)
{
    struct json json = {.out = stdout};
    json_object(&json, NULL);
    json_array(&json, "processes");
    for (uint32_t i = 0; i < list->count; i++) {
        const struct attached *one = &list->item[i];
        json_object(&json, NULL);
        json_number(&json, "pid", one->pid);
        json_text(&json, "program", one->program);
        if (one->parent_pid)
            json_number(&json, "parent", one->parent_pid);
        else
            json_null(&json, "parent");
        json_number(&json, "attached_ms", one->age_ns / (uint64_t)NS_PER_MS);
        json_number(&json, "connections", one->held);
        json_number(&json, "queued", one->queued);
        json_text(&json, "alive_by", one->by_semaphore ? "semaphore" : "start_time");
        coverage_json(&json, &one->coverage);
        json_close(&json);
    }
    json_close(&json);
    json_close(&json);
}

int command_ps(const struct command *self, int argc, char **argv)
{
    struct choice choice = CHOICE_NONE;
    bool as_json = false;
    const struct option_row rows[] = {
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "as one JSON object"}, CHOICE_OPTIONS(choice), {.name = NULL}};
    const struct options options = {.command = self, .rows = rows};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if ((code = choose_open(&choice, false, &segment)) != RESCTL_OK)
        return code;
    struct attached_list list = gather(&segment);
    if (as_json)
        print_json(&list);
    else
        print_table(&list);
    free(list.item);
    return finish_output();
}
