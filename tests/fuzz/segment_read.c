/* SPDX-License-Identifier: MIT
 * Hostile segments as resctl reads them: a good one with edits, opened by the real check and shown in every form. First
 * byte: bit 0: the rules get a checksum that fits; bit 1: the file loses its end. */
#include <fcntl.h>

#include "tests/fuzz/segment.h"
#include "tools/event_text.h"
#include "tools/events.h"
#include "tools/status.h"

static uint8_t *template, *file_bytes;
static char path[64];

/* The file stays; each run takes its pages back to the template where it edited, so all edits are undone by rows of
 * pages that differ. */
static void prepare(void)
{
    struct segment segment;
    snprintf(path, sizeof path, "/dev/shm/resil-fuzz-%d", (int)getpid());
    MUST(segment_create(&segment, path, false) == SEGMENT_OK && freopen("/dev/null", "w", stdout));
    fill_template(&segment);
    seg_header(&segment)->sem_id = -1; /* whoever names other sets in it gets no answers from them */
    template = block_of(segment.base, SEG_BYTES);
    file_bytes = mmap(NULL, SEG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, open(path, O_RDWR | O_CLOEXEC), 0);
    munmap(segment.base, SEG_BYTES);
    MUST(file_bytes != MAP_FAILED);
}

static void remove_file(void)
{
    unlink(path);
}

static void show(const struct segment *segment)
{
    struct view *view = view_take(segment);
    struct event_cursor cursor = {{0}, {0}, 0};
    status_table(view, NULL);
    status_json(view, NULL);
    view_release(view);
    struct event_batch batch = events_gather(segment, &cursor, false);
    for (size_t i = 0; i < batch.count; i++)
        event_print(&batch.event[i]), event_print_json(&batch.event[i]);
    free(batch.event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment segment;
    if (size < 1 || size > 4096)
        return 0;
    if (!template)
        prepare(), atexit(remove_file);
    edit(file_bytes, data + 1, size - 1);
    if (data[0] & 1)
        seal_rules(file_bytes);
    if (segment_open(&segment, path, false) == SEGMENT_OK) {
        show(&segment);
        munmap(segment.base, (size_t)segment.bytes);
    }
    for (size_t page = 0; page < SEG_BYTES; page += 4096) /* reading is cheaper than writing all */
        if (memcmp(file_bytes + page, template + page, 4096) != 0)
            memcpy(file_bytes + page, template + page, 4096);
    return 0;
}
