# libresil: the targets are printed by `make help`.
#
#   make              build/libresil.so and build/resctl
#   make demo         the main job, shown: an unmodified client, a flaky backend, a breaker
#   make check        install what the tests need, build with warnings as errors, run every test
#   make check-distros  what is built here, on the userlands of Debian 11 and 13 (root, debootstrap, a mirror)
#   make lint         rooms, tables, exported symbols, format
#   make unit         the pure rooms alone, and the shared accounts under contention
#   make asan         the pure rooms, resctl and every input of tests/fuzz under the address and undefined-behaviour sanitizers
#   make fuzz         TIME=60 seconds of libFuzzer over tests/fuzz, shared by all harnesses (clang)
#   make replay       every input of tests/fuzz/corpus through its harness, once
#   make model        every state of the shared protocols (tests/model), with Spin
#   make mutate       N=40 operators and constants of src/policy changed, one at a time: does a test notice?
#   make bench        what a call costs, as ratios and instruction counts
#   make build32      build/32: the library for 32-bit programs (i686-linux-gnu-gcc, or gcc -m32)
#   make man          build/man: resctl.1, resil.conf.5, libresil.7, and completion for bash and zsh
#   make install      PREFIX=/usr/local DESTDIR=; with what build32 made, if it did
#   make deb          build/deb: Debian packages; with what build32 made, if it did
#   make clean
#
# Variables: CC CC32 CFLAGS LDFLAGS PREFIX DESTDIR LIBDIR LIBDIR32, V=1 for whole commands.

CC ?= gcc
CFLAGS ?= -O2 -g
CC32 ?= $(if $(shell command -v i686-linux-gnu-gcc),i686-linux-gnu-gcc,gcc -m32)
PREFIX ?= /usr/local
B ?= build
# One name, however it is given: the objects' dependencies are noted under it.
override B := $(patsubst $(CURDIR)/%,%,$(abspath $(B)))
# What $LIB in LD_PRELOAD means to the dynamic loader of a program: the loader's own directory, without /usr. So one value,
# PREFIX/$LIB/libresil.so, serves the programs of each class.
loader_lib = $(shell readlink -m "$$(readelf -lW $(1) | sed -n 's/.*interpreter: \(.*\)\]/\1/p')" | \
    sed 's|/[^/]*$$||; s|^/usr/|/|; s|^/||')
LIBDIR ?= $(PREFIX)/$(call loader_lib,$(B)/resctl)
LIBDIR32 ?= $(PREFIX)/$(call loader_lib,$(B)/32/resctl)
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
# make -s says nothing at all.
SAY := $(if $(findstring s,$(firstword -$(MAKEFLAGS))),@:,@echo)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wpointer-arith -Wno-psabi
BASE := -std=c11 -D_GNU_SOURCE -Isrc -fPIC -fvisibility=hidden -fno-strict-aliasing -fno-plt -ftls-model=initial-exec \
        -U_FORTIFY_SOURCE -fno-common -MMD -MP
VERSION := $(shell cat src/version 2>/dev/null)
BASE += -DRESIL_VERSION='"$(VERSION)"'

