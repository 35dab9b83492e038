/* SPDX-License-Identifier: MIT
 * `resctl trip, force-open, force-closed, drain, ready DEST[/ENDPOINT] [--for D]`: breakers by hand. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/prng.h"
#include "base/units.h"
#include "breakers.h"
#include "choose.h"
#include "duration.h"
#include "policy/breaker.h"
#include "print.h"

/* What a verb does to what was found; an exit code. */
struct deed {
    struct breakers breakers;
    enum state state; /* that it lays over the breaker */
    uint64_t for_ns, now_ns;
    char period[DURATION_TEXT]; /* --for, as it is printed */
};

/* An endpoint without a breaker of its own: what is laid there would not be looked at. With `endpoints' the balancer
 * looks at those that are shut. */
static bool has_no_effect(const struct deed *deed)
{
    const struct breakers *breakers = &deed->breakers;
    const struct conf *conf = breakers->destination->conf;
    bool shuts = deed->state == STATE_FORCED_OPEN || deed->state == STATE_DRAINING;
    if (!breakers->endpoint || conf->breaker_scope != SCOPE_DESTINATION || (breakers->balanced && shuts))
        return false;
    complain("%s: %s has one breaker for all its endpoints (breaker.scope = destination): name the destination",
             breakers->subject, breakers->name);
    return true;
}

static bool find(struct deed *deed)
{
    struct breakers *breakers = &deed->breakers;
    if (!breakers_find(breakers, true))
        return false;
    if (!breakers->destination->conf) {
        complain("%s: the current rules have no destination `%s' any more", breakers->subject, breakers->name);
        return false;
    }
    if (breakers->rows == 0) {
        complain("%s: the segment has no room for a row of %s", breakers->subject, breakers->name);
        return false;
    }
    return !has_no_effect(deed);
}

static int tell(const struct deed *deed, const char *what)
{
    printf("%s: %s%s%s\n", deed->breakers.text, what, deed->for_ns ? " for " : "", deed->period);
    return finish_output();
}

/* At the destination's own row it holds for whatever endpoints there are, and will be. */
static int force(struct deed *deed)
{
    if (!find(deed))
        return RESCTL_NO;
    struct gate gate = breakers_gate(&deed->breakers, deed->breakers.row[0]);
    gate_force(&gate, deed->state, deed->for_ns ? deed->now_ns + deed->for_ns : 0, deed->now_ns);
    return tell(deed, state_names[deed->state]);
}

/* Ends a drain; what was forced stays. */
static int ready(struct deed *deed)
{
    uint32_t ended = 0;
    if (!breakers_find(&deed->breakers, false))
        return RESCTL_NO;
    for (uint32_t i = 0; i < deed->breakers.rows; i++) {
        struct gate gate = breakers_gate(&deed->breakers, deed->breakers.row[i]);
        if (force_own(seg_row(deed->breakers.segment, gate.row), deed->now_ns) != STATE_DRAINING)
            continue;
        gate_force(&gate, STATE_CLOSED, 0, deed->now_ns);
        ended++;
    }
    return tell(deed, ended ? "ready" : "was not draining");
}

/* A longer time than its rules can give would not be believed by those who wait for it. */
static bool too_long(const struct deed *deed)
{
    char longest[DURATION_TEXT];
    uint64_t longest_ns = breaker_longest_ns(deed->breakers.destination->conf);
    if (deed->for_ns <= longest_ns)
        return false;
    complain("%s: --for: got %s, want at most twice breaker.open_max (%s); force-open has no such bound",
             deed->breakers.subject, deed->period, format_duration((int64_t)longest_ns, longest, sizeof longest));
    return true;
}

/* Where the breakers are: at the endpoints, or at the destination. */
static bool has_breaker(const struct deed *deed, uint32_t index)
{
    uint32_t kind = seg_row(deed->breakers.segment, index)->kind;
    bool own = deed->breakers.destination->conf->breaker_scope == SCOPE_DESTINATION;
    return deed->breakers.endpoint || kind == (own ? ROW_DESTINATION : ROW_ENDPOINT);
}

static int trip(struct deed *deed)
{
    uint32_t tripped = 0, forced = 0;
    if (!find(deed))
        return RESCTL_NO;
    if (too_long(deed))
        return RESCTL_USAGE;
    for (uint32_t i = 0; i < deed->breakers.rows; i++) {
        struct gate gate = breakers_gate(&deed->breakers, deed->breakers.row[i]);
        if (!has_breaker(deed, gate.row))
            continue;
        forced += force_at(gate.segment, gate.row, deed->now_ns) != 0;
        gate_trip(&gate, deed->for_ns, deed->now_ns, prng_at(clock_wall_ns(), gate.row, (uint64_t)getpid()));
        tripped++;
    }
    if (!tripped) {
        complain("trip: %s has had no call yet, and names no endpoints: it has no breaker to open",
                 deed->breakers.name);
        return RESCTL_NO;
    }
    if (forced)
        complain("trip: %s is under a forced state, which stands over its breaker: see `resctl status'",
                 deed->breakers.text);
    return tell(deed, "open");
}

static int act(const struct command *self, int argc, char **argv, enum state state, int (*verb)(struct deed *deed))
{
    struct choice choice = CHOICE_NONE;
    static struct deed deed;
    const char *period = NULL;
    const struct option_row timed[] = {
        FOR_OPTION(period, "it ends by itself after D"), CHOICE_OPTIONS(choice), {.name = NULL}};
    const struct options options = {
        .command = self, .rows = verb == ready ? timed + 1 : timed, .operands_min = 1, .operands_max = 1};
    struct operands operands;
    struct segment segment;
    int code;
    if (!options_read(&options, argc, argv, &operands, &code))
        return code;
    if (!duration_read(self->name, period, &deed.for_ns))
        return RESCTL_USAGE;
    if (period)
        copy_text(deed.period, sizeof deed.period, period, strlen(period));
    if ((code = choose_open(&choice, true, &segment)) != RESCTL_OK)
        return code;
    struct view *view = view_take(&segment);
    deed.state = state;
    deed.now_ns = clock_now_ns();
    deed.breakers =
        (struct breakers){.segment = &segment, .view = view, .subject = self->name, .text = operands.text[0]};
    code = verb(&deed);
    view_release(view);
    return code;
}

int command_trip(const struct command *self, int argc, char **argv)
{
    return act(self, argc, argv, STATE_OPEN, trip);
}

int command_force_open(const struct command *self, int argc, char **argv)
{
    return act(self, argc, argv, STATE_FORCED_OPEN, force);
}

int command_force_closed(const struct command *self, int argc, char **argv)
{
    return act(self, argc, argv, STATE_FORCED_CLOSED, force);
}

int command_drain(const struct command *self, int argc, char **argv)
{
    return act(self, argc, argv, STATE_DRAINING, force);
}

int command_ready(const struct command *self, int argc, char **argv)
{
    return act(self, argc, argv, STATE_CLOSED, ready);
}
