/* SPDX-License-Identifier: MIT
 * The built-in presets and the text that stands in for a missing file. They go through the same parser as
 * any file. */
#include "config/builtin.h"

#include "config/compile.h"

const char config_builtin_text[] = "[defaults]\n"
                                   "preset = standard\n"
                                   "mode = observe\n"
                                   "\n"
                                   "[destination any]\n"
                                   "match = *\n";

const char builtin_presets_text[] = "[preset observe]\n"
                                    "mode = observe\n"
                                    "[preset api]\n"
                                    "timeout.connect = 2s\n"
                                    "timeout.response = 5s\n"
                                    "timeout.total = 10s\n"
                                    "breaker.failures = 5\n"
                                    "breaker.ratio = 50%\n"
                                    "breaker.min_calls = 10\n"
                                    "breaker.window = 60s\n"
                                    "breaker.open_time = 30s\n"
                                    "breaker.successes = 3\n"
                                    "[preset database]\n"
                                    "timeout.response = 30s\n"
                                    "[preset cache]\n"
                                    "timeout.connect = 200ms\n"
                                    "timeout.response = 500ms\n"
                                    "breaker.open_time = 2s\n"
                                    "[preset critical]\n"
                                    "breaker.open_time = 10s\n"
                                    "breaker.failures = 10\n"
                                    "[preset standard]\n";
