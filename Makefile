# PGXS, PostgreSQL's build system for extensions, builds callhardening.
#
#   make                 the library and the install script
#   make install         copies them to the directories of pg_config (as root if needed)
#   make installcheck    the regression and isolation suites, against the running server that libpq finds
#   make check-tap       the TAP suite: it starts servers of its own from the installed files
#   make check-receiver  the example receivers under load, while they and the server are killed, SECONDS=600 each
#   make check-browser   the report in a browser, against a running server (chromium, node, npm)
#   make check-unit      the rules alone, without a server (GoogleTest)
#   make docs            the site in build/docs and the man page in build/man, with Sphinx
#   make reference       writes docs/reference.md anew from the comments in the database, with a running server
#   make bench           measurements, as ratios, against a running server
#   make fuzz            libFuzzer on all code that reads foreign bytes, FUZZ_SECONDS=60 for each target; fuzz-differential
#                        replays the inputs it found in a running server with the extension
#   make check-asan      the regression and isolation suites in a private server, with the module built with the address
#                        and undefined behaviour sanitizers; check-valgrind: some of them under valgrind
#   make check-jit       the regression suite in a private server that compiles every query; CXX=clang++ for the other compiler
#   make check-17        the regression, isolation and TAP suites on PostgreSQL 17, in a new chroot; check-18 on 18;
#                        CHECKER=jit runs check-jit there instead
#   make check-mutants   the history test on modules without one of the event log's safeguards; MUTANTS="fence random" for some
#   make check-citus     the TAP tests on Citus: a coordinator and three workers, if the server of PG_CONFIG has Citus
#   make check-builds    compares the sanitizer's bytes from several builds of the rules
#   make freeze          keeps the scripts of a release in releases; check-release: whether they are still the same
#   make check-model     checks a model of the event log's protocol, and finds the failure without each safeguard (spin)
#   make dist            the archives of a release, of the last commit, in build/dist: the same bytes each time
#   make check-packages  the Debian packages, built in chroots of three releases, installed and tried in other chroots;
#                        check-rpm: the RPM packages; check-images: the files for containers
#
# PG_CONFIG=/path/to/pg_config chooses the server, CXX the compiler.

EXTENSION = callhardening
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" callhardening.control)

# -- what is built -----------------------------------------------------------------------------

CORE = $(patsubst %.cpp,%.o,$(sort $(wildcard src/core/*/*.cpp)))
GLUE = $(patsubst %.cpp,%.o,$(sort $(wildcard src/pg/*.cpp src/pg/*/*.cpp)))
MODULE_big = $(EXTENSION)
OBJS = $(CORE) $(GLUE)

# One fragment per topic. Each builds on those before it.
FRAGMENTS = base/prelude words/provider words/direction words/status words/transition sanitizer/pseudonym \
	sanitizer/sanitizer sanitizer/explain calls/issue base/owner_rights citus/distribution calls/harden calls/repair \
	calls/audit calls/backfill log/form log/shape log/consumer log/event_log log/tables log/harden_events ingest/ingest \
	ingest/signature ingest/webhook ingest/partition ingest/change claims/claim claims/purge apply/process \
	workers/kept_worker workers/call_worker workers/node_worker workers/wait workers/worker_status log/state log/detach \
	log/attach claims/monitor citus/distributed_tables citus/shards citus/node citus/shard_move \
	monitoring/enforced_triggers monitoring/table_gaps monitoring/event_log_gaps citus/distribution_gaps \
	monitoring/enforcement citus/cluster_views monitoring/health monitoring/timeline monitoring/counts \
	monitoring/collectors monitoring/metrics monitoring/report monitoring/check traffic/generate base/roles \
	monitoring/installed
SCRIPT = sql/$(EXTENSION)--$(EXTVERSION).sql

