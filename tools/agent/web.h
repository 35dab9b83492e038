/* SPDX-License-Identifier: MIT
 * The agent's part that answers HTTP: /metrics, /health and its relatives, /api/v1/status, /api/v1/events and a page.
 * It reads, and changes nothing. Also an agent that only waits for the lease answers. */
#ifndef RESCTL_AGENT_WEB_H
#define RESCTL_AGENT_WEB_H

#include "agent.h"

extern const struct agent_part web_part;

/* The page as it stands in page.html; its placeholder for the nonce is WEB_NONCE. */
#define WEB_NONCE "@NONCE@"
extern const char web_page_begin[], web_page_end[];

#endif
