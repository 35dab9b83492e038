/* SPDX-License-Identifier: MIT
 * Printing fields by their forms. */
#include "dump_record.h"

#include <inttypes.h>
#include <stdio.h>

#include "coverage.h"
#include "print.h"
#include "segment/hist.h"

enum form { U64, U32, U16, I64, I32, X64, TEXT, BYTES, HIST, COVERAGE, REGIONS, COUNTERS };

struct field {
    enum dump_structure structure;
    enum form form;
    const char *name;
    size_t offset, bytes;
};

static const struct field fields[] = {
#define FIELD(type, field, form)                                                                                       \
    {DUMP_##type, form, #field, offsetof(struct type, field), sizeof((struct type *)0)->field},
#include "dump_fields.tbl.h"
};

enum { FIELD_TEXT = 1024 };

static const size_t width[] = {[U64] = 8, [U32] = 4, [U16] = 2, [I64] = 8, [I32] = 4, [X64] = 8};

void dump_hex(struct json *json, const char *name, uint64_t word)
{
    char text[32];
    snprintf(text, sizeof text, "0x%016" PRIx64, word);
    json_text(json, name, text);
}

static uint64_t load64(const uint8_t *at)
{
    return atomic_load_explicit((const _Atomic uint64_t *)(const void *)at, memory_order_relaxed);
}

static uint32_t load32(const uint8_t *at)
{
    return atomic_load_explicit((const _Atomic uint32_t *)(const void *)at, memory_order_relaxed);
}

static void write_number(struct json *json, const char *name, enum form form, const uint8_t *at)
{
    if (form == X64)
        dump_hex(json, name, load64(at));
    else if (form == I64)
        json_signed(json, name, (int64_t)load64(at));
    else if (form == I32)
        json_signed(json, name, (int32_t)load32(at));
    else if (form == U64)
        json_number(json, name, load64(at));
    else
        json_number(json, name, form == U32 ? load32(at) : *(const uint16_t *)(const void *)at);
}

static void write_numbers(struct json *json, const struct field *field, const uint8_t *at)
{
    if (field->bytes == width[field->form]) {
        write_number(json, field->name, field->form, at);
        return;
    }
    json_array(json, field->name);
    for (size_t i = 0; i < field->bytes; i += width[field->form])
        write_number(json, NULL, field->form, at + i);
    json_close(json);
}

static void write_bytes(struct json *json, const struct field *field, const uint8_t *at)
{
    char text[2 * 128 + 1] = "";
    for (size_t i = 0; i < field->bytes && 2 * i + 2 < sizeof text; i++)
        snprintf(text + 2 * i, 3, "%02x", at[i]);
    json_text(json, field->name, text);
}

/* Empty buckets are left out; each is named by its lowest latency in microseconds. */
static void write_hist(struct json *json, const struct field *field, const struct seg_hist *hist)
{
    json_object(json, field->name);
    json_number(json, "max_us", atomic_load_explicit(&hist->max_us, memory_order_relaxed));
    json_object(json, "from_us");
    for (uint32_t i = 0; i < SEG_HIST; i++) {
        char name[32];
        uint32_t count = atomic_load_explicit(&hist->bucket[i], memory_order_relaxed);
        snprintf(name, sizeof name, "%" PRIu64, i ? hist_end_us(i - 1) : 0);
        if (count)
            json_number(json, name, count);
    }
    json_close(json);
    json_close(json);
}

static void write_regions(struct json *json, const struct field *field, const struct seg_region_entry *region)
{
    json_array(json, field->name);
    for (int i = 0; i < SEG_REGIONS; i++) {
        json_object(json, NULL);
        json_number(json, "offset", region[i].offset);
        json_number(json, "record_bytes", region[i].record_bytes);
        json_number(json, "records", region[i].records);
        json_close(json);
    }
    json_close(json);
}

/* By the names that the segment gives them; one without a name by its number, unless it is 0. */
static void write_counters(struct json *json, const struct segment *segment, const struct field *field,
                           const uint8_t *at)
{
    json_object(json, field->name);
    for (uint32_t i = 0; i < SEG_COUNTERS; i++) {
        char name[sizeof(((struct seg_counter *)0)->name)];
        uint64_t value = load64(at + i * sizeof value);
        const struct seg_counter *entry = seg_counter(segment, i);
        copy_text(name, sizeof name, entry->name, sizeof entry->name);
        bool named = *name != '\0';
        if (!named)
            snprintf(name, sizeof name, "%" PRIu32, i);
        if (named || value)
            json_number(json, name, value);
    }
    json_close(json);
}

static void write_field(struct json *json, const struct segment *segment, const struct field *field, const uint8_t *at)
{
    char text[FIELD_TEXT];
    struct coverage coverage;
    switch (field->form) {
    case TEXT:
        json_text(json, field->name, copy_text(text, sizeof text, (const char *)at, field->bytes));
        break;
    case BYTES:
        write_bytes(json, field, at);
        break;
    case HIST:
        write_hist(json, field, (const struct seg_hist *)(const void *)at);
        break;
    case COVERAGE:
        coverage = coverage_read((const struct seg_coverage *)(const void *)at);
        coverage_json(json, &coverage);
        break;
    case REGIONS:
        write_regions(json, field, (const struct seg_region_entry *)(const void *)at);
        break;
    case COUNTERS:
        write_counters(json, segment, field, at);
        break;
    case U64:
    case U32:
    case U16:
    case I64:
    case I32:
    case X64:
        write_numbers(json, field, at);
        break;
    }
}

void dump_record(struct json *json, const struct segment *segment, enum dump_structure structure, const void *record)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].structure == structure)
            write_field(json, segment, &fields[i], (const uint8_t *)record + fields[i].offset);
}
