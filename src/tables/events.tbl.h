/* SPDX-License-Identifier: MIT
 * Kinds of events in the ring: EVENT(id, "name", ring). Refusals have a ring of their own, so that a
 * storm of them never washes away the state changes. */
EVENT(NONE, "none", LIFE)
EVENT(STATE, "state", LIFE)
EVENT(REJECTED, "rejected", REFUSAL)
EVENT(RECLAIMED, "reclaimed", LIFE)
EVENT(LOADED, "loaded", LIFE)
EVENT(CONFIG_ERROR, "config_error", LIFE)
EVENT(RESET, "reset", LIFE)
EVENT(FAILED, "failed", REFUSAL)
EVENT(AGENT, "agent", LIFE)
EVENT(FALLBACK, "fallback", REFUSAL)
EVENT(UNREACHABLE, "unreachable", REFUSAL)
EVENT(HEALTH, "health", LIFE)
EVENT(DISCOVERED, "discovered", LIFE)
EVENT(DISCOVERY_FAILED, "discovery_failed", LIFE)
EVENT(SET, "set", LIFE)
EVENT(CLEARED, "cleared", LIFE)
EVENT(OFF, "off", LIFE)
EVENT(ON, "on", LIFE)
EVENT(CHAOS_DENIED, "chaos_denied", LIFE)
EVENT(STALE, "stale", REFUSAL)
#undef EVENT
