/* SPDX-License-Identifier: MIT
 * Taking a view: header, directory, rules, ledger, then destination by destination. */
#include "view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "config/compile.h"
#include "connections.h"
#include "print.h"
#include "segment/ledger.h"
#include "segment/limit.h"
#include "segment/publish.h"
#include "segment/rows.h"

/* What is only needed while the view is taken. */
struct taking {
    struct view *view;
    struct liveness liveness;
    struct view_source source;
    uint32_t connections[SEG_ROWS];
    uint32_t queued[SEG_ROWS];
    uint32_t in_flight[SEG_ROWS];
    bool is_used[SEG_ROWS];      /* rows that some destination has */
    uint32_t endpoint[SEG_ROWS]; /* rows of the endpoints of the destination at hand */
};

static bool file_changed(const struct view *view, uint64_t loaded_mtime_ns, uint64_t loaded_bytes)
{
    struct stat st;
    /* A relative path was relative to somebody else's directory. */
    if (view->config_path[0] != '/' || view->generation == 0)
        return false;
    if (stat(view->config_path, &st) != 0)
        return true;
    uint64_t mtime_ns = (uint64_t)st.st_mtim.tv_sec * (uint64_t)NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
    return mtime_ns != loaded_mtime_ns || (uint64_t)st.st_size != loaded_bytes;
}

/* The block that came with the rules knows where they came from; the header's words are written after them. */
static void read_origin(struct view *view)
{
    const struct seg_header *header = seg_header(view->segment);
    const struct live *live = view->live;
    if (!live) {
        view->file_changed = file_changed(view, header->file_mtime_ns, header->file_bytes);
        return;
    }
    copy_text(view->config_path, sizeof view->config_path, live_text(live, live->config_path), SEGMENT_PATH);
    view->loaded_wall_ns = live->loaded_wall_ns;
    view->loaded_pid = live->loaded_pid;
    view->file_changed = file_changed(view, live->file_mtime_ns, live->file_bytes);
}

static void read_header(struct view *view)
{
    const struct seg_header *header = seg_header(view->segment);
    uint64_t off_until_ns = atomic_load(&header->off_until_ns);
    view->major = header->major;
    view->minor = header->minor;
    view->generation = atomic_load(&header->generation);
    view->loaded_wall_ns = atomic_load(&header->loaded_wall_ns);
    view->loaded_pid = atomic_load(&header->loaded_pid);
    view->dropped = atomic_load(&header->dropped);
    view->doubts = atomic_load(&header->doubts);
    view->foreign = atomic_load(&header->foreign);
    view->rings = atomic_load(&header->rings);
    view->rings_denied = atomic_load(&header->rings_denied);
    view->off = atomic_load(&header->off) != 0 && (off_until_ns == 0 || off_until_ns > view->now_ns);
    view->off_for_ns = view->off && off_until_ns ? off_until_ns - view->now_ns : 0;
    copy_text(view->config_path, sizeof view->config_path, header->config_path, sizeof header->config_path);
    copy_text(view->config_error, sizeof view->config_error, header->config_error, sizeof header->config_error);
}

static void read_directory(struct view *view)
{
    for (uint32_t i = 0; i < SEG_DIRECTORY && i < SEG_COUNTERS; i++) {
        const struct seg_counter *entry = seg_counter(view->segment, i);
        copy_text(view->counter_name[i], sizeof view->counter_name[i], entry->name, sizeof entry->name);
        if (!view->counter_name[i][0])
            break;
        view->counters = i + 1;
    }
}

struct rules *view_published(const struct segment *segment, const struct live **live)
{
    uint64_t generation;
    *live = NULL;
    if (publish_size(segment) == 0)
        return NULL;
    void *block = take_memory(SEG_RULES_BYTES, 1); /* they may grow at this moment */
    size_t copied = publish_copy(segment, block, SEG_RULES_BYTES, &generation);
    if (copied && rules_valid(block, copied)) {
        *live = live_find(block, copied);
        return block;
    }
    free(block);
    return NULL;
}

struct rules *view_rules(const struct segment *segment)
{
    const struct live *live;
    return view_published(segment, &live);
}

