/* SPDX-License-Identifier: MIT
 * The keys of `resctl top`, once: TOPKEY(id, "as it is typed", "as the help shows it", "what it does").
 *
 * The key line, the help and the manual page come from these rows; what they do stands in top_keys.c.
 */
TOPKEY(UP, "k", "up, k", "the line above; also page up, home")
TOPKEY(DOWN, "j", "down, j", "the line below; also page down, end")
TOPKEY(ENTER, "\r", "ENTER", "look into a destination: endpoints and connections")
TOPKEY(BACK, "\033", "ESC", "back, or without the filter")
TOPKEY(SORT, "s", "s", "sort by the next column")
TOPKEY(REVERSE, "r", "r", "the other way round")
TOPKEY(FILTER, "/", "/", "only names that contain what is typed")
TOPKEY(PAUSE, "p", "p", "stand still")
TOPKEY(FASTER, "-", "-", "look twice as often")
TOPKEY(SLOWER, "+", "+", "look half as often")
TOPKEY(TRIP, "t", "t", "open the breaker of what is selected, as it would itself (resctl trip)")
TOPKEY(RESET, "R", "R", "close the breaker and clear its counts (resctl reset)")
TOPKEY(DRAIN, "d", "d", "no new connections, open ones stay (resctl drain)")
TOPKEY(HELP, "?", "?", "this help")
TOPKEY(QUIT, "q", "q", "end")
#undef TOPKEY
