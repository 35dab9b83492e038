/* SPDX-License-Identifier: MIT
 * Writing the formats: https://prometheus.io/docs/instrumenting/exposition_formats/ and
 * https://github.com/prometheus/OpenMetrics (1.0). */
#include "exposition.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json.h"

static void write_escaped(FILE *out, const char *text, bool quotes)
{
    for (const char *p = text; *p;) {
        unsigned length = json_utf8_length(p);
        if (length) {
            fwrite(p, 1, length, out);
            p += length;
            continue;
        }
        if (*p == '\\' || (quotes && *p == '"'))
            fprintf(out, "\\%c", *p);
        else if (*p == '\n')
            fputs("\\n", out);
        else if (*p >= 0x20 && *p < 0x7f)
            fputc(*p, out);
        else
            fprintf(out, "\\\\x%02x", (unsigned char)*p);
        p++;
    }
}

static bool is_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9' && p > name) && *p != '_')
            return false;
    size_t length = strlen(name);
    return length > 0 && length < EXPOSITION_NAME;
}

static bool is_known(const struct exposition *exposition, const char *name)
{
    for (unsigned i = 0; i < exposition->families; i++)
        if (strcmp(exposition->name[i], name) == 0)
            return true;
    return false;
}

/* OpenMetrics says the unit of a name that ends with one. */
static const char *unit_of(const char *name)
{
    static const char *const units[] = {"seconds", "bytes", "ratio"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t length = strlen(name), unit = strlen(units[i]);
        if (length > unit + 1 && strcmp(name + length - unit, units[i]) == 0 && name[length - unit - 1] == '_')
            return units[i];
    }
    return NULL;
}

bool exposition_family(struct exposition *exposition, enum metric_type type, const char *name, const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "info"};
    static const char *const suffixes[] = {"_total", "", "", "_info"};
    if (!is_name(name) || is_known(exposition, name) || exposition->families == EXPOSITION_FAMILIES)
        return false;
    snprintf(exposition->name[exposition->families++], EXPOSITION_NAME, "%s", name);
    exposition->type = type;
    /* The older format gives a family the name of its samples, and knows no info. */
    const char *suffix = exposition->openmetrics ? "" : suffixes[type];
    const char *shown = type == METRIC_INFO && !exposition->openmetrics ? "gauge" : types[type];
    fprintf(exposition->out, "# HELP %s%s ", name, suffix);
    write_escaped(exposition->out, help, exposition->openmetrics);
    fprintf(exposition->out, "\n# TYPE %s%s %s\n", name, suffix, shown);
    if (exposition->openmetrics && unit_of(name))
        fprintf(exposition->out, "# UNIT %s %s\n", name, unit_of(name));
    return true;
}

static void begin_sample(const struct exposition *exposition, const char *suffix, const struct metric_label *labels)
{
    fprintf(exposition->out, "%s%s", exposition->name[exposition->families - 1], suffix);
    for (const struct metric_label *label = labels; label && label->name; label++) {
        fprintf(exposition->out, "%c%s=\"", label == labels ? '{' : ',', label->name);
        write_escaped(exposition->out, label->value, true);
        fputc('"', exposition->out);
    }
    fputs(labels && labels->name ? "} " : " ", exposition->out);
}

void exposition_count(struct exposition *exposition, const char *suffix, const struct metric_label *labels,
                      uint64_t value)
{
    begin_sample(exposition, suffix, labels);
    fprintf(exposition->out, "%" PRIu64 "\n", value);
}

const char *exposition_number(double value, char *out, size_t size)
{
    if (isnan(value))
        snprintf(out, size, "NaN");
    else if (isinf(value))
        snprintf(out, size, value > 0 ? "+Inf" : "-Inf");
    else
        snprintf(out, size, "%.15g", value);
    return out;
}

void exposition_value(struct exposition *exposition, const char *suffix, const struct metric_label *labels,
                      double value)
{
    char number[40];
    begin_sample(exposition, suffix, labels);
    fprintf(exposition->out, "%s\n", exposition_number(value, number, sizeof number));
}

void exposition_end(struct exposition *exposition)
{
    if (exposition->openmetrics)
        fputs("# EOF\n", exposition->out);
}
