#!/usr/bin/env bash
# Runs every suite of callhardening, on a fresh Debian or Ubuntu machine as on a developer's. Installs missing packages,
# builds, runs a private server, and cleans up.
#
#   scripts/test.sh
#   PG_CONFIG=/path/to/pg_config scripts/test.sh       with this server
#   CALLHARDENING_SERVER=17 scripts/test.sh            with this version, installed if it is not
#   FUZZ_SECONDS=3600 scripts/test.sh                  an hour for each fuzz target instead of ten seconds
#   CALLHARDENING_PAYLOADS=directory scripts/test.sh   with the published payloads; without them their tests are skipped
#   CHECKER=sanitizers scripts/test.sh                 only the regression and isolation suites, in a server with the
#                                                      module built with address and undefined behaviour sanitizers
#   CHECKER=valgrind scripts/test.sh                   only a part of the regression suite, in a server under valgrind
#   CHECKER=jit scripts/test.sh                        only the regression suite, in a server that compiles every query.
#                                                      It takes an hour. CXX=clang++ builds the module with the other
#                                                      compiler, REGRESS="claims/leases claims/purge" runs some topics
#   CHECKER=server scripts/test.sh                     only the suites that depend on the server's version:
#                                                      regression, isolation and TAP
#
# The last line is "N passed, N failed", over all suites.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FINISHED=

# Suites run in processes of their own, so their results are in a file.
RESULTS=$(mktemp)

last_words() {
    [ -n "$FINISHED" ] || echo 0 1 >>"$RESULTS"
    awk '{ passed += $1; failed += $2 } END { printf "\n%d passed, %d failed\n", passed, failed; exit failed > 0 }' "$RESULTS"
    local status=$?
    rm -f "$RESULTS"
    return "$status"
}

# begin SUITE: says what comes.
begin() {
    printf '  %2d:%02d begins %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1"
    BEGUN=$SECONDS
}

# record NAME PASSED FAILED [SKIPPED]: prints them with the seconds since it began.
record() {
    printf '%d %d\n' "$2" "$3" >>"$RESULTS"
    printf '  %2d:%02d %-12s %5d passed  %3d failed  %3d skipped %5d s\n' $((SECONDS / 60)) $((SECONDS % 60)) \
        "$1" "$2" "$3" "${4:-0}" $((SECONDS - BEGUN))
}

# -- lanes -------------------------------------------------------------------------------------

# Suites of different lanes run at the same time. A lane has a directory of its own, with its server.
BEGUN=0

# lane NAME COMMAND ...
lane() {
    local name=$1
    shift
    set -m
    (
        set +m
        JOB=
        trap 'end_job; exit 143' INT TERM HUP
        PLACE=$WORK/$name
        run mkdir "$PLACE"
        "$@"
    ) &
    set +m
    LANES+=($!)
}

wait_for_lanes() {
    local lane
    for lane in "${LANES[@]}"; do
        wait "$lane" || record 'a lane' 0 1
    done
    LANES=()
}

count() { grep -cE "$1" "$2" || true; }

# summarize NAME STATUS LOG EXPECTED 'ok' 'not ok' 'skipped': counts the lines of each kind. A suite with a bad status but
# no failed line, or with fewer lines than expected, has failed.
summarize() {
    local name=$1 status=$2 log=$3 expected=$4 passed failed skipped
    passed=$(count "$5" "$log") failed=$(count "$6" "$log") skipped=$(count "$7" "$log")
    if [ $((passed + failed + skipped)) -lt "$expected" ]; then
        failed=$((expected - passed - skipped))
    fi
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    if [ "$failed" -gt 0 ]; then
        flock "$RESULTS" cat "$log"
    fi
    record "$name" "$passed" "$failed" "$skipped"
}

# suite NAME EXPECTED 'ok' 'not ok' 'skipped' COMMAND ...
suite() {
    local name=$1 expected=$2 status=0 log=$WORK/$1.log
    begin "$name"
    run "${@:6}" >"$log" 2>&1 || status=$?
    summarize "$name" "$status" "$log" "$expected" "$3" "$4" "$5"
}

# check 'what' COMMAND ...: one test. Only a failure is printed.
check() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        CHECKED=$((CHECKED + 1))
    else
        BROKEN=$((BROKEN + 1))
        printf '%s\nFAILED: %s\n' "$output" "$what"
    fi
}

checks_begin() {
    CHECKED=0 BROKEN=0
    begin "$1"
}
checks_end() { record "$1" "$CHECKED" "$BROKEN"; }

