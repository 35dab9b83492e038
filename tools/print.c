/* SPDX-License-Identifier: MIT
 * Text for people. */
#include "print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "commands.h"

void complain(const char *format, ...)
{
    va_list args;
    fflush(stdout); /* what was printed before comes first when both go to one place */
    fputs("resctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return RESCTL_OK;
    complain("cannot write the output: %s", strerror(errno));
    return RESCTL_SYSTEM;
}

void *take_memory(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (memory)
        return memory;
    complain("out of memory");
    exit(RESCTL_SYSTEM);
}

char *copy_text(char *out, size_t out_size, const char *text, size_t text_size)
{
    size_t length = strnlen(text, text_size);
    if (length >= out_size)
        length = out_size - 1;
    memcpy(out, text, length);
    out[length] = '\0';
    return out;
}

char *escape_text(char *out, size_t size, const char *text)
{
    size_t used = 0;
    for (; *text && used + 5 <= size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c < 0x7f && c != '\\')
            out[used++] = (char)c;
        else
            used += (size_t)snprintf(out + used, size - used, c == '\\' ? "\\\\" : "\\x%02x", c);
    }
    out[used] = '\0';
    return out;
}

char *format_time(char *out, uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / (uint64_t)NS_PER_S);
    struct tm parts;
    /* A hostile segment may hold a time whose year no struct tm can express. */
    if (!gmtime_r(&seconds, &parts) || strftime(out, TIME_TEXT - 8, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        copy_text(out, TIME_TEXT, "?", 1);
        return out;
    }
    size_t length = strlen(out);
    snprintf(out + length, TIME_TEXT - length, ".%03uZ", (unsigned)(wall_ns / (uint64_t)NS_PER_MS % 1000));
    return out;
}

char *format_rough(char *out, uint64_t us)
{
    if (us < 1000)
        snprintf(out, DURATION_TEXT, "%" PRIu64 "us", us);
    else if (us < 10000)
        snprintf(out, DURATION_TEXT, "%.1fms", (double)us / 1e3);
    else if (us < 1000000)
        snprintf(out, DURATION_TEXT, "%" PRIu64 "ms", us / 1000);
    else if (us < 60000000)
        snprintf(out, DURATION_TEXT, "%.1fs", (double)us / 1e6);
    else if (us < 3600000000)
        snprintf(out, DURATION_TEXT, "%" PRIu64 "m%02us", us / 60000000, (unsigned)(us / 1000000 % 60));
    else
        snprintf(out, DURATION_TEXT, "%" PRIu64 "h%02um", us / 3600000000, (unsigned)(us / 60000000 % 60));
    return out;
}
