/* SPDX-License-Identifier: MIT
 * What a stranger sends to `resctl stub`, and what a receiver answers to `resctl replay`: the end of an HTTP/1 message
 * is found, or it is refused; what was taken as whole is taken so again, byte by byte. The first byte chooses which. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/fuzz/fuzz.h"
#include "tools/message.h"

enum { LIMIT = 30000, SENT_MAX = 60000 };

static enum message_result pass(bool request, const void *bytes, size_t size, struct message *out)
{
    int ends[2];
    char rest[4096];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    MUST(send(ends[1], bytes, size, MSG_NOSIGNAL) == (ssize_t)size && shutdown(ends[1], SHUT_WR) == 0);
    uint64_t end_ns = clock_now_ns() + 2 * NS_PER_S;
    enum message_result result =
        request ? message_request(ends[0], LIMIT, end_ns, out) : message_answer(ends[0], LIMIT, end_ns, out);
    MUST(result != MESSAGE_SLOW); /* all of it is there */
    while (read(ends[1], rest, sizeof rest) > 0)
        ;
    close(ends[0]);
    close(ends[1]);
    return result;
}

static void look(const struct message *message)
{
    static const char *const names[] = {"Content-Length", "Authorization", "Cache-Control", "a", ""};
    char value[32];
    size_t at = 0, length, lines = 0;
    while (message_line(message, &at, &length))
        lines++;
    MUST(lines > 0 && at <= message->head);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *found = message_header(message, names[i], value, sizeof value);
        MUST(!found || strlen(found) < sizeof value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message once, again;
    if (size < 2 || size > SENT_MAX)
        return 0;
    bool request = data[0] & 1;
    if (pass(request, data + 1, size - 1, &once) == MESSAGE_OK) {
        MUST(once.head > 0 && once.head <= once.used && once.used <= LIMIT);
        MUST(request ? once.method[0] && once.target[0] : once.status >= 101 && once.status <= 999);
        look(&once);
        MUST(pass(request, once.bytes, once.used, &again) == MESSAGE_OK);
        MUST(again.used == once.used && again.head == once.head && memcmp(again.bytes, once.bytes, once.used) == 0);
        message_free(&again);
    }
    message_free(&once);
    return 0;
}
