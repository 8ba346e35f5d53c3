# mappedcoll: the library, the manifest program, and the commands around them.
#
#	make                  build both against the PostgreSQL of PG_CONFIG
#	make install          install them (DESTDIR as usual)
#	make demo             install what is missing, build, show the main job on a
#	                      throw-away server; FILES='...' WEIGHT_BY=column
#	make shell            the same server, open in psql
#	make test             every test
#	make test-long        those that can be longer, longer; see test/results
#	make test-foreign     install R, Perl's DBI and DuckDB, and read with them
#	make sqlsmith         random queries for an hour; see test/results
#	make bench            measure (QUICK=1: less; PARTS='wire cold': some); see
#	                      bench/all.sh
#	make unit             build the unit tests only
#
# DEV=1 adds warnings and makes them errors; SANITIZE=1 (with unit) builds
# under ASan and UBSan; PG_CONFIG names the PostgreSQL to build against.

EXTENSION = mappedcoll
MODULE_big = mappedcoll
PROGRAM_NAME = mappedcoll_manifest

# These work on a machine that has neither PostgreSQL nor a compiler yet: nothing
# below is asked for them.  Their scripts install what is missing, choose
# PG_CONFIG unless it is given, and call make again.
SESSION_GOALS = demo shell test test-long test-foreign sqlsmith bench deps
.DEFAULT_GOAL = all
GOALS = $(or $(MAKECMDGOALS),all)

.PHONY: $(SESSION_GOALS) unit

ifneq ($(filter $(SESSION_GOALS),$(GOALS)),)

ifneq ($(filter-out $(SESSION_GOALS),$(GOALS)),)
$(error $(SESSION_GOALS) cannot share a command line with other targets)
endif

export PG_CONFIG DEV FILES WEIGHT_BY LAYER VAR_JOIN TESTS QUICK BENCH_DIR PARTS FRESH
MC_LIB := $(dir $(abspath $(firstword $(MAKEFILE_LIST))))test/lib
export MC_MAKE := $(MAKE)

demo:
	@bash '$(MC_LIB)/demo.sh'
shell:
	@bash '$(MC_LIB)/shell.sh'
test:
	@bash '$(MC_LIB)/test.sh'
test-long:
	@bash '$(MC_LIB)/long.sh'
test-foreign:
	@bash '$(MC_LIB)/foreign.sh'
sqlsmith:
	@bash '$(MC_LIB)/sqlsmith.sh'
bench:
	@bash '$(MC_LIB)/../../bench/all.sh'
deps:
	@bash '$(MC_LIB)/deps.sh' demo test

else

PG_CONFIG ?= pg_config

# ---------------------------------------------------------------------------
# What is built from what
# ---------------------------------------------------------------------------

# The Makefile's own directory; '' when make runs in it
TOP := $(filter-out ./,$(dir $(firstword $(MAKEFILE_LIST))))
ifneq ($(TOP),)
VPATH = $(patsubst %/,%,$(TOP))
endif