/* Whether the row stands at `index` and is one of these. */
static bool is_kind(const struct segment *segment, uint32_t index, uint32_t kind)
{
    return index < SEG_ROWS && rows_ready(seg_row(segment, index)) && seg_row(segment, index)->kind == kind;
}

/* A connection stands in its destination's row. Slots of endpoints, shares and exchanges are further entries of it, of
 * which only those that wait, and exchanges, are shown. */
static void count_entry(struct taking *taking, const struct seg_entry *entry, bool held)
{
    const struct segment *segment = taking->view->segment;
    uint32_t row = atomic_load_explicit(&entry->row, memory_order_relaxed);
    uint32_t endpoint = atomic_load_explicit(&entry->endpoint, memory_order_relaxed);
    bool whole = is_kind(segment, row, ROW_DESTINATION);
    if (is_kind(segment, row, ROW_FALLBACK)) { /* apart from its destination */
        (held ? taking->connections : taking->queued)[row]++;
        return;
    }
    uint32_t *count = !held ? taking->queued : whole ? taking->connections : taking->in_flight;
    if (!whole && held &&
        !(is_kind(segment, row, ROW_ACCOUNT) && seg_row(segment, row)->family == ACCOUNT_OF_EXCHANGES))
        return;
    uint32_t destination = whole ? row : row < SEG_ROWS ? seg_row(segment, row)->parent : SEG_ROWS;
    if (destination < SEG_ROWS)
        count[destination]++;
    if (endpoint < SEG_ROWS && endpoint != destination)
        count[endpoint]++;
}

static void read_ledger(struct taking *taking)
{
    uint32_t used = atomic_load(&seg_header(taking->view->segment)->ledger_used);
    for (uint32_t i = 0; i < used && i < SEG_LEDGER; i++) {
        const struct seg_entry *entry = seg_entry(taking->view->segment, i);
        uint32_t owner;
        uint64_t word = atomic_load_explicit(&entry->word, memory_order_acquire);
        bool held = ledger_held(word, &owner);
        if ((!held && !ledger_queued(word, &owner)) || !connections_holder(&taking->liveness, entry, owner, held))
            continue;
        count_entry(taking, entry, held);
    }
}

static bool is_destination(const struct segment *segment, uint32_t index)
{
    const struct seg_row *row = seg_row(segment, index);
    return rows_ready(row) && row->kind == ROW_DESTINATION;
}

static uint32_t find_row(const struct taking *taking, const char *name)
{
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        char own[SEG_NAME];
        const struct seg_row *row = seg_row(taking->view->segment, i);
        if (!is_destination(taking->view->segment, i) || taking->is_used[i])
            continue;
        if (strcmp(copy_text(own, sizeof own, row->name, sizeof row->name), name) == 0)
            return i;
    }
    return ROW_NONE;
}

/* The endpoints of a destination, by one look at the table: rows may be added meanwhile. */
static uint32_t collect_endpoints(struct taking *taking, uint32_t parent)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        const struct seg_row *row = seg_row(taking->view->segment, i);
        if (rows_ready(row) && (row->kind == ROW_ENDPOINT || row->kind == ROW_FALLBACK) && row->parent == parent)
            taking->endpoint[count++] = i;
    }
    return count;
}

static int by_endpoint(const void *a, const void *b)
{
    const struct view_row *left = a, *right = b;
    if (left->is_fallback != right->is_fallback)
        return left->is_fallback ? 1 : -1; /* at the end */
    return strcmp(left->endpoint, right->endpoint);
}

static void name_whole(struct view_row *row)
{
    copy_text(row->endpoint, sizeof row->endpoint, "*", 2);
}

static bool is_same(const struct rules *rules, const struct rule_endpoint *endpoint, const struct seg_row *row)
{
    char label[SEG_LABEL];
    if (row->family != endpoint->family)
        return false;
    if (endpoint->family != AF_UNIX)
        return row->port == endpoint->port && memcmp(row->addr, endpoint->addr, sizeof row->addr) == 0;
    copy_text(label, sizeof label, row->label, sizeof row->label);
    return strcmp(label, rules_text(rules, endpoint->text) + strlen(RULES_UNIX)) == 0;
}

/* Rows are for ever, endpoints are not: those that were found or configured once and are not now. Observed calls are
 * not led to endpoints. */
