/* SPDX-License-Identifier: MIT
 * Why the library does not reach a program, once: REACH(id, "word", "text"). `run` warns with the text, `doctor` prints
 * both; the words are a contract.
 */
REACH(yes, "", "")
REACH(not_found, "not_found", "there is no such program")
REACH(not_executable, "not_executable", "it cannot be executed")
REACH(unreadable, "unreadable", "it cannot be read, and so not be examined")
REACH(no_interpreter, "no_interpreter", "the interpreter of its #! line cannot be found or executed")
REACH(too_deep, "too_deep", "its #! lines lead through more interpreters than the kernel follows")
REACH(machine, "machine", "it is of another ELF class or machine than the library: for another machine")
REACH(elf_class, "class", "it is of another ELF class or machine than the library: none is installed for its class")
REACH(go, "go", "it was built by Go, which makes its system calls without libc")
REACH(linked_statically, "static", "it is statically linked")
REACH(musl, "musl", "it is linked against musl, and the library needs glibc")
REACH(loader, "loader", "its dynamic loader is not glibc's, or does not exist")
REACH(setuid, "setuid", "it is setuid, and the dynamic loader ignores LD_PRELOAD there")
REACH(setgid, "setgid", "it is setgid, and the dynamic loader ignores LD_PRELOAD there")
REACH(capabilities, "capabilities", "it has file capabilities, and the dynamic loader ignores LD_PRELOAD there")
REACH(secure, "secure", "it runs with privileges that it was given by exec (AT_SECURE): the library stays inert")
REACH(disabled, "disabled", "RESIL_DISABLE switches the library off in it")
REACH(not_mapped, "not_mapped", "libresil is not mapped in it: it was started without LD_PRELOAD")
#undef REACH