# -- the build ---------------------------------------------------------------------------------

prints_no_warning() { ! grep -E 'warning:|WARNING:' "$1"; }

# With the fuzzer, clang compiles the rules for it.
is_clean_with_clang() {
    local objects rules='src/core/*/*.cpp'
    [ -z "$FUZZER" ] || rules=
    mkdir "$WORK/clang"
    tar -C "$WORK/src" --exclude=./build --exclude='*.o' -cf - . | tar -C "$WORK/clang" -xf -
    [ -z "${AS_USER[*]}" ] || chown -R --reference="$WORK" "$WORK/clang"
    # shellcheck disable=SC2086
    objects=$(cd "$WORK/clang" && ls $rules src/pg/*.cpp src/pg/*/*.cpp | sed 's/cpp$/o/')
    # The list is split into words. PGXS's own flags are for g++, and clang does not know some of them.
    # shellcheck disable=SC2086
    make_in "$WORK/clang" -s "-j$(nproc)" CXX="$CLANG --driver-mode=g++ -fsyntax-only -Wno-unknown-warning-option -Wno-ignored-optimization-argument" \
        $objects >"$WORK/clang.log" 2>&1 || { cat "$WORK/clang.log"; return 1; }
    prints_no_warning "$WORK/clang.log"
}

# The library exports each function with its pg_finfo record, the magic block, the worker's function, and nothing else.
exports_functions_only() {
    local library symbols foreign functions records
    library=$("$PG_CONFIG" --pkglibdir)/callhardening.so
    symbols=$(nm -D --defined-only "$library" | awk '{ print $3 }')
    foreign=$(grep -vE '^(Pg_magic_func|_PG_init|(pg_finfo_)?callhardening_[a-z0-9_]+)$' <<<"$symbols" || true)
    [ -z "$foreign" ] || { printf '%s\n' "$foreign"; return 1; }
    functions=$(grep '^callhardening_' <<<"$symbols" | grep -v '_main$' | sort)
    records=$(sed -n 's/^pg_finfo_//p' <<<"$symbols" | sort)
    [ -n "$functions" ] && diff <(echo "$functions") <(echo "$records")
}

# PostgreSQL's JIT compiler would inline from bitcode and crash: see the Makefile.
removes_bitcode() {
    local directory
    directory=$("$PG_CONFIG" --pkglibdir)/bitcode
    run mkdir -p "$directory/callhardening"
    run touch "$directory/callhardening.index.bc"
    make_in "$WORK/src" -s install || return 1
    ! ls -d "$directory"/callhardening* 2>/dev/null
}

# Existing objects belong to others.
takes_nothing_over() {
    local script
    script=$(ls "$WORK"/src/sql/callhardening--*.sql | grep -v -- '--.*--')
    ! grep -nE 'OR REPLACE|(CREATE|ALTER|ADD) [^(]*IF NOT EXISTS|DROP [^(]*IF EXISTS' "$script"
}

is_up_to_date() { make_in "$WORK/src" -q; }

# An object file with the old layout of a struct would crash the server.
header_edit_rebuilds() {
    local plan
    run touch "$WORK/src/src/core/base/text.hpp"
    plan=$(make_in "$WORK/src" -n)
    grep -q -- '-o src/core/words/vocabulary.o' <<<"$plan"
}

# The page shows the example unchanged.
page_shows() { diff <(awk -v "fence=\`\`\`$2" '$0 == fence { shown = 1; next } /^```/ { shown = 0 } shown' "$ROOT/docs/$1.md") "$ROOT/docs/examples/$3"; }

