/* SPDX-License-Identifier: MIT
 * POST /api/v1/VERB, for the verbs of resctl that move a breaker by hand: only with --allow-control, and with the token
 * of --token-file as `Authorization: Bearer TOKEN'. The body is {"destination": NAME, "endpoint": ADDR, "for": D} as
 * application/json, the last two where they are wanted. A page of another origin can send neither that type nor that
 * field without our leave, and is refused by its Origin besides.
 *
 * What is done is what resctl does: the agent starts itself as `resctl VERB', so that there is one way to check and one
 * to act, and answers when that has ended. One thread. */
#ifndef RESCTL_AGENT_CONTROL_H
#define RESCTL_AGENT_CONTROL_H

#include "agent.h"
#include "http.h"

/* control_open(agent): reads the token. False after a complaint; agent->code is set. */
bool control_open(struct agent *agent);

/* control_serve(agent, client, request, body): answers, now or later, when the path is one of these; else false. */
bool control_serve(struct agent *agent, struct http_client *client, const struct http_request *request,
                   const char *body);

/* control_forget(client): it is gone; what was begun is done all the same. control_close(agent): ends what runs. */
void control_forget(const struct http_client *client);
void control_close(struct agent *agent);

#endif
