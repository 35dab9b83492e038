/* SPDX-License-Identifier: MIT
 * The subcommands of resctl, once: COMMAND("name", function, "synopsis", "help").
 *
 * Dispatch, `resctl --help`, `resctl NAME --help` and the suggestions for mistyped names come from these rows; a new
 * subcommand is one row here and one function in a file of its own. Order: as the help shows them.
 */
COMMAND("run", command_run, "[-c FILE] [--rules TEXT] [--chaos SPEC] [--observe] [--strict] -- CMD [ARGS...]",
        "run CMD with libresil preloaded; says loudly when CMD cannot be reached")
COMMAND("status", command_status, "[DEST] [--all] [--json] [SEGMENT]",
        "show every destination and endpoint: state, connections, counters, latency")
COMMAND("top", command_top, "[--interval D] [--sort COLUMN] [--filter TEXT] [--batch [-n N]] [--once] [--json] [SEGMENT]",
        "watch destinations, endpoints and connections live, and act on them")
COMMAND("events", command_events, "[-f] [-n N] [--json] [SEGMENT]",
        "show state changes, refusals, reclaims and loads, oldest first")
COMMAND("metrics", command_metrics, "[--openmetrics] [SEGMENT]",
        "print everything that is counted and measured for Prometheus, as a scrape or a textfile")
COMMAND("conns", command_conns, "[DEST] [--json] [SEGMENT]",
        "show the connections that are open or wait: whose, where to, for how long, the place in line")
COMMAND("ps", command_ps, "[--json] [SEGMENT]",
        "show the attached processes: connections, and what share of their bytes the hooks saw")
COMMAND("dump", command_dump, "[--json] [SEGMENT]",
        "print all that stands in the segment as one JSON object, every word of it as it is")
COMMAND("explain", command_explain, "HOST:PORT [--app A] [--uid N] [--address ADDR] [-c FILE] [--rules TEXT] [--json]",
        "tell which rule a connect obeys and why, where each value comes from, and how long it may take")
COMMAND("health", command_health, "[--live or --ready] [SEGMENT]",
        "tell as JSON whether everything is well: checks, endpoints, breakers; exit 1 when something critical is not")
COMMAND("check", command_check, "[FILE] [--rules TEXT] [--json]",
        "check a configuration: all errors, and hints for dubious values")
COMMAND("audit", command_audit, "[--unused] [--json] [SEGMENT]",
        "find what the programs connect to unmatched, unenforced, without timeout or without breaker")
COMMAND("doctor", command_doctor, "[--json] CMD [ARGS...] or PID",
        "tell whether the library reaches a program or a process, and what share of its bytes the hooks saw")
COMMAND("trip", command_trip, "DEST[/ENDPOINT] [--for D] [SEGMENT]",
        "open the breakers of a destination or of one endpoint, as failures would: half-open when the time is over")
COMMAND("force-open", command_force_open, "DEST[/ENDPOINT] [--for D] [SEGMENT]",
        "refuse every call until it is reset, or for a time")
COMMAND("force-closed", command_force_closed, "DEST[/ENDPOINT] [--for D] [SEGMENT]",
        "let every call through, whatever fails, until it is reset, or for a time")
COMMAND("drain", command_drain, "DEST[/ENDPOINT] [--for D] [SEGMENT]",
        "make no new connection, leave the open ones alone, until it is ready, or for a time")
COMMAND("ready", command_ready, "DEST[/ENDPOINT] [SEGMENT]", "end a drain")
COMMAND("reset", command_reset, "DEST[/ENDPOINT] [SEGMENT]",
        "close the breakers of a destination or of one endpoint, clear their counts and forced states")
COMMAND("set", command_set, "DEST [KEY=VALUE]... [--for D] [--clear [KEY]...] [SEGMENT]",
        "lay values over those of the configuration while programs run; they end by themselves, or are cleared")
COMMAND("chaos", command_chaos, "set DEST SPEC --for D or --forever, list [--json], clear [DEST] [SEGMENT]",
        "inject faults into the calls of programs that run, show them, take them away")
COMMAND("affinity", command_affinity, "clear [DEST] [SEGMENT]", "let processes that keep an endpoint choose anew")
COMMAND("off", command_off, "[--all] [--for D] [SEGMENT]",
        "the kill switch: from now on every call of every program passes through untouched")
COMMAND("on", command_on, "[--all] [SEGMENT]", "end what `off' began")
COMMAND("reload", command_reload, "[FILE] [--rules TEXT] [--json] [SEGMENT]",
        "load the configuration anew into a segment that programs use; a bad file changes nothing")
COMMAND("gc", command_gc, "[--remove] [--all] [--json] [SEGMENT]",
        "take back what dead processes left in the segment; with --remove, delete a segment that nobody uses")
COMMAND("agent", command_agent, "[-c FILE] [--listen ADDR]... [--host NAME]... [--allow-control --token-file FILE] [SEGMENT]",
        "stay and do what no application's call can: discover endpoints, check health, answer HTTP, run event commands")
COMMAND("stub", command_stub, "--listen ADDR:PORT [--file FILE] [--status N] [--cache DIR --upstream ADDR:PORT] [--spool DIR]",
        "serve as a fallback: a fixed answer, the last good one, or keep requests for later")
COMMAND("replay", command_replay, "DIR --to HOST:PORT [--follow] [--in-doubt WORD] [--json]",
        "deliver what a stub kept, in order; may be killed and begun again at any time")
COMMAND("simulate", command_simulate, "[--set KEY=VALUE]... [--config FILE --destination NAME] [--seed N] [FILE]",
        "run a script of calls through the policy engine in virtual time")
COMMAND("demo", command_demo, "", "watch a breaker at work: a flaky backend, an unmodified client, in a few seconds")
COMMAND("completion", command_completion, "bash or zsh",
        "print a script that lets the shell complete commands, options, destinations, keys and words")
COMMAND("version", command_version, "[--json]", "print the versions of resctl and of the segment layout")
#undef COMMAND
