# libresil: the targets are printed by `make help`.
#
#   make              build/libresil.so and build/resctl
#   make demo         the main job, shown: an unmodified client, a flaky backend, a breaker
#   make check        install what the tests need, build with warnings as errors, run every test
#   make lint         rooms, tables, exported symbols, format
#   make unit         the pure rooms alone, and the shared accounts under contention
#   make asan         the pure rooms and resctl under the address and undefined-behaviour sanitizers
#   make bench        what a call costs, as ratios and instruction counts
#   make install      PREFIX=/usr/local DESTDIR=
#   make clean
#
# Variables: CC CFLAGS LDFLAGS PREFIX DESTDIR LIBDIR, V=1 for whole commands.

CC ?= gcc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
B ?= build
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
# make -s says nothing at all.
SAY := $(if $(findstring s,$(firstword -$(MAKEFLAGS))),@:,@echo)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wpointer-arith $(WERROR)
BASE := -std=c11 -D_GNU_SOURCE -Isrc -fPIC -fvisibility=hidden -fno-strict-aliasing -fno-plt -ftls-model=initial-exec \
        -U_FORTIFY_SOURCE -fno-common -MMD -MP
VERSION := $(shell cat src/version 2>/dev/null)
BASE += -DRESIL_VERSION='"$(VERSION)"'

COMMON_DIRS := src/real src/base src/segment src/policy src/config
COMMON := $(patsubst %.c,$(B)/%.o,$(wildcard $(addsuffix /*.c,$(COMMON_DIRS))))
LIB := $(COMMON) $(patsubst %.c,$(B)/%.o,$(wildcard src/conn/*.c src/hooks/*.c))
TOOL := $(COMMON) $(patsubst %.c,$(B)/%.o,$(wildcard tools/*.c))
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*.c))
LINK_LIB := -shared -Wl,-z,defs,-z,noexecstack,-z,relro,-z,now,-z,initfirst,--version-script=$(B)/libresil.map,-soname,libresil.so
LINK_TOOL := -Wl,-z,noexecstack,-z,relro,-z,now

.PHONY: all demo check unit lint asan bench install clean help FORCE
all: $(B)/libresil.so $(B)/resctl

$(B)/libresil.so: $(LIB) $(B)/libresil.map
	$(SAY) "  LD  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_LIB) -o $@ $(LIB)

$(B)/resctl: $(TOOL)
	$(SAY) "  LD  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_TOOL) -o $@ $(TOOL)

# The anonymous version node lists the rows of the symbols table, as the machine has them, and nothing else.
$(B)/libresil.map: src/tables/symbols.tbl.h src/tables/time64.tbl.h
	@mkdir -p $(@D)
	$(Q)(echo '{ global:'; printf '#define SYMBOL(name, family, twin) name;\n#include "tables/symbols.tbl.h"\n' | \
	    $(CC) $(CFLAGS) -Isrc -E -P -x c -; echo '  local: *; };') >$@

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY) "  CC  $<"
	$(Q)$(CC) $(BASE) $(WARN) $(CFLAGS) -c -o $@ $<

# Rewritten only when a flag changes; every object depends on it.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(BASE) $(WARN) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(BASE) $(WARN) $(CFLAGS)' >$@

-include $(LIB:.o=.d) $(TOOL:.o=.d) $(UNIT:=.d)

# The pure rooms, tested in one program for each file of tests/unit.
$(B)/unit/%: tests/unit/%.c $(COMMON) $(B)/flags
	@mkdir -p $(@D)
	$(SAY) "  CC  $<"
	$(Q)$(CC) $(BASE) $(WARN) -I. -pthread $(CFLAGS) $(LDFLAGS) -o $@ $< $(COMMON)

unit: $(UNIT)
	$(Q)for test in $(UNIT); do $$test || exit 1; done

demo: all
	$(Q)$(B)/resctl demo

# Python's own packages may be shadowed by another interpreter in PATH: the tests use Debian's.
PYTHON := /usr/bin/python3
PYTEST_ARGS ?=
check:
	$(Q)sh tests/setup
	$(Q)$(MAKE) --no-print-directory WERROR=-Werror all unit
	$(Q)$(PYTHON) -m pytest -q -p no:cacheprovider tests $(PYTEST_ARGS)

lint: all
	$(Q)$(PYTHON) tests/lint.py

ASAN_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan:
	$(Q)$(MAKE) --no-print-directory B=$(B)/asan CFLAGS='$(ASAN_FLAGS)' $(B)/asan/resctl unit
	$(Q)$(B)/asan/resctl check config/resil.conf

bench: all
	$(Q)$(PYTHON) tests/bench.py

# Preload by the path that `resctl run` finds: beside resctl's directory, for each class of program.
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR) $(DESTDIR)$(PREFIX)/share/resil/examples
	install -m 755 $(B)/resctl $(DESTDIR)$(PREFIX)/bin/resctl
	install -m 644 $(B)/libresil.so $(DESTDIR)$(LIBDIR)/libresil.so
	install -m 644 config/resil.conf $(DESTDIR)$(PREFIX)/share/resil/resil.conf
	install -m 644 config/examples/*.conf $(DESTDIR)$(PREFIX)/share/resil/examples/

clean:
	rm -rf $(B)

help:
	@sed -n 's/^#   make/make/p; s/^# \(Variables\)/\1/p' Makefile