static void mark_retired(struct taking *taking, struct view_destination *destination)
{
    const struct rule_destination *rule = destination->rule;
    uint32_t current = 0;
    if (!rule || rule->endpoints == 0 || rule->conf.mode != MODE_ENFORCE)
        return;
    for (uint32_t i = 1; i < destination->rows; i++) {
        const struct seg_row *row = seg_row(taking->view->segment, taking->endpoint[i - 1]);
        bool found = false;
        for (uint32_t at = 0; !found && at < rule->endpoints; at++)
            found = is_same(destination->rules, rules_endpoint(destination->rules, rule, at), row);
        destination->row[i].is_retired = !found && !destination->row[i].is_fallback;
        current += found && !destination->row[i].is_fallback;
    }
    destination->row[0].has_untried = current < rule->endpoints;
}

static void fill_rows(struct taking *taking, struct view_destination *destination)
{
    const struct conf *conf = destination->conf;
    struct view_row *all = &destination->row[0];
    uint32_t own = destination->seg_row;
    /* Where no rules tell: a breaker that ever moved is the one that is used. */
    bool own_breaker = conf ? conf->breaker_scope == SCOPE_DESTINATION
                            : atomic_load(&seg_row(taking->view->segment, own)->breaker) != 0;
    struct view_hists hists;
    memset(&hists, 0, sizeof hists);
    view_row_read(&taking->source, own, own, conf, all, &hists);
    name_whole(all);
    for (uint32_t i = 1; i < destination->rows; i++) {
        uint32_t index = taking->endpoint[i - 1];
        bool is_fallback = is_kind(taking->view->segment, index, ROW_FALLBACK);
        struct view_hists apart;
        memset(&apart, 0, sizeof apart);
        destination->row[i].is_fallback = is_fallback;
        view_row_read(&taking->source, index, own_breaker && !is_fallback ? own : index, conf, &destination->row[i],
                      is_fallback ? &apart : &hists);
    }
    mark_retired(taking, destination);
    qsort(destination->row + 1, destination->rows - 1, sizeof *destination->row, by_endpoint);
    all->connect = view_latency_of(&hists.connect);
    all->response = view_latency_of(&hists.response);
    all->hists = hists;
    view_row_sum(conf, destination->row, destination->rows, !own_breaker && all->state <= STATE_HALF_OPEN);
}

static void add_destination(struct taking *taking, const char *name, const struct rules *rules,
                            const struct rule_destination *rule, uint32_t row)
{
    struct view *view = taking->view;
    struct view_destination *destination = &view->destination[view->destinations++];
    copy_text(destination->name, sizeof destination->name, name, sizeof destination->name);
    destination->rules = rules;
    destination->rule = rule;
    destination->conf = rule ? &rule->conf : NULL;
    destination->chaos = rule ? rules_text(rules, rule->conf.chaos) : "";
    if (strcmp(destination->chaos, "deny") == 0)
        destination->chaos = "";
    destination->seg_row = row;
    destination->rows = 1 + (row == ROW_NONE ? 0 : collect_endpoints(taking, row));
    destination->row = take_memory(destination->rows, sizeof *destination->row);
    name_whole(&destination->row[0]);
    if (row == ROW_NONE)
        return;
    taking->is_used[row] = true;
    fill_rows(taking, destination);
}

static void read_destinations(struct taking *taking)
{
    struct view *view = taking->view;
    uint32_t configured = view->rules ? view->rules->destinations : 0;
    view->destination = take_memory((size_t)configured + SEG_ROWS, sizeof *view->destination);
    for (uint32_t i = 0; i < configured; i++) {
        int row = live_row(view->live, i, view->now_ns);
        const struct rules *rules = row < 0 ? view->rules : live_rules(view->live);
        const struct rule_destination *rule = rules_destination(rules, row < 0 ? i : (uint32_t)row);
        const char *name = rules_text(rules, rule->name);
        add_destination(taking, name, rules, rule, find_row(taking, name));
    }
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        char name[SEG_NAME];
        const struct seg_row *row = seg_row(view->segment, i);
        if (is_destination(view->segment, i) && !taking->is_used[i])
            add_destination(taking, copy_text(name, sizeof name, row->name, sizeof row->name), NULL, NULL, i);
    }
}

