/* SPDX-License-Identifier: MIT
 * How health is asked for: PROBE(id, "name", default port, "what a target looks like").
 * The names are keys of a [check]. Port 0: there is no default, or no port. */
PROBE(TCP, "tcp", 0, "HOST:PORT or unix:/PATH, such as db.example.com:5432")
PROBE(HTTP, "http", 80, "HOST[:PORT][/PATH], such as 127.0.0.1:8080/health")
PROBE(REDIS, "redis", 6379, "HOST[:PORT] or unix:/PATH, such as 127.0.0.1:6379")
PROBE(POSTGRES, "postgres", 5432, "HOST[:PORT] or unix:/PATH, such as 127.0.0.1:5432")
PROBE(EXEC, "exec", 0, "a command, such as /usr/local/bin/licence-is-valid")
PROBE(MEMORY, "memory", 0, "the share of memory in use that is too much, such as 90%")
#undef PROBE
