/* SPDX-License-Identifier: MIT
 * What may make a difference to a program that the library does reach, once: NOTE(id, "word", "text"). The words are a
 * contract.
 */
NOTE(shell, "shell", "neither ELF nor a script with an interpreter: a shell will run it, and is what is reached")
NOTE(asan, "asan", "it uses the address sanitizer, which insists on being the first preload: `resctl run' sees to that")
NOTE(other_preloads, "other_preloads", "LD_PRELOAD names other libraries too: calls pass through them in that order")
NOTE(etc_preload, "etc_preload", "/etc/ld.so.preload names libraries, which stand before those of LD_PRELOAD")
NOTE(modules, "modules", "it loads modules: one that is loaded with RTLD_DEEPBIND or dlmopen() passes the hooks by")
NOTE(no_libraries, "no_libraries", "it needs no shared library: if it makes system calls by itself, no hook sees them")
NOTE(seccomp, "seccomp",
     "a seccomp filter is in force: a system call that it forbids may be one that the library makes")
NOTE(ring, "io_uring", "it has an io_uring: what goes through it passes the hooks by (io_uring = deny forbids it)")
NOTE(replaced, "replaced", "its library was replaced or deleted since it was started: it runs the old one")
NOTE(not_attached, "not_attached", "it has not connected yet: it attaches to a segment at the first connect or lookup")
NOTE(off, "off", "the kill switch of its segment is set: every call passes through")
#undef NOTE
