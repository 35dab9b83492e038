/* SPDX-License-Identifier: MIT
 * Candidates, from the tables: commands, their options, keys and words; and from the segment or the configuration:
 * destinations, endpoints, processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choose.h"
#include "completion.h"
#include "config/compile.h"
#include "options.h"
#include "print.h"
#include "segment/registry.h"
#include "settings.h"
#include "top.h"
#include "view.h"

/* What is being completed: the typed part, and what of it is left as it is ("--set=", "mode="). */
struct task {
    int count;
    char **words;
    const char *current, *head;
    size_t head_length;
};

static struct task task;

static void offer(const char *candidate, const char *text)
{
    size_t length = strlen(task.current);
    char safe[ESCAPED(256)], cut[256];
    copy_text(cut, sizeof cut, candidate, sizeof cut - 1);
    /* A name that needs escaping in a terminal is none that could be typed. */
    if (strcmp(escape_text(safe, sizeof safe, cut), candidate) != 0 || strpbrk(candidate, " '\"$`\\"))
        return;
    if (strncmp(candidate, task.current, length) == 0)
        printf("%.*s%s\t%s\n", (int)task.head_length, task.head, candidate, text);
}

/* What stands in front of the rest stays: completes from `from' on. */
static void go_behind(const char *from)
{
    if (task.head_length == 0)
        task.head = task.current;
    task.head_length += (size_t)(from - task.current);
    task.current = from;
}

/* The options of the segment's choice, as they are typed. */
static struct choice typed_choice(void)
{
    struct choice choice = CHOICE_NONE;
    for (int i = 2; i + 1 < task.count - 1; i++) {
        const char *value = task.words[i + 1];
        if (strcmp(task.words[i], "--segment") == 0 || strcmp(task.words[i], "-s") == 0)
            choice.segment = value;
        else if (strcmp(task.words[i], "--pid") == 0 || strcmp(task.words[i], "-p") == 0)
            choice.pid = atoll(value);
        else if (strcmp(task.words[i], "--uid") == 0 || strcmp(task.words[i], "-u") == 0)
            choice.uid = atoll(value);
    }
    return choice;
}

static void offer_configured(void)
{
    struct settings settings;
    settings_compile(NULL, NULL, &settings);
    for (uint32_t i = 0; settings.rules && i < settings.rules->destinations; i++)
        offer(rules_text(settings.rules, rules_destination(settings.rules, i)->name), "");
    settings_release(&settings);
}

/* of: "DEST" or "DEST[/ENDPOINT]". */
static void offer_destinations(bool with_endpoints)
{
    struct choice choice = typed_choice();
    struct segment segment;
    const char *slash = strchr(task.current, '/');
    if (choose_open(&choice, false, &segment) != RESCTL_OK) {
        offer_configured();
        return;
    }
    struct view *view = view_take(&segment);
    for (uint32_t i = 0; i < view->destinations; i++) {
        const struct view_destination *destination = &view->destination[i];
        char name[SEG_NAME + SEG_LABEL + 2];
        for (uint32_t r = 1; with_endpoints && slash && r < destination->rows; r++) {
            snprintf(name, sizeof name, "%s/%s", destination->name, destination->row[r].endpoint);
            offer(name, state_names[destination->row[r].state]);
        }
        if (!slash)
            offer(destination->name, state_names[destination->row[0].state]);
    }
    view_release(view);
}

static void offer_processes(void)
{
    struct choice choice = typed_choice();
    struct segment segment;
    if (choose_open(&choice, false, &segment) != RESCTL_OK)
        return;
    for (uint32_t i = 0; i < SEG_PROCESSES; i++) {
        const struct seg_process *process = seg_process(&segment, i);
        uint32_t owner = registry_owner_at(&segment, i);
        char pid[16], program[SEG_PROGRAM], safe[ESCAPED(SEG_PROGRAM)];
        if (!owner || !registry_alive(&segment, owner))
            continue;
        snprintf(pid, sizeof pid, "%u", atomic_load(&process->pid));
        copy_text(program, sizeof program, process->program, sizeof process->program);
        offer(pid, escape_text(safe, sizeof safe, program));
    }
}

static void offer_list(const char *words)
{
    char word[64];
    while (*words) {
        size_t length = strcspn(words, " ");
        offer(copy_text(word, sizeof word, words, length), "");
        words += length + strspn(words + length, " ");
    }
}

/* "KEY=VALUE" up to '=': the keys; behind it the words that the key knows. */
static void offer_keys(bool with_value)
{
    const char *equals = with_value ? strchr(task.current, '=') : NULL;
    char text[128];
    if (equals) {
        int key = config_key(task.current, (size_t)(equals - task.current));
        go_behind(equals + 1);
        if (key >= 0)
            offer_list(key_info[key].words);
        return;
    }
    for (int key = 0; key < KEY_COUNT; key++) {
        snprintf(text, sizeof text, "%s%s", key_info[key].name, with_value ? "=" : "");
        offer(text, key_info[key].help);
    }
}

