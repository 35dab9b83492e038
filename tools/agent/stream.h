/* SPDX-License-Identifier: MIT
 * Events as a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the last
 * ones first, then each as it happens, looked for five times a second while somebody listens. The id of a message is
 * where its reader goes on after a reconnect. One thread. */
#ifndef RESCTL_AGENT_STREAM_H
#define RESCTL_AGENT_STREAM_H

#include "agent.h"
#include "http.h"

/* stream_begin(agent, client, request): answers a request for the stream. */
void stream_begin(struct agent *agent, struct http_client *client, const struct http_request *request);

/* stream_end(client): its reader is gone. stream_close(agent): nobody is left. */
void stream_end(struct http_client *client);
void stream_close(struct agent *agent);

#endif
