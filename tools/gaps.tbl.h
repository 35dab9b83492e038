/* SPDX-License-Identifier: MIT
 * What `resctl audit` finds, once: GAP(id, "what it means"). The ids are a contract. Order: as they are printed.
 */
GAP(off, "the kill switch is set: nothing is protected")
GAP(no_rules, "there are no rules: nothing is protected")
GAP(unmatched, "no destination matches it: counted, never changed")
GAP(lost, "more addresses were unmatched than are kept: those seen last are shown")
GAP(not_enforced, "nothing is enforced: mode = observe or off, or enforce = 0%")
GAP(no_connect_timeout, "no timeout bounds a connect: timeout.connect and timeout.total are off")
GAP(no_response_timeout, "no timeout bounds an answer: timeout.response, .idle and .exchange are off")
GAP(no_breaker, "the breaker is off")
#undef GAP
