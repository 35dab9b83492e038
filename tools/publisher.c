/* SPDX-License-Identifier: MIT
 * Publications by tools. */
#include "publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "commands.h"
#include "print.h"
#include "real/raw.h"
#include "segment/events.h"
#include "segment/publish.h"
#include "segment/registry.h"
#include "segment/rows.h"

#define WAIT_NS 2000000000ull

/* One publication, from taking the publisher's word to giving it back. */
struct session {
    const struct publisher *publisher;
    struct publisher_report *report;
    uint32_t owner;
    bool entered;              /* into the registry, by us */
    struct rules *rules;       /* a copy of the current ones, NULL = none */
    const struct live *live;   /* behind it, NULL = none */
    struct rules *block;       /* what is to be published: SEG_RULES_BYTES */
    struct overlay_value *all; /* the values that are to stand */
    uint32_t count;
    struct overlay_origin origin;
    struct config_errors errors;
};

static enum publisher_result fail(struct session *session, enum publisher_result result, const char *why)
{
    copy_text(session->report->errors, sizeof session->report->errors, why, strlen(why));
    session->report->error_count = 1;
    return result;
}

/* ---- the current rules ---------------------------------------------------------------------------- */

static void read_current(struct session *session)
{
    const struct segment *segment = session->publisher->segment;
    uint64_t generation;
    size_t bytes = publish_size(segment);
    session->rules = bytes ? take_memory(bytes, 1) : NULL;
    size_t copied = bytes ? publish_copy(segment, session->rules, bytes, &generation) : 0;
    if (copied && rules_valid(session->rules, copied)) {
        session->live = live_find(session->rules, copied);
        return;
    }
    free(session->rules);
    session->rules = NULL;
}

/* What stands over them now, without what has ended or what this version does not know. */
static void read_values(struct session *session)
{
    uint64_t now_ns = clock_now_ns();
    const struct live *live = session->live;
    for (uint32_t i = 0; live && i < live->overrides; i++) {
        const struct live_override *row = live_override(live, i);
        if (row->until_ns <= now_ns || row->key >= KEY_COUNT)
            continue;
        session->all[session->count++] = (struct overlay_value){.destination = live_text(live, row->destination),
                                                                .key = (int)row->key,
                                                                .value = live_text(live, row->value),
                                                                .source = (enum live_source)row->source,
                                                                .until_ns = row->until_ns,
                                                                .set_wall_ns = row->set_wall_ns,
                                                                .uid = row->uid,
                                                                .pid = row->pid,
                                                                .program = row->program};
    }
}

static void read_origin(struct session *session)
{
    const struct seg_header *header = seg_header(session->publisher->segment);
    const struct live *live = session->live;
    char *path = session->report->config_path;
    copy_text(path, sizeof session->report->config_path, header->config_path, sizeof header->config_path);
    session->origin = (struct overlay_origin){.config_path = path,
                                              .inline_text = "",
                                              .file_mtime_ns = header->file_mtime_ns,
                                              .file_bytes = header->file_bytes,
                                              .loaded_wall_ns = atomic_load(&header->loaded_wall_ns),
                                              .pid = atomic_load(&header->loaded_pid),
                                              .program = ""};
    if (!live)
        return;
    copy_text(path, sizeof session->report->config_path, live_text(live, live->config_path), SEGMENT_PATH);
    session->origin.inline_text = live_text(live, live->inline_text);
    session->origin.file_mtime_ns = live->file_mtime_ns;
    session->origin.file_bytes = live->file_bytes;
    session->origin.loaded_wall_ns = live->loaded_wall_ns;
    session->origin.pid = live->loaded_pid;
    session->origin.uid = live->loaded_uid;
    session->origin.program = live->loaded_by;
}

/* ---- the publisher's word ------------------------------------------------------------------------- */

