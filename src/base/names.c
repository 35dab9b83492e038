/* SPDX-License-Identifier: MIT
 * The name arrays of the tables. */
#include "tables/enums.h"

const char *const state_names[STATE_COUNT] = {
#define STATE(id, name) name,
#include "tables/states.tbl.h"
};

const char *const reason_names[REASON_COUNT] = {
#define REASON(id, name) name,
#include "tables/reasons.tbl.h"
};

const char *const verdict_names[VERDICT_COUNT] = {
#define VERDICT(id, name, counter) name,
#include "tables/verdicts.tbl.h"
};

const char *const observation_names[OBSERVATION_COUNT] = {
#define OBSERVATION(id, name, outcome, counter, sum) name,
#include "tables/observations.tbl.h"
};

const char *const fault_names[FAULT_COUNT] = {
#define FAULT(id, name, argument, calls) name,
#include "tables/faults.tbl.h"
};

const char *const event_names[EVENT_COUNT] = {
#define EVENT(id, name, ring) name,
#include "tables/events.tbl.h"
};

const char *const probe_names[PROBE_KINDS] = {
#define PROBE(id, name, port, looks) name,
#include "tables/probes.tbl.h"
};

const char *const finding_names[FINDING_COUNT] = {
#define FINDING(id, name, detail) name,
#include "tables/findings.tbl.h"
};