static int by_count(const void *a, const void *b)
{
    uint64_t left = ((const struct view_unmatched *)a)->count, right = ((const struct view_unmatched *)b)->count;
    return left < right ? 1 : left > right ? -1 : 0;
}

static void read_unmatched(struct view *view)
{
    for (uint32_t i = 0; i < SEG_UNMATCHED; i++) {
        const struct seg_unmatched *row = seg_unmatched(view->segment, i);
        struct view_unmatched *out = &view->unmatched[view->unmatched_count];
        out->count = atomic_load(&row->count);
        copy_text(out->address, sizeof out->address, row->label, sizeof row->label);
        out->last_ns = atomic_load(&row->last_ns);
        view->unmatched_count += out->last_ns != 0 && out->count != 0 && out->address[0];
    }
    qsort(view->unmatched, view->unmatched_count, sizeof view->unmatched[0], by_count);
}

struct view *view_take(const struct segment *segment)
{
    struct view *view = take_memory(1, sizeof *view);
    struct taking *taking = take_memory(1, sizeof *taking);
    view->segment = segment;
    view->now_ns = clock_now_ns();
    view->wall_ns = clock_wall_ns();
    taking->view = view;
    taking->liveness.segment = segment;
    taking->source = (struct view_source){.segment = segment,
                                          .liveness = &taking->liveness,
                                          .connections = taking->connections,
                                          .queued = taking->queued,
                                          .in_flight = taking->in_flight,
                                          .now_ns = view->now_ns,
                                          .wall_ns = view->wall_ns};
    read_header(view);
    view->processes = liveness_count(&taking->liveness);
    read_directory(view);
    view->rules = view_published(segment, &view->live);
    read_origin(view);
    read_ledger(taking);
    read_destinations(taking);
    read_unmatched(view);
    free(taking);
    return view;
}

void view_release(struct view *view)
{
    for (uint32_t i = 0; i < view->destinations; i++)
        free(view->destination[i].row);
    free(view->destination);
    free(view->rules);
    free(view);
}

const struct view_destination *view_find(const struct view *view, const char *name)
{
    for (uint32_t i = 0; i < view->destinations; i++)
        if (strcmp(view->destination[i].name, name) == 0)
            return &view->destination[i];
    return NULL;
}

uint64_t view_counter(const struct view *view, const struct view_row *row, const char *name)
{
    for (uint32_t i = 0; i < view->counters; i++)
        if (strcmp(view->counter_name[i], name) == 0)
            return row->counter[i];
    return 0;
}

uint64_t view_ok(const struct view *view, const struct view_destination *destination, const struct view_row *row)
{
    const struct conf *conf = destination->conf;
    bool by_connect = conf && (conf->breaker_success_on == SUCCESS_ON_CONNECT || conf->first_byte == FIRST_BYTE_NONE);
    return view_counter(view, row, by_connect ? "connects_ok" : "exchanges_ok");
}

uint64_t view_failed(const struct view *view, const struct view_row *row)
{
    return view_counter(view, row, "connects_failed") + view_counter(view, row, "exchanges_failed") +
           view_counter(view, row, "idle_timeouts");
}

const char *view_reason(const struct view *view, uint32_t counter)
{
    static const char prefix[] = "rejected_";
    const char *name = view->counter_name[counter];
    return strncmp(name, prefix, sizeof prefix - 1) == 0 ? name + sizeof prefix - 1 : NULL;
}

uint64_t view_rejected(const struct view *view, const struct view_row *row)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < view->counters; i++)
        if (view_reason(view, i))
            count += row->counter[i];
    return count;
}

int64_t view_limit(const struct view *view, const struct view_destination *destination)
{
    static const struct seg_row none;
    if (!destination->conf)
        return 0;
    return limit_now(destination->seg_row == ROW_NONE ? &none : seg_row(view->segment, destination->seg_row),
                     destination->conf);
}

const char *view_mode(const struct view_destination *destination, char *out)
{
    return destination->conf ? config_format_value(KEY_mode, destination->conf->mode, out, VIEW_MODE) : "retired";
}
