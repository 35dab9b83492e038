/* SPDX-License-Identifier: MIT
 * The enumerations that the tables define, and one name array for each. No code; callable anywhere. */
#ifndef RESIL_TABLES_ENUMS_H
#define RESIL_TABLES_ENUMS_H

enum state {
#define STATE(id, name) STATE_##id,
#include "states.tbl.h"
    STATE_COUNT
};

enum reason {
#define REASON(id, name) REASON_##id,
#include "reasons.tbl.h"
    REASON_COUNT
};

enum counter {
#define COUNTER(name, unit, help) COUNTER_##name,
#include "counters.tbl.h"
    COUNTER_COUNT
};

enum verdict {
#define VERDICT(id, name, counter) VERDICT_##id,
#include "verdicts.tbl.h"
    VERDICT_COUNT
};

enum observation {
#define OBSERVATION(id, name, outcome, counter, sum) OBSERVATION_##id,
#include "observations.tbl.h"
    OBSERVATION_COUNT
};

enum fault_kind {
#define FAULT(id, name, argument, calls) FAULT_##id,
#include "faults.tbl.h"
    FAULT_COUNT
};

enum event_kind {
#define EVENT(id, name, ring) EVENT_##id,
#include "events.tbl.h"
    EVENT_COUNT
};

enum probe_kind {
#define PROBE(id, name, port, looks) PROBE_##id,
#include "probes.tbl.h"
    PROBE_KINDS
};

enum discovery_kind {
#define DISCOVERY(id, name, looks) DISCOVERY_##id,
#include "discoveries.tbl.h"
    DISCOVERY_KINDS
};

enum finding {
#define FINDING(id, name, detail) FINDING_##id,
#include "findings.tbl.h"
    FINDING_COUNT
};

/* What the breaker is told of a call. */
enum outcome {
    OUTCOME_SUCCESS,
    OUTCOME_FAILURE,
    OUTCOME_IGNORED,
    OUTCOME_OVERLOAD, /* a failure for the ratios, nothing to the row of consecutive ones */
    OUTCOME_LUMPED    /* one more failure of a burst that counted already: it only evaluates */
};

extern const char *const state_names[STATE_COUNT];
extern const char *const reason_names[REASON_COUNT];
extern const char *const verdict_names[VERDICT_COUNT];
extern const char *const observation_names[OBSERVATION_COUNT];
extern const char *const fault_names[FAULT_COUNT];
extern const char *const event_names[EVENT_COUNT];
extern const char *const probe_names[PROBE_KINDS];
extern const char *const finding_names[FINDING_COUNT];

#endif
