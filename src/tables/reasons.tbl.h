/* SPDX-License-Identifier: MIT
 * Why a breaker changed its state: REASON(id, "name"). Conditions that hold at once are reported in
 * this order. Append only: the index stands in the segment. */
REASON(NONE, "")
REASON(CONSECUTIVE, "consecutive")
REASON(ERRORS, "errors")
REASON(RATIO, "ratio")
REASON(SLOW, "slow")
REASON(FORCED, "forced")
REASON(PROBE_FAILED, "probe_failed")
REASON(PROBES_OK, "probes_ok")
REASON(OPEN_ELAPSED, "open_elapsed")
REASON(RESET, "reset")
REASON(HEALTH, "health")
REASON(FORCE_ENDED, "force_ended")
#undef REASON
