/* SPDX-License-Identifier: MIT
 * What every hook needs. Hooks decide nothing: pass through when the descriptor is not tracked, tell src/conn, make
 * the real call, tell src/conn, return. errno is that of the real call, or exactly one of ours on failure. */
#ifndef RESIL_HOOKS_HOOK_H
#define RESIL_HOOKS_HOOK_H

#include "conn/conn.h"
#include "real/real.h"

#define HOOK __attribute__((visibility("default")))
/* What only a tracked descriptor runs: out of line, so that the hook itself saves no registers for it. */
#define SLOW __attribute__((noinline))

/* ALIAS(name, target): another exported name of a hook of the same file. */
#define ALIAS(name, target) extern HOOK __typeof__(target) name __attribute__((alias(#target)))

#endif