/* By the name that a synopsis or an option's help gives to it. */
static void offer_named(const char *what)
{
    if (strstr(what, "DEST") || strcmp(what, "NAME") == 0)
        offer_destinations(strstr(what, "ENDPOINT") != NULL);
    else if (strstr(what, "KEY"))
        offer_keys(strstr(what, "VALUE") != NULL);
    else if (strstr(what, "FILE") || strstr(what, "DIR") || strcmp(what, "PATH") == 0)
        puts(":files");
    else if (strstr(what, "CMD"))
        puts(":commands");
    else if (strstr(what, "PID"))
        offer_processes();
    else if (strcmp(what, "COLUMN") == 0)
        for (int sort = 0; sort < SORTS; sort++)
            offer(top_sort_names[sort], "");
    else if (strcmp(what, "SPEC") == 0)
        for (int fault = 0; fault < FAULT_COUNT; fault++)
            offer(fault_names[fault], "");
}

enum { TOKENS = 32, TOKEN = 48 };

/* The operands of a synopsis: "set" "DEST" "SPEC" "list" ...; options and their values left out. */
static int read_synopsis(const char *synopsis, char tokens[TOKENS][TOKEN])
{
    int count = 0, depth = 0;
    bool skips_value = false;
    while (*synopsis && count < TOKENS) {
        size_t length = strcspn(synopsis, " ");
        char token[TOKEN];
        copy_text(token, sizeof token, synopsis, length);
        synopsis += length + (synopsis[length] == ' ');
        bool option = token[0] == '-' || strncmp(token, "[-", 2) == 0;
        bool inside = depth > 0;
        if (option || inside)
            for (const char *at = token; *at; at++)
                depth += *at == '[' ? 1 : *at == ']' ? -1 : 0;
        bool value = skips_value && token[0] >= 'A' && token[0] <= 'Z';
        skips_value = token[0] == '-' && strcmp(token, "--") != 0;
        token[strcspn(token, ",")] = '\0';
        if (!option && !inside && !value && strcmp(token, "or") != 0 && strcmp(token, "[SEGMENT]") != 0)
            memcpy(tokens[count++], token, sizeof token);
    }
    return count;
}

static bool is_word(const char *token)
{
    return token[0] >= 'a' && token[0] <= 'z';
}

/* The operand of this number, those before it being given. */
static void offer_operand(const char *synopsis, int number, const char *first)
{
    char tokens[TOKENS][TOKEN];
    int count = read_synopsis(synopsis, tokens), at = 0;
    if (count > 0 && is_word(tokens[0])) {
        for (int i = 0; number == 0 && i < count; i++)
            if (is_word(tokens[i]))
                offer(tokens[i], "");
        while (number > 0 && at < count && strcmp(tokens[at], first) != 0)
            at++;
        if (number == 0)
            return;
    }
    for (int i = 0; i < number; i++)
        at += at < count && !strstr(tokens[at], "...");
    if (at < count && !is_word(tokens[at]))
        offer_named(tokens[at]);
}

static const struct option_row *find_row(const struct options *options, const char *word)
{
    for (const struct option_row *row = options->rows; row->name; row++) {
        if (word[0] == '-' && word[1] == '-' && strcmp(word + 2, row->name) == 0)
            return row;
        if (word[0] == '-' && row->letter && word[1] == row->letter && !word[2])
            return row;
    }
    return NULL;
}

static void offer_options(const struct options *options)
{
    char text[64];
    for (const struct option_row *row = options->rows; row->name; row++) {
        snprintf(text, sizeof text, "--%s", row->name);
        offer(text, row->help);
    }
    offer("--help", "print this");
}

/* Gets the table of the command that is typed. */
static void complete(const struct options *options)
{
    int operands = 0;
    bool plain = false;
    const char *first = "";
    const struct option_row *pending = NULL;
    for (int i = 2; i < task.count - 1; i++) {
        const struct option_row *row = plain || pending ? NULL : find_row(options, task.words[i]);
        if (!pending && !plain && strcmp(task.words[i], "--") == 0)
            plain = true;
        else if (!pending && (plain || task.words[i][0] != '-')) {
            first = operands++ ? first : task.words[i];
            plain = plain || options->stop_at_operand;
        }
        pending = row && row->kind != OPTION_FLAG ? row : NULL;
    }
    const char *equals = strchr(task.current, '=');
    if (operands && options->stop_at_operand) {
        puts(":files");
    } else if (pending) {
        offer_named(pending->argument);
    } else if (!plain && strncmp(task.current, "--", 2) == 0 && equals) {
        char name[64];
        const struct option_row *row =
            find_row(options, copy_text(name, sizeof name, task.current, (size_t)(equals - task.current)));
        go_behind(equals + 1);
        if (row && row->kind != OPTION_FLAG)
            offer_named(row->argument);
    } else if (!plain && task.current[0] == '-') {
        offer_options(options);
    } else {
        offer_operand(options->command->synopsis, operands, first);
    }
}

void completion_words(int count, char **words)
{
    if (count < 2)
        return;
    task = (struct task){.count = count, .words = words, .current = words[count - 1], .head = ""};
    if (count == 2) {
        for (size_t i = 0; i < commands_count; i++)
            offer(commands[i].name, commands[i].help);
        if (task.current[0] == '-') {
            offer("--help", "list the commands");
            offer("--version", "print the versions");
        }
        return;
    }
    const struct command *command = command_find(words[1]);
    char *arguments[] = {words[1], NULL};
    if (!command)
        return;
    options_wanted = complete;
    command->function(command, 1, arguments);
}
