/* SPDX-License-Identifier: MIT
 * Every key of [events], once; the columns are those of keys.tbl.h:
 *   EVENTKEY(field, "name", KIND, "default", "min", "max", "words", "help")
 */
EVENTKEY(exec, "exec", TEXT, "", "", "", "",
         "a command of /bin/sh, run by the agent for each event, which it gets as JSON on stdin and as RESIL_EVENT_* "
         "variables")
EVENTKEY(exec_rate, "exec.rate", RATE, "10/s", "1/h", "1000/s", "",
         "so many commands at most, one second's worth at once; the other events are counted, not run")
EVENTKEY(log, "log", TEXT, "", "", "", "", "stderr, or a file that each event is appended to, a line of JSON each")
EVENTKEY(syslog, "syslog", TEXT, "", "", "", "", "on: to /dev/log; or unix:/PATH of another such socket")
EVENTKEY(on, "on", SET, "", "", "", EVENT_WORDS, "kinds of events; all but refusals and failures")
#undef EVENTKEY