sources = $(patsubst $(TOP)%,%,$(sort $(wildcard $(TOP)src/$(1)/*.c)))
objects = $(patsubst %.c,%.o,$(call sources,$(1)))

CORE_OBJS := $(foreach room,base manifest codec matrix collection sampling,$(call objects,$(room)))
H5AD_OBJS := $(call objects,h5ad)
BUILDER_OBJS := $(call objects,builder)

# The library reads manifests and never writes one
OBJS := $(filter-out $(addprefix src/manifest/,writer.o output.o stored.o),$(CORE_OBJS)) $(call objects,pg)

PROGRAM_OBJS := $(call objects,base) $(call objects,manifest) $(call objects,codec) $(H5AD_OBJS) $(BUILDER_OBJS)

DATA = $(patsubst $(TOP)%,%,$(sort $(wildcard $(TOP)sql/mappedcoll--*.sql)))

EXTRA_CLEAN = $(PROGRAM_NAME) build $(PROGRAM_OBJS) $(patsubst %.o,%.d,$(sort $(OBJS) $(PROGRAM_OBJS)))

# ---------------------------------------------------------------------------
# Libraries
# ---------------------------------------------------------------------------

PKG_CONFIG ?= pkg-config

ifneq ($(filter-out %clean uninstall,$(GOALS)),)

ifeq ($(shell command -v $(PKG_CONFIG)),)
$(error $(PKG_CONFIG) not found: install it (Debian: apt-get install pkg-config))
endif

# $(call require,module,Debian package): the module's name, or the end
have = $(shell $(PKG_CONFIG) --exists $(1) && echo $(1))
require = $(or $(call have,$(1)),$(error library $(1) not found by $(PKG_CONFIG): install it (Debian: apt-get install $(2))))
cflags = $(shell $(PKG_CONFIG) --cflags $(1))
libs = $(shell $(PKG_CONFIG) --libs $(1))

HDF5 := $(or $(call have,hdf5),$(call have,hdf5-serial),$(call require,hdf5,libhdf5-dev))
LIBDEFLATE := $(call require,libdeflate,libdeflate-dev)
LIBLZF := $(call require,liblzf,liblzf-dev)
LIBXXHASH := $(call require,libxxhash,libxxhash-dev)
BLOSC := $(call require,blosc,libblosc-dev)
LIBLZ4 := $(call require,liblz4,liblz4-dev)
LIBZSTD := $(call require,libzstd,libzstd-dev)

# Those that come without a file for pkg-config
header = $(shell $(CC) $(CPPFLAGS) -E -x c -include $(1) /dev/null >/dev/null 2>&1 && echo $(1))
require_header = $(or $(call header,$(1)),$(error header $(1) not found: install it (Debian: apt-get install $(2))))
LIBAEC_H := $(call require_header,libaec.h,libaec-dev)
BZLIB_H := $(call require_header,bzlib.h,libbz2-dev)

# Without it the program has no system call filter, only its limits
LIBSECCOMP := $(call have,libseccomp)

# Without it (it is not made for every processor) chunks are inflated as a whole
LIBISAL := $(call have,libisal)

HDF5_CFLAGS := $(call cflags,$(HDF5))
CODECS := $(LIBISAL) $(LIBDEFLATE) $(LIBLZF) $(BLOSC) $(LIBLZ4) $(LIBZSTD)
LIBS_CFLAGS := $(call cflags,$(CODECS) $(LIBXXHASH))
ifneq ($(LIBISAL),)
LIBS_CFLAGS += -DHAVE_ISAL
endif
ifneq ($(LIBSECCOMP),)
SECCOMP_CFLAGS := $(call cflags,$(LIBSECCOMP)) -DHAVE_LIBSECCOMP
endif

# libhdf5 is in the program's list alone: the library must not load it
CODEC_LIBS := $(call libs,$(CODECS)) -laec -lbz2
LIBRARY_LIBS := $(CODEC_LIBS) $(call libs,$(LIBXXHASH)) -ldl
PROGRAM_LIBS := $(call libs,$(HDF5) $(LIBSECCOMP)) $(CODEC_LIBS) $(call libs,$(LIBXXHASH))

endif

# ---------------------------------------------------------------------------
# Flags
# ---------------------------------------------------------------------------

# The core's own.  No contraction of a*b+c: a sampling stream must be the same
# on every machine.
CORE_CFLAGS = -std=gnu99 -fvisibility=hidden -ffp-contract=off -Werror=implicit-function-declaration
CORE_CPPFLAGS = -I$(TOP)src -D_FILE_OFFSET_BITS=64 $(LIBS_CFLAGS)

# Loops over numbers of any type, by the vectors that every processor of the
# kind has; at -O2 GCC vectorises only what it can do without a rest
VECTOR_CFLAGS = $(if $(filter %/matrix/convert.o %/pg/narrow.o %/collection/groups_code.o %/collection/groups_tally.o,$@),-ftree-vectorize)

ifdef DEV
CORE_CFLAGS += -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes \
	-Wpointer-arith -Wvla
# A callback has its arguments whether it needs them or not; PostgreSQL's own
# headers are not ours to warn about
PG_ROOM_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter \
	-isystem $(shell $(PG_CONFIG) --includedir-server)
endif

# ---------------------------------------------------------------------------
# Unit tests: build/unit, or build/unit-sanitize
# ---------------------------------------------------------------------------

UNIT_DIR = build/unit$(if $(SANITIZE),-sanitize)
UNIT_CFLAGS = -g -O2 $(CORE_CFLAGS) -fno-omit-frame-pointer
ifdef SANITIZE
# ... where the tests make each allocation fail in turn
UNIT_CFLAGS += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -DMC_FAULT_INJECTION
endif
UNIT_LIBS = $(LIBRARY_LIBS) -lz -lm
UNIT_PROGRAMS = $(patsubst $(TOP)test/unit/%.c,$(UNIT_DIR)/%,$(sort $(wildcard $(TOP)test/unit/test_*.c)))
# Those that need HDF5: tests of src/h5ad and src/builder
UNIT_HDF5_PROGRAMS = $(filter $(UNIT_DIR)/test_h5ad_% $(UNIT_DIR)/test_builder_%,$(UNIT_PROGRAMS))
UNIT_CORE_OBJS = $(addprefix $(UNIT_DIR)/,$(CORE_OBJS))
UNIT_HDF5_OBJS = $(addprefix $(UNIT_DIR)/,$(H5AD_OBJS) $(filter-out src/builder/main.o src/builder/allocate.o,$(BUILDER_OBJS)))

unit: $(UNIT_PROGRAMS)

# With SANITIZE=1: the fuzzer of whole files, which is no libFuzzer target
.PHONY: fuzz-file
fuzz-file: $(UNIT_DIR)/fuzz_file

ifneq ($(filter-out unit fuzz-file,$(GOALS)),)

# ---------------------------------------------------------------------------
# PGXS
# ---------------------------------------------------------------------------

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error '$(PG_CONFIG) --pgxs' leads to no PGXS: install PostgreSQL's development files (Debian: apt-get install postgresql-server-dev-all) or set PG_CONFIG)
endif

PG_CPPFLAGS = $(CORE_CPPFLAGS)
# C99's declarations where they are needed are the style of this project
PG_CFLAGS = -Wno-declaration-after-statement
SHLIB_LINK = $(LIBRARY_LIBS)

# Bitcode for the JIT compiler only when asked for: it needs clang
ifndef LLVM
override with_llvm = no
endif

# There is nothing in test/ that runs without a server of its own; see test
NO_INSTALLCHECK = 1

all: $(PROGRAM_NAME)

include $(PGXS)

$(PROGRAM_NAME): $(PROGRAM_OBJS)
	$(CC) $(CFLAGS) $(PROGRAM_OBJS) $(LDFLAGS) $(LDFLAGS_EX) $(PROGRAM_LIBS) -o $@

# The library finds the program beside itself
install: install-program
.PHONY: install-program
install-program: $(PROGRAM_NAME) installdirs
	$(INSTALL_PROGRAM) $(PROGRAM_NAME) '$(DESTDIR)$(pkglibdir)/'

uninstall: uninstall-program
.PHONY: uninstall-program
uninstall-program:
	rm -f '$(DESTDIR)$(pkglibdir)/$(PROGRAM_NAME)'

# Rules of our own, since PGXS's would write the dependencies of two files of
# one name (src/h5ad/matrix.c, src/matrix/matrix.c) into one place
#
# The core is compiled without PostgreSQL's headers in reach.
CORE_ROOM_CPPFLAGS = $(CORE_CPPFLAGS) $(filter-out -I% -D_GNU_SOURCE $(CORE_CPPFLAGS),$(CPPFLAGS))
src/pg/%.o: src/pg/%.c build/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(VECTOR_CFLAGS) $(PG_ROOM_CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<
src/h5ad/%.o: src/h5ad/%.c build/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CORE_CFLAGS) $(HDF5_CFLAGS) $(CORE_ROOM_CPPFLAGS) -MMD -MP -c -o $@ $<
src/builder/%.o: src/builder/%.c build/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CORE_CFLAGS) $(SECCOMP_CFLAGS) $(CORE_ROOM_CPPFLAGS) -MMD -MP -c -o $@ $<
src/%.o: src/%.c build/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(VECTOR_CFLAGS) $(CORE_CFLAGS) $(CORE_ROOM_CPPFLAGS) -MMD -MP -c -o $@ $<

$(MODULE_big)$(DLSUFFIX): build/flags

endif							# not unit alone

# Objects of other flags, or of another PostgreSQL, are not used: this file
# changes when the commands do
quote = '$(subst ','\'',$(1))'
COMMON_FLAGS = $(CC) $(CORE_CFLAGS) $(CORE_CPPFLAGS) $(HDF5_CFLAGS) $(SECCOMP_CFLAGS) $(PROGRAM_LIBS) $(UNIT_LIBS)
build/flags: FLAGS = $(COMMON_FLAGS) $(CFLAGS) $(CPPFLAGS) $(PG_ROOM_CFLAGS) $(LDFLAGS) $(VERSION)
$(UNIT_DIR)/flags: FLAGS = $(COMMON_FLAGS) $(UNIT_CFLAGS)

.PHONY: FORCE
build/flags $(UNIT_DIR)/flags: FORCE
	@mkdir -p $(@D)
	@echo $(call quote,$(FLAGS)) | cmp -s - $@ || echo $(call quote,$(FLAGS)) >$@

$(UNIT_DIR)/src/h5ad/%.o: src/h5ad/%.c $(UNIT_DIR)/flags
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(CORE_CPPFLAGS) $(HDF5_CFLAGS) -MMD -MP -c -o $@ $<
$(UNIT_DIR)/src/%.o: src/%.c $(UNIT_DIR)/flags
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(VECTOR_CFLAGS) $(CORE_CPPFLAGS) $(SECCOMP_CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT_HDF5_PROGRAMS): $(UNIT_DIR)/%: test/unit/%.c $(UNIT_CORE_OBJS) $(UNIT_HDF5_OBJS) $(UNIT_DIR)/flags
	$(CC) $(UNIT_CFLAGS) $(CORE_CPPFLAGS) $(HDF5_CFLAGS) $(SECCOMP_CFLAGS) -I$(TOP)test/unit -MMD -MP -MT $@ -MF $@.d -o $@ $< \
		$(UNIT_CORE_OBJS) $(UNIT_HDF5_OBJS) $(PROGRAM_LIBS) $(UNIT_LIBS)
$(filter-out $(UNIT_HDF5_PROGRAMS),$(UNIT_PROGRAMS)): $(UNIT_DIR)/%: test/unit/%.c $(UNIT_CORE_OBJS) $(UNIT_DIR)/flags
	$(CC) $(UNIT_CFLAGS) $(CORE_CPPFLAGS) -I$(TOP)test/unit -MMD -MP -MT $@ -MF $@.d -o $@ $< \
		$(UNIT_CORE_OBJS) $(UNIT_LIBS)

$(UNIT_DIR)/fuzz_file: test/fuzz/fuzz_file.c $(UNIT_CORE_OBJS) $(UNIT_HDF5_OBJS) $(UNIT_DIR)/flags
	$(CC) $(UNIT_CFLAGS) $(CORE_CPPFLAGS) $(HDF5_CFLAGS) -I$(TOP)test/unit -MMD -MP -MT $@ -MF $@.d -o $@ $< \
		$(UNIT_CORE_OBJS) $(UNIT_HDF5_OBJS) $(PROGRAM_LIBS) $(UNIT_LIBS)

-include $(wildcard src/*/*.d $(UNIT_DIR)/src/*/*.d $(UNIT_DIR)/*.d)

endif
