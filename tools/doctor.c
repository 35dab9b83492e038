/* SPDX-License-Identifier: MIT
 * `resctl doctor`: will the hooks reach a program, and what share of a running one's bytes did they see. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "options.h"
#include "preload.h"
#include "print.h"
#include "process.h"

static void print_notes(const struct program *program)
{
    for (unsigned i = 0; i < NOTE_COUNT; i++)
        if (program->notes & 1u << i)
            printf("note       %s\n", note_texts[i]);
}

static void print_path(const char *title, const char *path)
{
    char safe[ESCAPED(4096)];
    printf("%-10s %s\n", title, escape_text(safe, sizeof safe, path));
}

static void print_process(const struct process *process)
{
    double ratio;
    const struct coverage *sums = &process->coverage;
    if (!process->attached)
        return;
    print_path("segment", process->segment);
    if (coverage_ratio(sums, &ratio))
        printf("coverage   %.1f%% of the bytes of its closed connections: %llu of %llu out, %llu of %llu in\n",
               ratio * 100, (unsigned long long)sums->seen_out, (unsigned long long)sums->kernel_out,
               (unsigned long long)sums->seen_in, (unsigned long long)sums->kernel_in);
    else
        printf("coverage   unknown: it has closed no connection yet\n");
}

static void print_table(const char *asked, const struct program *program, const struct process *process)
{
    print_path("program", *program->asked ? program->asked : asked);
    if (!process && *program->path && strcmp(program->path, program->asked) != 0)
        print_path("run by", program->path);
    if (program->reach == REACH_yes)
        printf("reached    yes\n");
    else
        printf("reached    NO: %s\n", reach_texts[program->reach]);
    if (*program->library) {
        print_path("library", program->library);
        if (process && process->version[0])
            print_path("version", process->version);
    }
    if (process)
        print_process(process);
    print_notes(program);
}

static void text_or_null(struct json *json, const char *name, const char *text)
{
    json_text(json, name, text && *text ? text : NULL);
}

static void write_process(struct json *json, const struct process *process)
{
    json_number(json, "pid", (uint64_t)process->pid);
    text_or_null(json, "version", process->version);
    json_bool(json, "attached", process->attached);
    text_or_null(json, "segment", process->segment);
    json_bool(json, "off", (process->program.notes & 1u << NOTE_off) != 0);
    json_number(json, "rings", process->rings);
    coverage_json(json, &process->coverage);
}

static void print_json(const char *asked, const struct program *program, const struct process *process)
{
    struct json json = {.out = stdout};
    json_object(&json, NULL);
    json_text(&json, "asked", asked);
    text_or_null(&json, "program", process ? program->asked : program->path);
    json_bool(&json, "reached", program->reach == REACH_yes);
    text_or_null(&json, "reason", reach_words[program->reach]);
    text_or_null(&json, "text", reach_texts[program->reach]);
    text_or_null(&json, "library", program->library);
    json_array(&json, "notes");
    for (unsigned i = 0; i < NOTE_COUNT; i++)
        if (program->notes & 1u << i)
            json_text(&json, NULL, note_words[i]);
    json_close(&json);
    if (process)
        write_process(&json, process);
    json_close(&json);
}

static bool is_number(const char *text)
{
    return *text && strlen(text) <= 10 && text[strspn(text, "0123456789")] == '\0';
}

static int conclude(const struct program *program)
{
    int code = finish_output();
    return code != RESCTL_OK ? code : program->reach == REACH_yes ? RESCTL_OK : RESCTL_NO;
}

static int examine_process(const char *asked, bool as_json)
{
    struct process *process = take_memory(1, sizeof *process);
    int code = process_read(atoll(asked), process);
    if (code == RESCTL_OK) {
        (as_json ? print_json : print_table)(asked, &process->program, process);
        code = conclude(&process->program);
    }
    free(process);
    return code;
}

static int examine_command(const char *asked, bool as_json)
{
    char preload[PATH_MAX];
    if (!preload_find(preload, sizeof preload))
        return RESCTL_SYSTEM;
    struct program *program = take_memory(1, sizeof *program);
    program_examine(asked, preload, program);
    program->notes |= program_preloads(getenv("LD_PRELOAD"));
    if (program->reach != REACH_yes)
        program->library[0] = '\0';
    (as_json ? print_json : print_table)(asked, program, NULL);
    int code = conclude(program);
    free(program);
    return code;
}

int command_doctor(const struct command *self, int argc, char **argv)
{
    bool as_json = false;
    const struct option_row rows[] = {{"json", 'j', OPTION_FLAG, &as_json, NULL, "as a JSON object"}, {.name = NULL}};
    const struct options options = {
        .command = self, .rows = rows, .operands_min = 1, .operands_max = -1, .stop_at_operand = true};
    struct operands operands;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    const char *asked = operands.text[0];
    return is_number(asked) ? examine_process(asked, as_json) : examine_command(asked, as_json);
}