static bool take_word(struct session *session)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    uint64_t end_ns = clock_now_ns() + WAIT_NS;
    while (!publish_begin(session->publisher->segment, session->owner)) {
        if (clock_now_ns() > end_ns)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static void leave(struct session *session)
{
    if (session->entered)
        registry_leave(session->publisher->segment, session->owner);
}

static enum publisher_result begin(struct session *session, const struct publisher *publisher,
                                   struct publisher_report *report)
{
    bool resumed = false;
    memset(report, 0, sizeof *report);
    *session = (struct session){.publisher = publisher, .report = report, .owner = publisher->owner};
    session->errors = (struct config_errors){.text = report->errors, .size = sizeof report->errors};
    if (!session->owner) {
        session->owner = registry_join(publisher->segment, 0, publisher->program, &resumed);
        session->entered = session->owner && !resumed;
    }
    if (!session->owner)
        return fail(session, PUBLISHER_BUSY, "the segment's table of processes is full");
    if (!take_word(session)) {
        leave(session);
        return fail(session, PUBLISHER_BUSY, "another process is publishing rules, and does not come to an end");
    }
    session->block = take_memory(1, SEG_RULES_BYTES);
    session->all = take_memory(2 * LIVE_OVERRIDES_MAX, sizeof *session->all);
    read_current(session);
    read_values(session);
    read_origin(session);
    return PUBLISHER_OK;
}

static enum publisher_result end(struct session *session, enum publisher_result result)
{
    session->report->error_count = session->errors.count ? session->errors.count : session->report->error_count;
    session->report->generation = atomic_load(&seg_header(session->publisher->segment)->generation);
    publish_end(session->publisher->segment, session->owner);
    leave(session);
    free(session->block);
    free(session->all);
    free(session->rules);
    return result;
}

static void tell(const struct session *session, enum event_kind kind)
{
    struct event event = {.kind = kind, .row = ROW_NONE, .program = session->publisher->program};
    event_write(session->publisher->segment, &event);
}

/* ---- writing -------------------------------------------------------------------------------------- */

/* The block with these values over its rules; 0 with errors. */
static size_t emit(struct session *session, uint32_t count, struct config_errors *errors)
{
    struct overlay overlay = {.origin = session->origin, .value = session->all, .values = count};
    return overlay_emit(session->block, &overlay, clock_now_ns(), session->block, SEG_RULES_BYTES, errors);
}

static bool publish(struct session *session, size_t bytes, bool keeps_source)
{
    struct publication publication = {.block = session->block,
                                      .bytes = bytes,
                                      .keeps_source = keeps_source,
                                      .config_path = session->origin.config_path,
                                      .file_mtime_ns = session->origin.file_mtime_ns,
                                      .file_bytes = session->origin.file_bytes,
                                      .owner = session->owner};
    if (publish_rules(session->publisher->segment, &publication))
        return true;
    fail(session, PUBLISHER_BUSY, "the rules' memory cannot be written: this process has as many mappings as it may");
    return false;
}

static void remove_value(struct session *session, uint32_t index)
{
    memmove(&session->all[index], &session->all[index + 1], (session->count - index - 1) * sizeof *session->all);
    session->count--;
}

static void drop_value(struct session *session, uint32_t index, const char *why)
{
    const struct overlay_value *value = &session->all[index];
    size_t used = strlen(session->report->notes);
    snprintf(session->report->notes + used, sizeof session->report->notes - used, "%s %s = %s is dropped: %s\n",
             value->destination, key_info[value->key].name, value->value, why);
    remove_value(session, index);
}

/* What was found belongs to the place where it was looked for. */
static bool is_outdated(const struct session *session, const struct overlay_value *value)
{
    const struct rules *was = session->rules, *is = session->block;
    int before = was ? overlay_find(was, value->destination) : -1, after = overlay_find(is, value->destination);
    return value->source == LIVE_FOUND && before >= 0 && after >= 0 &&
           strcmp(rules_text(was, rules_destination(was, (uint32_t)before)->conf.discover),
                  rules_text(is, rules_destination(is, (uint32_t)after)->conf.discover)) != 0;
}

/* Values that the new rules have no place for, or with which they make no sense, go. */
static size_t emit_what_fits(struct session *session)
{
    char text[512];
    struct config_errors errors = {.text = text, .size = sizeof text};
    for (uint32_t i = 0; i < session->count;) {
        if (overlay_find(session->block, session->all[i].destination) < 0)
            drop_value(session, i, "there is no such destination any more");
        else if (is_outdated(session, &session->all[i]))
            remove_value(session, i);
        else
            i++;
    }
    size_t bytes = emit(session, session->count, &errors);
    for (uint32_t i = 0; bytes == 0 && i < session->count;) {
        errors = (struct config_errors){.text = text, .size = sizeof text};
        text[0] = '\0';
        if (emit(session, i + 1, &errors))
            i++;
        else
            drop_value(session, i, text);
    }
    return bytes ? bytes : emit(session, session->count, &session->errors);
}

/* ---- loading -------------------------------------------------------------------------------------- */

/* As the library does: a relative path means the directory where its reader started. */
static void choose_file(struct session *session, const char *path)
{
    char directory[256] = "", found[512];
    char *out = session->report->config_path;
    size_t size = sizeof session->report->config_path;
    if (path && *path != '/' && getcwd(directory, sizeof directory))
        snprintf(out, size, "%s/%s", directory, path);
    else if (path)
        copy_text(out, size, path, strlen(path));
    else if (!*out &&
             config_find_file(getenv("RESIL_CONFIG"), getenv("XDG_CONFIG_HOME"), getenv("HOME"), found, sizeof found))
        copy_text(out, size, found, strlen(found));
}

static bool compile(struct session *session, size_t *bytes)
{
    struct raw_stat st = {0};
    const char *path = session->origin.config_path, *text = session->origin.inline_text;
    struct config_input input = {.path = *path ? path : NULL, .inline_text = *text ? text : NULL};
    if (*path)
        raw_stat(path, &st);
    session->origin.file_mtime_ns = st.mtime_ns;
    session->origin.file_bytes = st.size;
    session->origin.loaded_wall_ns = clock_wall_ns();
    session->origin.pid = (uint32_t)getpid();
    session->origin.uid = getuid();
    session->origin.program = session->publisher->program;
    return config_compile(&input, session->block, SEG_RULES_BYTES, &session->errors, bytes);
}

/* Rows of destinations that are gone are marked, those that came back are not. */
static void mark_rows(struct session *session)
{
    const struct segment *segment = session->publisher->segment;
    for (uint32_t i = 0; i < SEG_ROWS; i++) {
        char name[SEG_NAME];
        struct seg_row *row = seg_row(segment, i);
        if (!rows_ready(row) || row->kind == ROW_FREE)
            continue;
        copy_text(name, sizeof name, row->name, sizeof row->name);
        atomic_store(&row->retired, overlay_find(session->block, name) < 0);
    }
}

static void count_changes(struct session *session)
{
    struct publisher_report *report = session->report;
    const struct rules *was = session->rules, *is = session->block;
    report->destinations = is->destinations;
    for (uint32_t i = 0; i < is->destinations; i++)
        report->added += !was || overlay_find(was, rules_text(is, rules_destination(is, i)->name)) < 0;
    for (uint32_t i = 0; was && i < was->destinations; i++)
        report->retired += overlay_find(is, rules_text(was, rules_destination(was, i)->name)) < 0;
}

enum publisher_result publisher_load(const struct publisher *publisher, const char *path, const char *inline_text,
                                     struct publisher_report *report)
{
    struct session session;
    size_t bytes;
    enum publisher_result result = begin(&session, publisher, report);
    if (result != PUBLISHER_OK)
        return result;
    choose_file(&session, path);
    if (inline_text)
        session.origin.inline_text = inline_text;
    bytes = compile(&session, &bytes) ? emit_what_fits(&session) : 0;
    if (bytes == 0) {
        publish_error(publisher->segment, report->config_path, report->errors);
        tell(&session, EVENT_CONFIG_ERROR);
        return end(&session, PUBLISHER_BAD);
    }
    if (!publish(&session, bytes, false))
        return end(&session, PUBLISHER_BUSY);
    mark_rows(&session);
    count_changes(&session);
    tell(&session, EVENT_LOADED);
    return end(&session, PUBLISHER_OK);
}

/* ---- values --------------------------------------------------------------------------------------- */

static bool is_meant(const struct publisher_change *change, const struct overlay_value *value)
{
    return change->source == value->source && (change->key < 0 || change->key == value->key) &&
           (!change->destination || strcmp(change->destination, value->destination) == 0);
}

/* A value that ends before the new one would never be seen again; one that outlives it comes back then. */
static bool is_covered(const struct publisher_change *change, const struct overlay_value *value)
{
    return is_meant(change, value) && (!change->value || value->until_ns <= change->until_ns);
}

static bool stands_already(const struct session *session, const struct publisher_change *change)
{
    const struct overlay_value *last = NULL;
    for (uint32_t i = 0; i < session->count; i++)
        if (is_meant(change, &session->all[i]))
            last = &session->all[i];
    return change->value ? last && last->until_ns == change->until_ns && strcmp(last->value, change->value) == 0
                         : !last;
}

static void tell_change(const struct session *session, const struct publisher_change *change)
{
    char label[SEG_LABEL];
    const char *key = change->key >= 0 ? key_info[change->key].name : "*";
    snprintf(label, sizeof label, change->value ? "%s = %s" : "%s", key, change->value);
    struct event event = {.kind = change->value ? EVENT_SET : EVENT_CLEARED,
                          .row = ROW_NONE,
                          .error = getuid(),
                          .program = session->publisher->program,
                          .name = change->destination ? change->destination : "*",
                          .label = label};
    event_write(session->publisher->segment, &event);
}

/* `chaos = deny` in the file is a promise that nobody breaks by hand. */
static bool is_denied(const struct session *session, const struct publisher_change *change)
{
    if (change->key != KEY_chaos || !change->value || !*change->value)
        return false;
    int index = overlay_find(session->rules, change->destination);
    return index >= 0 &&
           strcmp(rules_text(session->rules, rules_destination(session->rules, (uint32_t)index)->conf.chaos), "deny") ==
               0;
}

/* False when it stands so already. */
static bool apply(struct session *session, const struct publisher_change *change)
{
    uint32_t kept = 0;
    if (stands_already(session, change))
        return false;
    for (uint32_t i = 0; i < session->count; i++)
        if (!is_covered(change, &session->all[i]))
            session->all[kept++] = session->all[i];
    session->count = kept;
    if (!change->value)
        return true;
    session->all[session->count++] = (struct overlay_value){.destination = change->destination,
                                                            .key = change->key,
                                                            .value = change->value,
                                                            .source = change->source,
                                                            .until_ns = change->until_ns,
                                                            .set_wall_ns = clock_wall_ns(),
                                                            .uid = getuid(),
                                                            .pid = (uint32_t)getpid(),
                                                            .program = session->publisher->program};
    return true;
}

enum publisher_result publisher_change(const struct publisher *publisher, const struct publisher_change *change,
                                       uint32_t count, struct publisher_report *report)
{
    struct session session;
    bool changed = false;
    enum publisher_result result = begin(&session, publisher, report);
    if (result != PUBLISHER_OK)
        return result;
    if (!session.rules)
        return end(&session, fail(&session, PUBLISHER_NONE, "there are no rules: every call passes through"));
    memcpy(session.block, session.rules, session.rules->bytes);
    for (uint32_t i = 0; i < count && session.count < 2 * LIVE_OVERRIDES_MAX; i++) {
        if (is_denied(&session, &change[i]))
            return end(&session, fail(&session, PUBLISHER_DENIED, "the configuration says `chaos = deny' there"));
        changed |= apply(&session, &change[i]);
    }
    if (!changed)
        return end(&session, PUBLISHER_SAME);
    size_t bytes = emit(&session, session.count, &session.errors);
    if (bytes == 0)
        return end(&session, PUBLISHER_BAD);
    if (!publish(&session, bytes, true))
        return end(&session, PUBLISHER_BUSY);
    for (uint32_t i = 0; i < count; i++)
        if (change[i].source == LIVE_SET) /* discovery tells of itself */
            tell_change(&session, &change[i]);
    return end(&session, PUBLISHER_OK);
}

static void print_lines(const char *text, const char *subject)
{
    enum { LINE = 512 };
    char line[LINE], safe[ESCAPED(LINE)];
    while (*text) {
        size_t length = strcspn(text, "\n");
        complain("%s: %s", subject, escape_text(safe, sizeof safe, copy_text(line, sizeof line, text, length)));
        text += length + (text[length] == '\n');
    }
}

int publisher_exit(enum publisher_result result, const struct publisher_report *report, const char *subject)
{
    static const int codes[] = {
        [PUBLISHER_OK] = RESCTL_OK,   [PUBLISHER_SAME] = RESCTL_OK,   [PUBLISHER_BAD] = RESCTL_USAGE,
        [PUBLISHER_NONE] = RESCTL_NO, [PUBLISHER_DENIED] = RESCTL_NO, [PUBLISHER_BUSY] = RESCTL_SYSTEM};
    print_lines(report->notes, subject);
    if (result != PUBLISHER_OK && result != PUBLISHER_SAME)
        print_lines(report->errors, subject);
    return codes[result];
}
