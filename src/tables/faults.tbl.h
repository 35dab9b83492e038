/* SPDX-License-Identifier: MIT
 * Faults of the chaos grammar: FAULT(id, "name", argument, calls).
 * argument  NONE, ERRNO, DURATION (with optional ~SPREAD), AFTER (an optional duration)
 * calls     the calls at which it may act: any of C(onnect) R(ead) W(rite)
 */
FAULT(REFUSE, "refuse", NONE, "C")
FAULT(ERROR, "error", ERRNO, "CRW")
FAULT(LATENCY, "latency", DURATION, "CRW")
FAULT(RESET, "reset", AFTER, "W")
#undef FAULT