COMMON_DIRS := src/real src/base src/segment src/policy src/config
COMMON := $(patsubst %.c,$(B)/%.o,$(wildcard $(addsuffix /*.c,$(COMMON_DIRS))))
LIB := $(COMMON) $(patsubst %.c,$(B)/%.o,$(wildcard src/conn/*.c src/hooks/*.c))
TOOL := $(COMMON) $(patsubst %.c,$(B)/%.o,$(wildcard tools/*.c tools/agent/*.c))
PAGES := $(addprefix $(B)/man/,resctl.1 resil.conf.5 libresil.7)
MANUAL := $(filter-out $(B)/tools/resctl.o,$(TOOL)) $(patsubst %.c,$(B)/%.o,$(wildcard tools/manual/*.c))
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*.c))
LINK_LIB := -shared -Wl,-z,defs,-z,noexecstack,-z,relro,-z,now,-z,initfirst,--version-script=$(B)/libresil.map,-soname,libresil.so
# Where dlsym stands in a libc before 2.34 (src/real/dynamic.h).
LIBDL := -Wl,--push-state,--no-as-needed -l:libdl.so.2 -Wl,--pop-state
# crt1.o would have resctl start on the libc that it was linked with, and newer ones, alone (tools/oldest_libc.c).
LINK_TOOL := -Wl,-z,noexecstack,-z,relro,-z,now,--wrap=__libc_start_main

.PHONY: all build32 demo check check-distros unit lint asan fuzz fuzzers replay model mutate bench man install deb clean help FORCE
all: $(B)/libresil.so $(B)/resctl

build32:
	$(Q)$(MAKE) --no-print-directory B=$(B)/32 CC='$(CC32)' all

# Linked beside and put in place at once: programs that run meanwhile see the old one or the new one, never a half.
$(B)/libresil.so: $(LIB) $(B)/libresil.map
	$(SAY) "  LD  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_LIB) -o $@.new $(LIB) $(LIBDL) && mv $@.new $@

$(B)/resctl: $(TOOL)
	$(SAY) "  LD  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_TOOL) -o $@.new $(TOOL) $(LIBDL) && mv $@.new $@

# The manual pages, written from the tables by a program of ours.
man: $(PAGES) $(B)/man/resctl.bash $(B)/man/_resctl

$(B)/man/resctl.bash $(B)/man/_resctl: $(B)/resctl
	@mkdir -p $(@D)
	$(Q)$(B)/resctl completion $(if $(filter %.bash,$@),bash,zsh) >$@.new && mv $@.new $@

$(B)/manual: $(MANUAL)
	$(SAY) "  LD  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_TOOL) -o $@.new $(MANUAL) $(LIBDL) && mv $@.new $@

$(PAGES): $(B)/manual
	@mkdir -p $(@D)
	$(Q)$(B)/manual $(@F) >$@.new && mv $@.new $@

# The anonymous version node lists the rows of the symbols table, as the machine has them, and nothing else.
$(B)/libresil.map: src/tables/symbols.tbl.h src/tables/time64.tbl.h
	@mkdir -p $(@D)
	$(Q)(echo '{ global:'; printf '#define SYMBOL(name, family, twin) name;\n#include "tables/symbols.tbl.h"\n' | \
	    $(CC) $(CFLAGS) -Isrc -E -P -x c -; echo '  local: *; };') >$@

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY) "  CC  $<"
	$(Q)$(CC) $(BASE) $(WARN) $(WERROR) $(CFLAGS) -c -o $@ $<

# Rewritten only when a flag changes that an object depends on: not WERROR, so that whoever builds without it does not
# build anew what stands there, perhaps while programs use it.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(BASE) $(WARN) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(BASE) $(WARN) $(CFLAGS)' >$@

$(B)/tools/agent/page.o: tools/agent/page.html

-include $(LIB:.o=.d) $(MANUAL:.o=.d) $(TOOL:.o=.d) $(UNIT:=.d)

# The pure rooms, tested in one program for each file of tests/unit.
$(B)/unit/%: tests/unit/%.c $(COMMON) $(B)/flags
	@mkdir -p $(@D)
	$(SAY) "  CC  $<"
	$(Q)$(CC) $(BASE) $(WARN) $(WERROR) -I. -pthread $(CFLAGS) $(LDFLAGS) -o $@ $< $(COMMON) $(LIBDL)

unit: $(UNIT)
	$(Q)for test in $(UNIT); do $$test || exit 1; done

demo: all
	$(Q)$(B)/resctl demo

# Python's own packages may be shadowed by another interpreter in PATH: the tests use Debian's.
PYTHON := /usr/bin/python3
# The tests wait more than they compute: one worker more than processors.
PYTEST_ARGS ?= -n $(shell expr $$(nproc) + 1)
check:
	$(Q)sh tests/setup
	$(Q)$(MAKE) --no-print-directory WERROR=-Werror all unit man
	$(Q)$(PYTHON) -m pytest -q -p no:cacheprovider tests $(PYTEST_ARGS)

# 77: it cannot be done here, and says why.
DISTROS ?=
check-distros: all
	$(Q)$(PYTHON) tests/distros $(DISTROS) || [ $$? -eq 77 ]

lint: all
	$(Q)$(PYTHON) tests/lint.py

ASAN_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan:
	$(Q)$(MAKE) --no-print-directory B=$(B)/asan CFLAGS='$(ASAN_FLAGS)' $(B)/asan/resctl unit replay
	$(Q)$(B)/asan/resctl check config/resil.conf

# Each tests/fuzz/NAME.c is a harness over all that resctl has, without its main(). Its own main() is libFuzzer's in
# `make fuzz`, else one that runs files once.
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_MAIN ?= tests/fuzz/replay/main.c
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
$(B)/fuzz/everything.a: $(filter-out $(B)/tools/resctl.o,$(TOOL))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h tests/fuzz/segment.h $(FUZZ_MAIN) $(B)/fuzz/everything.a
	$(SAY) "  CC  $<"
	$(Q)$(CC) $(BASE) $(WARN) $(WERROR) -I. -pthread $(CFLAGS) $(LDFLAGS) $(FUZZ_LINK) -o $@ $< $(FUZZ_MAIN) $(B)/fuzz/everything.a

fuzzers: $(FUZZERS)

replay: fuzzers
	$(Q)$(PYTHON) tests/fuzz.py replay $(B)/fuzz

TIME ?= 60
fuzz:
	$(Q)$(MAKE) --no-print-directory B=$(B)/fuzzing CC=clang CFLAGS='$(FUZZ_FLAGS)' FUZZ_MAIN= FUZZ_LINK=-fsanitize=fuzzer fuzzers
	$(Q)$(PYTHON) tests/fuzz.py run $(B)/fuzzing/fuzz --seconds $(TIME)

model:
	$(Q)$(PYTHON) tests/modelcheck.py

N ?= 40
SEED ?= 1
mutate: all
	$(Q)N=$(N) SEED=$(SEED) $(PYTHON) tests/mutate.py

bench: all
	$(Q)$(PYTHON) tests/bench.py

install: all man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR) $(DESTDIR)$(PREFIX)/share/resil/examples
	install -m 755 $(B)/resctl $(DESTDIR)$(PREFIX)/bin/resctl
	install -m 644 $(B)/libresil.so $(DESTDIR)$(LIBDIR)/libresil.so
	$(if $(wildcard $(B)/32/libresil.so),install -D -m 644 $(B)/32/libresil.so $(DESTDIR)$(LIBDIR32)/libresil.so)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,1 5 7)
	for page in $(PAGES); do install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/ || exit 1; done
	install -D -m 644 $(B)/man/resctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/resctl
	install -D -m 644 $(B)/man/_resctl $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_resctl
	install -m 644 config/resil.conf $(DESTDIR)$(PREFIX)/share/resil/resil.conf
	install -m 644 config/examples/*.conf config/examples/*.stunnel $(DESTDIR)$(PREFIX)/share/resil/examples/
	cp -R config/prometheus config/grafana config/systemd config/kubernetes config/docker $(DESTDIR)$(PREFIX)/share/resil/
	install -d $(DESTDIR)$(PREFIX)/share/resil/examples/chaos
	install -m 644 config/examples/chaos/* $(DESTDIR)$(PREFIX)/share/resil/examples/chaos/

# Debian packages in build/deb: amd64, and the library of i386 where build32 made it.
deb: all man
	$(Q)sh config/debian/package $(B) $(B)/deb
	$(if $(wildcard $(B)/32/libresil.so),$(Q)sh config/debian/package $(B)/32 $(B)/deb)
	$(Q)! command -v lintian >/dev/null || lintian --allow-root --fail-on error,warning $(B)/deb/*.deb

clean:
	rm -rf $(B)

help:
	@sed -n 's/^#   make/make/p; s/^# \(Variables\)/\1/p' Makefile
