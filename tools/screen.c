/* SPDX-License-Identifier: MIT
 * The terminal. What signal handlers touch stands in `saved', and is written before they are installed. */
#include "screen.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "commands.h"
#include "print.h"

#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[0m\033[?25h\033[?1049l"

struct screen {
    struct screen_kind kind;
    unsigned rows, columns;
    bool unknown; /* what the terminal shows */
    struct line *next, *shown;
    struct line beyond; /* a line for what finds no room */
    char *out;          /* one frame */
    size_t used, room;
};

static struct {
    volatile sig_atomic_t taken; /* the terminal is ours now */
    struct termios before;
} saved;

struct screen_kind screen_kind(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    setlocale(LC_CTYPE, "");
    return (struct screen_kind){
        .plain = dumb, .color = !dumb && !(no_color && *no_color), .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
}

/* Whole, unless the terminal is gone. Async-signal-safe. */
static bool write_all(const char *bytes, size_t length)
{
    while (length) {
        ssize_t written = write(STDOUT_FILENO, bytes, length);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return true;
}

/* Async-signal-safe. TCSANOW: output that a slow line still holds back must not hold us. */
void screen_pause(void)
{
    if (!saved.taken)
        return;
    saved.taken = 0;
    write_all(LEAVE, sizeof LEAVE - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &saved.before);
}

/* Of another process's doing (the segment was cut short: SIGBUS) or of our own. */
static void crashed(int number)
{
    static const char torn[] = "resctl: the segment was cut short while it was read\n";
    screen_pause();
    if (number == SIGBUS) {
        if (write(STDERR_FILENO, torn, sizeof torn - 1) < 0)
            _exit(RESCTL_SYSTEM);
        _exit(RESCTL_SEGMENT);
    }
    raise(number); /* SA_RESETHAND: as if nobody had caught it */
}

static void catch_crashes(void)
{
    static const int numbers[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

static bool take(void)
{
    struct termios raw = saved.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ISIG stays: ^C and ^Z are signals, as everywhere */
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    saved.taken = 1;
    return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0 && write_all(ENTER, sizeof ENTER - 1);
}

static void read_size(struct screen *screen)
{
    struct winsize size = {.ws_row = 0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    screen->rows = size.ws_row ? size.ws_row : 24;
    screen->columns = size.ws_col ? size.ws_col : 80;
    if (screen->rows > SCREEN_ROWS)
        screen->rows = SCREEN_ROWS;
    if (screen->columns > SCREEN_COLUMNS)
        screen->columns = SCREEN_COLUMNS;
}

struct screen *screen_open(const struct screen_kind *kind)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &saved.before) != 0)
        return NULL;
    struct screen *screen = take_memory(1, sizeof *screen);
    screen->kind = *kind;
    screen->next = take_memory(SCREEN_ROWS, sizeof *screen->next);
    screen->shown = take_memory(SCREEN_ROWS, sizeof *screen->shown);
    atexit(screen_pause);
    catch_crashes();
    if (!take())
        return NULL;
    screen_resize(screen);
    return screen;
}

void screen_close(void)
{
    screen_pause();
}

void screen_resume(struct screen *screen)
{
    take();
    screen_resize(screen);
}

void screen_resize(struct screen *screen)
{
    read_size(screen);
    screen_forget(screen);
}

void screen_forget(struct screen *screen)
{
    screen->unknown = true;
}

unsigned screen_rows(const struct screen *screen)
{
    return screen->rows;
}

unsigned screen_columns(const struct screen *screen)
{
    return screen->columns;
}

const struct screen_kind *screen_kind_of(const struct screen *screen)
{
    return &screen->kind;
}

struct line *screen_line(struct screen *screen, unsigned row)
{
    struct line *line = row < screen->rows ? &screen->next[row] : &screen->beyond;
    line_begin(line, screen->columns);
    return line;
}

static void out(struct screen *screen, const char *bytes, size_t length)
{
    if (screen->used + length > screen->room) {
        size_t room = 2 * (screen->used + length) + 4096;
        char *grown = realloc(screen->out, room);
        if (!grown)
            return;
        screen->out = grown;
        screen->room = room;
    }
    memcpy(screen->out + screen->used, bytes, length);
    screen->used += length;
}

/* The rest of a line is erased only where there is one: erasing behind the last column takes the last sign away. */
static void out_line(struct screen *screen, unsigned row)
{
    static const char erase[] = "\033[K", plain[] = "\033[0m";
    const struct line *line = &screen->next[row];
    char at[24];
    int length = snprintf(at, sizeof at, "\033[%u;1H", row + 1);
    out(screen, at, (size_t)length);
    out(screen, line->bytes, line->used);
    out(screen, plain, sizeof plain - 1);
    if (line->width < screen->columns)
        out(screen, erase, sizeof erase - 1);
}

bool screen_show(struct screen *screen)
{
    static const char clear[] = "\033[0m\033[2J";
    screen->used = 0;
    if (screen->unknown)
        out(screen, clear, sizeof clear - 1);
    for (unsigned row = 0; row < screen->rows; row++) {
        const struct line *next = &screen->next[row], *shown = &screen->shown[row];
        if (screen->unknown ? next->used > 0 : strcmp(next->bytes, shown->bytes) != 0)
            out_line(screen, row);
    }
    screen->unknown = false;
    for (unsigned row = 0; row < screen->rows; row++)
        screen->shown[row] = screen->next[row];
    return write_all(screen->out, screen->used);
}