# The compiler has written down which files it read.
archive_has_sources() {
    local repository=(git -c "safe.directory=$ROOT" -C "$ROOT")
    if ! "${repository[@]}" diff --quiet HEAD >/dev/null 2>&1; then
        echo "  the archive of a release is not checked: no repository, or changes that are not committed" >&"$STDOUT"
        return 0
    fi
    "${repository[@]}" archive --format=tar HEAD | tar -t >"$WORK/archive"
    cat "$WORK"/src/src/*/*.d "$WORK"/src/src/*/*/*.d | tr -s ' \\\n' '\n' | sed -n 's/:$//; /^src\/.*pp$/p' | sort -u >"$WORK/sources"
    [ -s "$WORK/sources" ] && ! grep -vxFf "$WORK/archive" "$WORK/sources"
}

has_no_placeholder() { ! grep -rnE '@@[A-Z]+@@' "$WORK/src" --include='*.md'; }

build_checks() {
    checks_begin build
    check 'the build prints no warning' prints_no_warning "$WORK/build.log"
    check 'only functions are exported' exports_functions_only
    check 'an installation removes bitcode of an earlier version' removes_bitcode
    check 'the install script takes over no existing object' takes_nothing_over
    check 'the scripts of a release are as they were released' make_in "$WORK/src" -s check-release
    check 'a second make has nothing to build' is_up_to_date
    check 'rooms include from lower rooms, and none is crowded' run "$WORK/src/scripts/development/check_rooms.py"
    check 'the site builds, its links lead somewhere, and it loads nothing from elsewhere' make_in "$WORK/src" -s docs
    check 'the picture has the measured numbers' run "$WORK/src/scripts/development/draw_held_snapshot.py" --check
    check 'an edited header rebuilds its objects' header_edit_rebuilds
    check 'no placeholder is left' has_no_placeholder
    check 'each alert leads to a section of the pages' run "$WORK/src/scripts/development/check_alerts.py"
    check 'the files of a release name one version, and META.json follows its schema' run "$WORK/src/scripts/development/check_release.py"
    check 'the archive of a release has all sources' archive_has_sources
    check 'pages are easy to read' run "$WORK/src/scripts/development/count_prose.py"
    check 'comments are easy to read' run "$WORK/src/scripts/development/count_prose.py" --comments
    check 'no line is too long' run "$WORK/src/scripts/development/check_lines.py"
    check 'the page on clients shows the example in Node' page_shows clients js worker.js
    check 'the page on clients shows the example in Python' page_shows clients python worker.py
    check 'the page on routers shows the example in Python' page_shows routers python partition.py
    checks_end build
}

# -- the suites --------------------------------------------------------------------------------

unit_suite() {
    suite unit 1 '^\[       OK \] ' '^\[  FAILED  \] .* \([0-9]+ ms\)$' '^\[  SKIPPED \] .* \([0-9]+ ms\)$' \
        make -C "$WORK/src" -s "PG_CONFIG=$PG_CONFIG" "-j$(nproc)" check-unit
}

# A transaction of autovacuum would hold back the purges of the tests. The self-test wants autovacuum on, so it sleeps.
start_test_server() { start_server 'fsync = off' 'autovacuum_naptime = 1d' "$@"; }

# regress_suite NAME EXPECTED OPTION ...
# pg_regress prints `test name ... ok` up to PostgreSQL 15, and `ok 1 - name` from 16 on.
regress_suite() {
    local name=$1 files=$2 diffs=$WORK/src/build/$1/regression.diffs
    suite "$name" "$files" '^(test|    ) .* \.\.\. ok +[0-9]+ ms|^ok [0-9]+ ' \
        '^(test|    ) .* \.\.\. FAILED|^not ok [0-9]+ ' '^$ never' \
        make -C "$WORK/src" "PG_CONFIG=$PG_CONFIG" installcheck "${@:3}"
    if [ -s "$diffs" ]; then
        cat "$diffs"
    fi
}

# The report in a browser. Ubuntu has Chromium only as a snap.
browser_suite() {
    if [ ! -x /usr/bin/chromium ] || [ ! -d "$WORK/node/node_modules/playwright-core" ]; then
        echo "  without Chromium and packages of Node: the report is not tested in a browser"
        return 0
    fi
    suite browser "$1" '^ok ' '^not ok ' '^$ never' env "PATH=$BINDIR:$PATH" "$WORK/src/test/browser/check.sh"
}

tap_suite() {
    [ -e "$("$PG_CONFIG" --sharedir)/extension/citus.control" ] || echo "  this server has no Citus: the tests on it are skipped"
    printf '%s\n' "log_line_prefix = '%m [%p] %e '" >"$WORK/tap.conf"
    chmod 644 "$WORK/tap.conf"
    suite tap "$(files 'test/t/*/*.pl')" '^ok [0-9]+( - .*)?$' '^not ok [0-9]+' '^ok [0-9]+ # skip|# SKIP|skipped: ' \
        env "TEMP_CONFIG=$WORK/tap.conf" make -C "$WORK/src" "PG_CONFIG=$PG_CONFIG" check-tap "PROVE_FLAGS=--verbose --jobs=$(nproc)"
}