# A released script never changes. The update to this version is built too, from the release before it.
RELEASED_VERSIONS = $(shell ls releases | sed -n 's/^$(EXTENSION)--\([^-]*\)\.sql$$/\1/p' | sort -V)
LAST_RELEASE = $(lastword $(filter-out $(EXTVERSION),$(RELEASED_VERSIONS)))
UPDATE = sql/$(EXTENSION)--$(LAST_RELEASE)--$(EXTVERSION).sql
RELEASED = $(patsubst sql/%,releases/%,$(SCRIPT) $(UPDATE))
DATA = $(filter-out $(RELEASED),$(wildcard releases/*.sql))
DATA_built = $(SCRIPT) $(UPDATE)

# -- how it is tested --------------------------------------------------------------------------

# pg_regress looks for sql/NAME.sql under the output directory first. With `.` it would run a fragment of the install
# script instead of the test with this name. So its output has a directory of its own, with a link to
# expected/.
REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*/*.sql)))
REGRESS_OPTS = --inputdir=test --outputdir=build/regress --load-extension=$(EXTENSION) --encoding=UTF8
REGRESS_PREP = build/regress/expected build/isolation/expected
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=build/isolation --load-extension=$(EXTENSION) --encoding=UTF8
TAP = $(sort $(wildcard test/t/*/*.pl))

# -- compilers ---------------------------------------------------------------------------------

CXX_WARNINGS = -Wall -Wextra -Wpedantic -Wshadow
CXX_LANGUAGE = -std=c++20 -fvisibility=hidden -fno-math-errno -Isrc
PG_CXXFLAGS = $(CXX_LANGUAGE) $(CXX_WARNINGS) -MMD -MP $(COPT)
SHLIB_LINK = -lstdc++ -Wl,--version-script=src/exports.map

EXTRA_CLEAN = $(OBJS:.o=.d) build

# No bitcode. PostgreSQL's JIT compiler would inline from it, but supports only C. An alias of a C++ constructor crashes the
# server with an assertion, and a hidden function cannot be found outside the library. Nothing is lost: LLVM (14, 19, 21)
# inlined none of our functions, and reading their bitcode took some 20 ms for every query.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The rules are compiled without the server's include path: postgres.h in src/core fails here, and not as a longjmp over a
# destructor in production. The glue includes the server's headers as system headers, since they are not free of
# warnings.
$(CORE): override CPPFLAGS := -D_GNU_SOURCE
$(GLUE): override CPPFLAGS := -isystem $(includedir_server) $(CPPFLAGS)
VERSIONED = src/pg/module.o src/pg/workers/kept_worker.o
$(VERSIONED): override CPPFLAGS += -DCALLHARDENING_VERSION='"$(EXTVERSION)"'
$(VERSIONED): callhardening.control
# Some macros of PostgreSQL are GNU C (AllocSetContextCreate). clang warns about them even in system headers.
$(GLUE): override CXXFLAGS += -Wno-gnu-statement-expression

# Once, for each release: keeps its scripts.
.PHONY: freeze check-release
freeze: check-release
	cp $(SCRIPT) $(UPDATE) releases
check-release: $(SCRIPT) $(UPDATE)
	@for script in $(wildcard $(RELEASED)); do cmp $$script sql/$${script#releases/} || { echo '$(EXTVERSION) is' \
		'released. For a change, raise default_version in callhardening.control.'; exit 1; }; done

$(SCRIPT): callhardening.control $(FRAGMENTS:%=sql/%.sql)
	cat $(FRAGMENTS:%=sql/%.sql) > $@

$(UPDATE): releases/$(EXTENSION)--$(LAST_RELEASE).sql $(SCRIPT) sql/update.sql sql/update.awk
	awk -f sql/update.awk $(wordlist 1,3,$^) > $@.new
	mv $@.new $@

# pg_regress does not create the directories of the rooms. Runs each time: a tree may have a new room.
.PHONY: $(REGRESS_PREP)
$(REGRESS_PREP): build/%/expected:
	mkdir -p $(patsubst expected/%,$(@D)/results/%,$(wildcard expected/*))
	ln -sfn ../../expected $@

# The compiler writes the includes of each object. Debian's server has PGXS's own tracking off.
-include $(OBJS:.o=.d)

# Bitcode installed by an earlier version would still crash the server.
.PHONY: remove-bitcode
install uninstall: remove-bitcode
remove-bitcode:
	rm -rf '$(DESTDIR)$(pkglibdir)/bitcode/$(EXTENSION)' '$(DESTDIR)$(pkglibdir)/bitcode/$(EXTENSION).index.bc'

# PostgreSQL 15 reads TESTDIR, later versions read the other two.
.PHONY: check-tap
check-tap:
	rm -rf build/tap && mkdir -p build/tap
	TESTDIR='$(CURDIR)/build/tap' TESTDATADIR='$(CURDIR)/build/tap/tmp_check' \
	TESTLOGDIR='$(CURDIR)/build/tap/tmp_check/log' PG_REGRESS='$(top_builddir)/src/test/regress/pg_regress' \
	PATH='$(bindir)':"$$PATH" $(or $(PROVE),prove) -I '$(top_srcdir)/src/test/perl' $(PROVE_FLAGS) $(TAP)

.PHONY: check-receiver
SECONDS = 600
check-receiver:
	CALLHARDENING_RECEIVER_SECONDS='$(SECONDS)' $(MAKE) check-tap TAP='test/t/receiver/*.pl'

.PHONY: check-asan check-valgrind check-jit
check-jit:
	CHECKER=jit scripts/test.sh
check-asan:
	CHECKER=sanitizers scripts/test.sh
check-valgrind:
	CHECKER=valgrind scripts/test.sh

# The Debian releases with these versions
.PHONY: check-17 check-18
check-17:
	test/servers/check.sh 17 trixie
check-18:
	test/servers/check.sh 18 sid

# -- documentation -----------------------------------------------------------------------------

# A link to nowhere and a page without a place in the order are warnings of Sphinx, and errors here. Sphinx does not notice
# that all pages show a changed order, so it begins anew.
SPHINX = sphinx-build -q -n -W --keep-going -c docs -d build/doctrees

.PHONY: docs reference
docs:
	rm -rf build/docs build/doctrees build/man
	$(SPHINX) -b html . build/docs
	cp build/docs/README.html build/docs/index.html
	$(SPHINX) -b man . build/man
	scripts/development/check_site.py

reference:
	PATH='$(bindir)':"$$PATH" scripts/development/reference.py

include test/unit/unit.mk
include test/browser/browser.mk
include test/packages/packages.mk
include test/builds/builds.mk
include test/model/model.mk
include test/bench/bench.mk
include test/fuzz/fuzz.mk
include test/history/history.mk
include test/citus/citus.mk
