/* SPDX-License-Identifier: MIT
 * Faults of the chaos grammar: FAULT(id, "name", argument, calls).
 * argument  NONE, ERRNO, DURATION (with optional ~SPREAD), AFTER (an optional duration), TIME (a duration), RATE,
 *           SLICE (LOW..HIGH with optional :DELAY), BYTES, SHARE (1/N), DNS (fail, empty or delay:D)
 * calls     the calls at which it may act: any of C(onnect) R(ead) W(rite) D(ns); the first one is the default.
 *           dir=down is R, dir=up is W.
 */
FAULT(REFUSE, "refuse", NONE, "C")
FAULT(ERROR, "error", ERRNO, "CRW")
FAULT(LATENCY, "latency", DURATION, "CRW")
FAULT(RESET, "reset", AFTER, "W")
FAULT(UNREACHABLE, "unreachable", NONE, "C")
FAULT(BLACKHOLE, "blackhole", NONE, "CRW")
FAULT(TIMEOUT, "timeout", TIME, "R")
FAULT(BANDWIDTH, "bandwidth", RATE, "RW")
FAULT(SLICE, "slice", SLICE, "RW")
FAULT(LIMIT, "limit", BYTES, "RW")
FAULT(HALF_CLOSE, "half_close", NONE, "RW")
FAULT(SLOW_CLOSE, "slow_close", TIME, "R")
FAULT(CORRUPT, "corrupt", SHARE, "RW")
FAULT(DNS, "dns", DNS, "D")
FAULT(SLOW_ACCEPT, "slow_accept", TIME, "C")
#undef FAULT