# Each target runs for ten seconds; `make fuzz` is for longer runs. Then their inputs go through a server.
fuzz_suite() {
    if [ -z "$FUZZER" ]; then
        echo "  clang has no fuzzer here: fuzzing is skipped"
        return 0
    fi
    make_in "$WORK/src" -s "-j$(nproc)" fuzz-targets >"$WORK/fuzz.log" 2>&1 || {
        cat "$WORK/fuzz.log"
        die "the fuzz targets do not build"
    }
    checks_begin 'fuzz targets'
    check 'clang prints no warning for them' prints_no_warning "$WORK/fuzz.log"
    checks_end 'fuzz targets'
    suite fuzz "$(files 'test/fuzz/*_fuzz.cpp')" '^ok - ' '^not ok - ' '^$ never' make -C "$WORK/src" -s "PG_CONFIG=$PG_CONFIG" "FUZZ_SECONDS=${FUZZ_SECONDS:-10}" fuzz
    start_test_server
    run "$BINDIR/psql" -Xqc 'CREATE EXTENSION callhardening'
    suite differential 1 '^ok - ' '^not ok - ' '^$ never' make -C "$WORK/src" -s "PG_CONFIG=$PG_CONFIG" fuzz-differential
}

# An internal error or a crash is a fault of the extension, even if all suites passed. Statements in the logs of TAP servers
# may contain any text, so the check reads only the fields of SQLSTATE and message. XX001 is the error for damaged jsonb,
# and some tests cause it. The tests named first kill processes with signal 9. PL/Proxy has no SQLSTATE for a server that
# does not answer, and one test stops a server behind it. Nor has Citus one for a node that does not answer, and for what a
# trigger says to COPY.
logs_are_clean() {
    [ -s "$1" ] && ! grep -HE '^[^[]*\[[0-9]+\] (XX(000|002) |00000 LOG:  .*was terminated by signal|[0-9A-Z]{5} PANIC:)' "$@" |
        grep -vE -e '/(history|wake|kept_workers|counts|crash)_[^/]*\.log:.* was terminated by signal 9:' \
            -e '/plproxy_front\.log:[^[]*\[[0-9]+\] XX000 (ERROR:  PL/Proxy function router\.[a-z_]+\([0-9]\): \[calls_[0-9]\] PQconnectStart: |STATEMENT:  )' \
            -e '/[a-z_]+_(coordinator|worker[0-9])\.log:[^[]*\[[0-9]+\] XX000 (WARNING:  (connection to server on|server closed the connection|FATAL:  )|CONTEXT:  while executing command on )' \
            -e '/crash_[a-z_]+[0-9]?\.log:[^[]*\[[0-9]+\] XX000 (ERROR:  (server closed the connection|failure on connection marked as essential)|STATEMENT:  SELECT citus_schema_move)' \
            -e '/verdicts_coordinator\.log:[^[]*\[[0-9]+\] XX000 (ERROR:  Unknown call status: |ERROR:  Invalid status transition: |DETAIL:  |HINT:  |STATEMENT:  )'
}

log_checks() {
    local tap_logs
    checks_begin 'server logs'
    # shellcheck disable=SC2046
    check 'the server logs have no internal error and no crash' logs_are_clean $(find "$WORK" -maxdepth 2 -name server.log)
    tap_logs=$(find "$WORK/src/build/tap" -path '*/log/*.log' ! -name 'regress_log_*' 2>/dev/null || true)
    if [ -n "$tap_logs" ]; then
        # shellcheck disable=SC2086
        check 'the logs of the TAP suite have no internal error and no crash' logs_are_clean $tap_logs
    fi
    checks_end 'server logs'
}

# files PATTERN: the number of files
files() { compgen -G "$WORK/src/$1" | wc -l; }

# Installs all that the suites need.
prepare_suites() {
    WITH_JIT=yes
    prepare_server "${TEST_PACKAGES[@]}"
    unpack_test_programs
    unpack_plproxy
    fetch_node_packages
}

# -- in a server that is watched ---------------------------------------------------------------

# gcc assumes a wrong size for an array read by a pointer in a loop. The address sanitizer checks its bounds anyway.
build_with_sanitizers() {
    local flags='-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize=object-size -fno-sanitize-recover=all'
    BUILD_OPTIONS=("CC=gcc $flags" "CXX=g++ $flags")
    prepare_server
    prepare_module
}

