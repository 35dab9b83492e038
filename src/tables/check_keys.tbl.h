/* SPDX-License-Identifier: MIT
 * Every key of a [check NAME], once; the columns are those of keys.tbl.h:
 *   CHECKKEY(field, "name", KIND, "default", "min", "max", "words", "help")
 * The first rows are what is asked, one of them in each check, in the order of probes.tbl.h.
 */
CHECKKEY(tcp, "tcp", TEXT, "", "", "", "", "HOST:PORT or unix:/PATH: healthy when it can be connected to")
CHECKKEY(http, "http", TEXT, "", "", "", "", "HOST[:PORT][/PATH]: healthy when GET is answered by a status from 200 to 399")
CHECKKEY(redis, "redis", TEXT, "", "", "", "", "HOST[:PORT] or unix:/PATH: healthy when PING is answered")
CHECKKEY(postgres, "postgres", TEXT, "", "", "", "",
         "HOST[:PORT] or unix:/PATH: healthy when the server takes sessions, as pg_isready")
CHECKKEY(exec, "exec", TEXT, "", "", "", "", "a command of /bin/sh: healthy when it ends with status 0")
CHECKKEY(memory, "memory", TEXT, "", "", "", "",
         "healthy while less than this share of the memory of the machine, or of its control group, is in use")
CHECKKEY(type, "type", WORD, "readiness", "", "", "liveness readiness",
         "whether it belongs to /health/live or to /health/ready; /health shows both")
CHECKKEY(critical, "critical", WORD, "on", "", "", "off on",
         "on: the whole is unhealthy without it; off: only degraded")
CHECKKEY(interval_ns, "interval", DURATION, "5s", "50ms", "24h", "", "from one check to the next, 10% more or less")
CHECKKEY(timeout_ns, "timeout", DURATION, "3s", "10ms", "1h", "", "a check that takes longer has failed")
CHECKKEY(rise, "rise", COUNT, "2", "1", "255", "", "checks in a row that have to pass until it is healthy again")
CHECKKEY(fall, "fall", COUNT, "3", "1", "255", "", "checks in a row that have to fail until it is unhealthy")
#undef CHECKKEY
