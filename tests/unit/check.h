/* SPDX-License-Identifier: MIT
 * The whole test framework: checks that go on after a failure, and a verdict at the end. */
#ifndef RESIL_TESTS_UNIT_CHECK_H
#define RESIL_TESTS_UNIT_CHECK_H

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static int checks_done, checks_failed;

#define CHECK(condition)      check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(got, want)  check_int((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define CHECK_TEXT(got, want) check_text((got), (want), #got, __FILE__, __LINE__)

static inline int check_true(int condition, const char *text, const char *file, int line)
{
    checks_done++;
    if (!condition) {
        checks_failed++;
        fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
    }
    return condition;
}

static inline int check_int(long long got, long long want, const char *text, const char *file, int line)
{
    checks_done++;
    if (got != want) {
        checks_failed++;
        fprintf(stderr, "%s:%d: %s: got %lld, want %lld\n", file, line, text, got, want);
    }
    return got == want;
}

static inline int check_text(const char *got, const char *want, const char *text, const char *file, int line)
{
    int same = got && want ? strcmp(got, want) == 0 : got == want;
    checks_done++;
    if (!same) {
        checks_failed++;
        fprintf(stderr, "%s:%d: %s:\n  got  %s\n  want %s\n", file, line, text, got ? got : "(null)",
                want ? want : "(null)");
    }
    return same;
}

/* The end of main(): prints the verdict, returns the exit code. */
static inline int check_end(void)
{
    if (checks_failed)
        printf("FAILED %d of %d checks\n", checks_failed, checks_done);
    else
        printf("ok %d checks\n", checks_done);
    return checks_failed != 0;
}

#endif
