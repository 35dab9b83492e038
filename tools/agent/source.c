/* SPDX-License-Identifier: MIT
 * Files, and what all kinds of sources share. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void source_print(FILE *out, const char *address, unsigned port, unsigned weight, int backup)
{
    fprintf(out, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
    if (weight)
        fprintf(out, " weight=%u", weight);
    fputs(backup ? " backup\n" : "\n", out);
}

/* As it is; a first line that looks like our own complaint is none. */
static void source_file(const struct source *source, FILE *out)
{
    char bytes[4096];
    ssize_t got;
    struct stat st;
    int fd = open(source->what.name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        fprintf(out, "! %s\n", strerror(errno));
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        fputs("! not a file\n", out);
        return;
    }
    while ((got = read(fd, bytes, sizeof bytes)) > 0)
        fwrite(bytes, 1, (size_t)got, out);
    if (got < 0)
        fprintf(out, "\n! %s\n", strerror(errno));
}

void source_look(void *source, int output)
{
    const struct source *at = source;
    FILE *out = fdopen(output, "w");
    if (!out)
        return;
    switch (at->what.kind) {
    case DISCOVERY_DNS:
        source_dns(at, out);
        break;
    case DISCOVERY_SRV:
        source_srv(at, out);
        break;
    case DISCOVERY_FILE:
        source_file(at, out);
        break;
    case DISCOVERY_CONSUL:
        source_consul(at, out);
        break;
    case DISCOVERY_K8S:
        source_k8s(at, out);
        break;
    case DISCOVERY_EXEC:
    case DISCOVERY_KINDS:
        break;
    }
    fclose(out);
}
