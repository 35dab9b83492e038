/* SPDX-License-Identifier: MIT
 * Files in files: names relative to the including file, wildcards in the last component, no cycles. */
#include "config/include.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "config/parser.h"

enum { DEPTH_MAX = 8, FILES_MAX = 256 };

static const char want_fewer[] = "at most 256 included files";

/* Counts one more file or directory to read. */
static bool too_many(struct model *model)
{
    if (model->files >= FILES_MAX)
        return true;
    model->files++;
    return false;
}

static bool has_wildcard(struct slice text)
{
    return memchr(text.text, '*', text.length) || memchr(text.text, '?', text.length);
}

/* Bytes up to and with the last '/', 0 when there is none. */
static size_t directory_bytes(struct slice path)
{
    size_t length = path.length;
    while (length && path.text[length - 1] != '/')
        length--;
    return length;
}

static struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text), 1};
}

/* One included file, opened: its lines, unless it is open already or too deep. */
static void parse_source(const struct parser *includer, const char *path, const struct source *source,
                         const char **want)
{
    unsigned depth = 0;
    for (const struct parser *open = includer; open; open = open->includer, depth++) {
        if (open->source && open->source->dev == source->dev && open->source->ino == source->ino)
            *want = "no file that includes itself";
    }
    if (depth > DEPTH_MAX)
        *want = "at most 8 levels of files";
    if (*want)
        return;
    struct parser parser = {.model = includer->model, .layer = includer->layer, .file = path, .source = source};
    parser.includer = includer;
    parser.reader = reader_start(source->text, source->length, false);
    parse_lines(&parser);
}

static void include_file(const struct parser *parser, const char *path, struct slice value)
{
    struct model *model = parser->model;
    struct place place = {parser->file, parser->reader.line, value.column};
    struct source source;
    const char *want = NULL;
    char reason[64];
    int error = source_open(path, &source);
    if (error) {
        report_got(model->errors, place, "include", slice_of(path), "a file that can be read: %s",
                   source_reason(-error, reason, sizeof reason));
        return;
    }
    parse_source(parser, path, &source, &want);
    source_close(&source);
    if (want)
        report_got(model->errors, place, "include", slice_of(path), "%s", want);
}

static const char *join(struct arena *arena, const char *directory, size_t length, const char *name)
{
    size_t size = length + strlen(name) + 1;
    char *path = arena_alloc(arena, size);
    if (!path)
        return "";
    text_format(path, size, "%.*s%s", (int)length, directory, name);
    return path;
}

/* Every file that the wildcard fits, sorted; none is fine, as is a directory that does not exist. */
static void include_glob(const struct parser *parser, const char *path, struct slice value)
{
    struct model *model = parser->model;
    struct place place = {parser->file, parser->reader.line, value.column};
    const char *names[FILES_MAX];
    char reason[64];
    size_t length = directory_bytes(slice_of(path));
    const char *directory = length ? arena_copy(&model->arena, path, length) : ".";
    long found = source_list(&model->arena, directory, path + length, names, FILES_MAX);
    if (found < 0 && found != -ENOENT)
        report_got(model->errors, place, "include", value, "a directory that can be read: %s",
                   source_reason((int)-found, reason, sizeof reason));
    if (found > (long)(FILES_MAX - model->files)) {
        report_got(model->errors, place, "include", value, "%s", want_fewer);
        return;
    }
    for (long index = 0; index < found && !too_many(model); index++)
        include_file(parser, join(&model->arena, path, length, names[index]), value);
}

void include_files(struct parser *parser, struct slice value)
{
    struct model *model = parser->model;
    struct place place = {parser->file, parser->reader.line, value.column};
    value = slice_unquote(&model->arena, value);
    bool absolute = value.length && value.text[0] == '/';
    const char *want = NULL;
    if (value.length == 0)
        want = "a file name";
    else if (!absolute && !parser->source)
        want = "an absolute file name";
    else if (has_wildcard(slice_from(value, 0, directory_bytes(value))))
        want = "wildcards only behind the last /";
    else if (too_many(model))
        want = want_fewer;
    if (want) {
        report_got(model->errors, place, "include", value, "%s", want);
        return;
    }
    const char *name = arena_copy(&model->arena, value.text, value.length);
    size_t length = absolute ? 0 : directory_bytes(slice_of(parser->file));
    const char *path = join(&model->arena, parser->file, length, name);
    if (has_wildcard(value))
        include_glob(parser, path, value);
    else
        include_file(parser, path, value);
}

void parse_file(struct model *model, const char *path)
{
    struct source source;
    char reason[64];
    int error = source_open(path, &source);
    if (error) {
        report_error(model->errors, (struct place){.file = path}, NULL, "cannot read: %s",
                     source_reason(-error, reason, sizeof reason));
        return;
    }
    struct parser parser = {.model = model, .layer = LAYER_FILE, .file = path, .source = &source};
    parser.reader = reader_start(source.text, source.length, false);
    parse_lines(&parser);
    source_close(&source);
}