# The address sanitizer starts at the first allocation. If this is in newlocale, called by a library's constructor, a lock
# of gettext is lost and the server hangs in bindtextdomain. So a constructor that runs before all others allocates
# memory. The sanitizer needs the C++ library to find `throw`.
run_with_sanitizers() {
    echo 'void *malloc(unsigned long); void *start; __attribute__((constructor)) void allocate(void) { start = malloc(1); }' |
        gcc -shared -fPIC -Wl,-z,initfirst -x c - -o "$WORK/start.so"
    UNDER=(env "LD_PRELOAD=$(g++ -print-file-name=libasan.so):$(g++ -print-file-name=libstdc++.so):$WORK/start.so"
        ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0
        UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1)
}

sanitizers_are_silent() { ! grep -E -A40 'ERROR: AddressSanitizer|runtime error:' "$WORK/server.log"; }

run_with_valgrind() {
    UNDER=(valgrind --quiet --leak-check=no --trace-children=yes --num-callers=40 --xml=yes "--xml-file=$WORK/valgrind.%p.xml")
}

# Ignores errors inside PostgreSQL: only its build for valgrind is free of them.
valgrind_is_silent() {
    local status=0
    grep -h -B20 -A60 '<obj>.*/callhardening\.so</obj>' "$WORK"/valgrind.*.xml || status=$?
    [ "$status" -eq 1 ]
}

check_with_sanitizers() {
    build_with_sanitizers
    run_with_sanitizers
    heading "Testing"
    start_test_server
    regress_suite regress "$(files 'test/sql/*/*.sql')" ISOLATION=
    regress_suite isolation "$(files 'test/specs/*/*.spec')" REGRESS=
    log_checks
    checks_begin sanitizers
    check 'the sanitizers report no error' sanitizers_are_silent
    checks_end sanitizers
}

check_with_valgrind() {
    local topics='sanitizer/sanitizer sanitizer/policy sanitizer/jsonb sanitizer/explain calls/harden'
    prepare_server valgrind
    prepare_module
    run_with_valgrind
    heading "Testing"
    start_test_server 'jit = off'
    regress_suite regress "$(wc -w <<<"$topics")" ISOLATION= "REGRESS=$topics"
    log_checks
    checks_begin valgrind
    check 'valgrind reports no error in the module' valgrind_is_silent
    checks_end valgrind
}

# Without a JIT compiler every test would pass.
check_with_jit() {
    [ -z "${CXX:-}" ] || BUILD_OPTIONS=("CXX=$CXX")
    WITH_JIT=yes
    prepare_server
    prepare_module
    [ -e "$("$PG_CONFIG" --pkglibdir)/llvmjit.so" ] || die "this server has no JIT compiler"
    heading "Testing"
    start_test_server 'max_prepared_transactions = 8' 'jit = on' \
        'jit_above_cost = 0' 'jit_inline_above_cost = 0' 'jit_optimize_above_cost = 0'
    local topics=${REGRESS:-}
    regress_suite regress "$(wc -w <<<"${topics:-$(ls "$WORK"/src/test/sql/*/*.sql)}")" ISOLATION= ${topics:+"REGRESS=$topics"}
    log_checks
}

check_with_server() {
    prepare_suites
    prepare_module
    heading "Testing"
    checks_begin build
    check 'the build prints no warning' prints_no_warning "$WORK/build.log"
    checks_end build
    lane server server_lane
    lane tap tap_suite
    wait_for_lanes
    log_checks
}

rules_lane() {
    if [ -n "$CLANG" ]; then
        checks_begin clang
        check 'clang prints no warning' is_clean_with_clang
        checks_end clang
    fi
    unit_suite
    fuzz_suite
}

server_lane() {
    start_test_server
    regress_suite regress "$(files 'test/sql/*/*.sql')" ISOLATION=
    regress_suite isolation "$(files 'test/specs/*/*.spec')" REGRESS=
    [ -n "${CHECKER:-}" ] || browser_suite 43
}

check_everything() {
    prepare_suites
    install_clang
    install_fuzzer
    install_browser
    prepare_module
    heading "Testing"
    [ -n "${CALLHARDENING_PAYLOADS:-}" ] || echo "  CALLHARDENING_PAYLOADS is not set: what reads the published payloads is skipped"
    build_checks
    lane rules rules_lane
    lane server server_lane
    lane tap tap_suite
    wait_for_lanes
    log_checks
}

case ${CHECKER:-} in
'') check_everything ;;
sanitizers) check_with_sanitizers ;;
valgrind) check_with_valgrind ;;
jit) check_with_jit ;;
server) check_with_server ;;
*) die "CHECKER: sanitizers, valgrind, jit or server, not $CHECKER" ;;
esac
FINISHED=yes
