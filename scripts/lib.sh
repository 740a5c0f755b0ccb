# The scripts beside it source this file. It builds and runs one private server in a directory of its own.
#
# Everything is under $WORK: a copy of the sources, a copy of PostgreSQL to install into, the data directories, the
# sockets, the logs. Missing packages are installed on the system, nothing else. $WORK is removed at the end, even after
# an error or a signal.

set -Eeuo pipefail
trap 'printf "%s, line %d: %s failed\n" "${BASH_SOURCE[0]##*/}" "$LINENO" "$BASH_COMMAND" >&2' ERR

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OLDEST_SERVER=15
CLUSTER_RULE=/etc/postgresql-common/createcluster.d/callhardening.conf

# What a build needs besides a server.
BUILD_PACKAGES=(make g++ nlohmann-json3-dev)

# What `make docs` needs.
DOCS_PACKAGES=(python3-sphinx python3-myst-parser)

# What the suites need besides. The programs are only unpacked, since their packages would start a service. A test that
# does not find a program or a package of Node is skipped with a message.
TEST_PACKAGES=(
    curl
    libgtest-dev
    libipc-run-perl
    libpq-dev
    openssl
    perl
    python3
    python3-aiohttp
    python3-asyncpg
    python3-jsonschema
    python3-prometheus-client
    python3-psycopg2
    python3-yaml
    "${DOCS_PACKAGES[@]}"
)
TEST_PROGRAMS=(
    pgbouncer
    prometheus
    prometheus-postgres-exporter
    promtool
)
TEST_NODE_PACKAGES=(
    @grafana/schema@12
    axe-core
    pg
    playwright-core
    typescript@5
)

WORK= PLACE= JOB= LANES=() AS_USER=() AS_ROOT=() UPDATED= CLUSTER_RULE_SET= WITH_JIT=

# Options of make, and a command to run the server under. A quarter of a build's time is for a debugger.
BUILD_OPTIONS=(COPT=-g0) UNDER=()

# The caller's PGHOST, PGOPTIONS or MAKEFLAGS would reach the private server's tools.
for name in ${!PG@} MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES; do
    [ "$name" = PG_CONFIG ] || unset "$name"
done
export LC_ALL=C.UTF-8

# On a signal the output of a function may go to a log. The last message must still reach the terminal.
exec {STDOUT}>&1 {STDERR}>&2

BOLD= PLAIN=
if [ -t 1 ]; then
    BOLD=$'\033[1m' PLAIN=$'\033[0m'
fi
heading() { printf '\n%s%s%s\n' "$BOLD" "$*" "$PLAIN"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# -- the end -----------------------------------------------------------------------------------

# Finds servers by their own pid files, so that those of the TAP suite are stopped too.
stop_servers() {
    local pid_file
    find "$WORK" -name postmaster.pid 2>/dev/null | while read -r pid_file; do
        "${AS_USER[@]}" "$BINDIR/pg_ctl" -D "${pid_file%/*}" -m immediate -w stop >/dev/null 2>&1 || true
    done
}

end_job() { [ -z "$JOB" ] || kill -TERM -- "-$JOB" 2>/dev/null || true; }

clean_up() {
    local status=$?
    trap '' INT TERM HUP ERR
    set +e
    exec >&"$STDOUT" 2>&"$STDERR"
    cd /
    end_job
    [ "${#LANES[@]}" -eq 0 ] || { kill -TERM -- "${LANES[@]/#/-}" 2>/dev/null; wait; }
    allow_clusters
    if [ -n "$WORK" ]; then
        stop_servers
        rm -rf "$WORK"
    fi
    [ "$(type -t last_words)" != function ] || last_words "$status" || status=1
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# -- progress ----------------------------------------------------------------------------------

# The longest time without a line, in seconds, and a command that prints how far we are. 0: no such lines.
SILENCE=0 PROGRESS=(echo 'still working')

# Prints lines of progress until its input ends.
tell() {
    local begun=$SECONDS
    [ "$SILENCE" -gt 0 ] || return 0
    while read -r -t "$SILENCE" || [ "$?" -gt 128 ]; do
        printf '  %s, %d s\n' "$("${PROGRESS[@]}")" $((SECONDS - begun))
    done
}

# A process in the background has to close $TELLER, or the lines do not end with it.
begin_telling() { exec {TELLER}> >(tell >&"$STDOUT"); }
end_telling() { exec {TELLER}>&-; }

# spent STEP: notes the seconds since the last step.
SPENT=() LAST_STEP=0
spent() {
    SPENT+=("$1 $((SECONDS - LAST_STEP)) s")
    LAST_STEP=$SECONDS
}

# Runs a command as the ordinary user, in a process group of its own. `wait` can be interrupted, a foreground command
# cannot, and this ends the whole group.
run() {
    local status=0 TELLER
    begin_telling
    set -m
    "${AS_USER[@]}" "$@" </dev/null {TELLER}>&- &
    JOB=$!
    set +m
    wait "$JOB" || status=$?
    JOB=
    end_telling
    return "$status"
}

# -- packages ----------------------------------------------------------------------------------

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Reads the output of apt-get.
packages_so_far() {
    awk '/ newly installed/ { all = $3 } /^Get:/ { fetched++ } /^Unpacking / { unpacked++ } /^Setting up / { set_up++ }
        END { printf "fetched %d files; unpacked %d, set up %d of %d packages", fetched, unpacked, set_up, all }' "$1"
}

apt_get() {
    local log AS_USER=() PROGRESS
    log=$(mktemp)
    PROGRESS=(packages_so_far "$log")
    run "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        rm -f "$log"
        die "apt-get $1 failed"
    }
    rm -f "$log"
}

# Asks for the password now: a process group in the background cannot.
become_root() {
    [ "$(id -u)" -ne 0 ] && [ -z "${AS_ROOT[*]}" ] || return 0
    command -v sudo >/dev/null || die "missing packages ($*): install them, or sudo, or run this as root"
    sudo -v
    AS_ROOT=(sudo)
}

update_package_lists() {
    [ -z "$UPDATED" ] || return 0
    command -v apt-get >/dev/null || die "packages are installed with apt-get, which is not here"
    become_root "$@"
    apt_get update
    UPDATED=yes
}

install_packages() {
    local package missing=()
    for package; do
        installed "$package" || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    update_package_lists "${missing[@]}"
    printf 'installing %s\n' "${missing[*]}"
    apt_get install --no-install-recommends "${missing[@]}"
}

download() { (cd "$WORK/packages" && apt-get -q download "$1") >"$WORK/packages/log" 2>&1; }

# unpack DIRECTORY PACKAGE: without installing it, and without the packages that it depends on.
unpack() {
    mkdir -p "$WORK/packages"
    download "$2" || { update_package_lists "$2" && download "$2"; } || die "$2: $(tail -n 1 "$WORK/packages/log")"
    dpkg-deb -x "$WORK/packages/$2"_*.deb "$1"
    chmod -R u+w,a+rX "$1"
}

# Debian creates and starts a cluster when a server is installed for the first time.
forbid_clusters() {
    [ ! -e "$CLUSTER_RULE" ] || return 0
    CLUSTER_RULE_SET=yes
    "${AS_ROOT[@]}" mkdir -p "${CLUSTER_RULE%/*}"
    echo 'create_main_cluster = false' | "${AS_ROOT[@]}" tee "$CLUSTER_RULE" >/dev/null
}

allow_clusters() {
    [ -n "$CLUSTER_RULE_SET" ] || return 0
    "${AS_ROOT[@]}" rm -f "$CLUSTER_RULE"
    "${AS_ROOT[@]}" rmdir --ignore-fail-on-non-empty "${CLUSTER_RULE%/*}"
    CLUSTER_RULE_SET=
}

# The newest version with such a file
newest_with() { { compgen -G "/usr/$1" || true; } | cut -d/ -f5 | sort -n | tail -n 1; }

# The newest server with files for building extensions, or the newest server, or the newest one of the package sources.
# CALLHARDENING_SERVER=17 chooses another.
choose_server() {
    local file
    SERVER=${CALLHARDENING_SERVER:-}
    [ -z "$SERVER" ] || return 0
    for file in 'include/postgresql/*/server/postgres.h' 'lib/postgresql/*/bin/postgres'; do
        SERVER=$(newest_with "$file")
        [ "${SERVER:-0}" -lt "$OLDEST_SERVER" ] || return 0
    done
    update_package_lists postgresql
    SERVER=$(apt-cache search --names-only '^postgresql-server-dev-[0-9]+$' |
        sed -E 's/^postgresql-server-dev-([0-9]+) .*/\1/' | sort -n | tail -n 1)
    [ "${SERVER:-0}" -ge "$OLDEST_SERVER" ] ||
        die "PostgreSQL $OLDEST_SERVER or later is needed, and this machine's package sources have none"
}

# Some releases have one of the two in the package of the client.
has_build_files() { [ -f "$("$PG_CONFIG" --pgxs)" ] && [ -f "$("$PG_CONFIG" --includedir-server)/postgres.h" ]; }

# Some releases have the JIT compiler in a package of its own. Only suites need it.
jit_package() {
    if [ "$WITH_JIT" ] && apt-cache show "postgresql-$SERVER-jit" >/dev/null 2>&1; then
        echo "postgresql-$SERVER-jit"
    fi
}

# install_with_server PACKAGE ...: in one go, since each one takes seconds.
install_with_server() {
    if ! [ -x "/usr/lib/postgresql/$SERVER/bin/postgres" ]; then
        update_package_lists "postgresql-$SERVER"
        forbid_clusters
        # shellcheck disable=SC2046
        set -- "postgresql-$SERVER" $(jit_package) "$@"
    fi
    install_packages "$@"
    allow_clusters
    PG_CONFIG=/usr/lib/postgresql/$SERVER/bin/pg_config
}

# install_server PACKAGE ...: PostgreSQL, and these packages. PG_CONFIG chooses a server with its build files.
install_server() {
    if [ -z "${PG_CONFIG:-}" ]; then
        choose_server
        install_with_server "$@"
        return
    fi
    command -v "$PG_CONFIG" >/dev/null || die "PG_CONFIG: there is no $PG_CONFIG"
    SERVER=$("$PG_CONFIG" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
    [ "$SERVER" -ge "$OLDEST_SERVER" ] || die "PG_CONFIG: PostgreSQL $OLDEST_SERVER or later is needed, not $SERVER"
    has_build_files || die "PG_CONFIG: $PG_CONFIG has no PGXS, or no headers of the server"
    install_packages "$@"
}

# The clang of the server's build system: it has other warnings than g++, and the fuzzer.
install_clang() {
    CLANG=$(sed -n 's/^CLANG[ \t]*= *//p' "$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")/Makefile.global")
    [ -n "$CLANG" ] && [ ! -x "$CLANG" ] || return 0
    install_packages "${CLANG##*/}"
}

# The fuzzer is a library of clang. Older releases have it in another package, and some have none.
install_fuzzer() {
    FUZZER=
    [ -n "$CLANG" ] || return 0
    has_fuzzer || (install_packages "libclang-rt-${CLANG##*-}-dev") || true
    has_fuzzer && FUZZER=yes || true
}

has_fuzzer() { [ -f "$("$CLANG" -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a" ]; }

install_browser() { [ -x /usr/bin/chromium ] || (install_packages chromium) || echo "  without Chromium: its tests are skipped"; }

# A program needs the libraries that its package depends on, without those for its web pages.
unpack_program() {
    # shellcheck disable=SC2046
    install_packages $(apt-cache depends "$1" 2>/dev/null | sed -n '/: libjs-/d; s/^ *Depends: \(lib[^ <>]*\)$/\1/p')
    unpack "$WORK/programs" "$1"
}

# Older releases have promtool in the package of Prometheus.
unpack_test_programs() {
    local program
    export PATH=$PATH:$WORK/programs/usr/bin:$WORK/programs/usr/sbin
    for program in "${TEST_PROGRAMS[@]}"; do
        installed "$program" || command -v "$program" >/dev/null || (unpack_program "$program") ||
            echo "  without $program: its tests are skipped"
    done
}

# The router of test/t/routers. Its package is for one version of the server, so it goes into the copy of the server.
unpack_plproxy() {
    local control
    control=$("$PG_CONFIG" --sharedir)/extension/plproxy.control
    [ -e "$control" ] || (unpack "$WORK/pg" "postgresql-$SERVER-plproxy") || true
    [ -e "$control" ] || echo "  without PL/Proxy: the routers are not tested"
}

fetch_node_packages() {
    if ! command -v npm >/dev/null ||
        ! run npm install --silent --fetch-retries=1 --no-audit --no-fund --prefix "$WORK/node" "${TEST_NODE_PACKAGES[@]}" >/dev/null 2>&1; then
        echo "  without packages of Node: their tests are skipped"
        return 0
    fi
    chmod -R a+rX "$WORK/node"
    export NODE_PATH=$WORK/node/node_modules
}

# -- the private place -------------------------------------------------------------------------

# Not under $TMPDIR: a socket's path has at most 107 bytes, and make cannot handle directories with spaces. Some of them
# are mounted without the right to run a program.
make_work() {
    local place
    for place in /tmp /var/tmp; do
        WORK=$(mktemp -d "$place/callhardening.XXXXXX" 2>/dev/null) || continue
        printf '#!/bin/sh\n' >"$WORK/probe"
        chmod 700 "$WORK/probe"
        if "$WORK/probe" 2>/dev/null; then
            mkdir "$WORK/tmp"
            export TMPDIR=$WORK/tmp HOME=$WORK
            PLACE=$WORK
            return 0
        fi
        rm -rf "$WORK"
        WORK=
    done
    die "programs cannot be run in /tmp nor in /var/tmp"
}

# PostgreSQL refuses to run as root.
choose_user() {
    local user
    [ "$(id -u)" -eq 0 ] || return 0
    for user in postgres nobody; do
        id "$user" >/dev/null 2>&1 || continue
        AS_USER=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
        chown -R "$user" "$WORK"
        return 0
    done
    die "there is no ordinary user to run the server"
}

copy_sources() {
    mkdir "$WORK/src"
    tar -C "$ROOT" --exclude=./.git --exclude=./build -cf - . | tar -C "$WORK/src" --no-same-owner -xf -
    if [ -n "${CALLHARDENING_PAYLOADS:-}" ]; then
        [ -d "$CALLHARDENING_PAYLOADS" ] || die "CALLHARDENING_PAYLOADS: there is no directory $CALLHARDENING_PAYLOADS"
        cp -R "$CALLHARDENING_PAYLOADS" "$WORK/payloads"
        export CALLHARDENING_PAYLOADS=$WORK/payloads
    fi
    # Read-only copies must be removable here.
    chmod -R u+w "$WORK"
}

# PostgreSQL finds its files relative to its programs, so a copy of the tree is an installation.
copy_server() {
    local directory
    for directory in "$("$PG_CONFIG" --bindir)" "$("$PG_CONFIG" --pkglibdir)" "$("$PG_CONFIG" --sharedir)"; do
        mkdir -p "$WORK/pg$directory"
        cp -R "$directory/." "$WORK/pg$directory"
    done
    add_build_files
    BINDIR=$WORK/pg$("$PG_CONFIG" --bindir)
    PG_CONFIG=$BINDIR/pg_config
}

# The package of the build files depends on clang and LLVM, for bitcode. Our build makes none, so it is only unpacked.
add_build_files() {
    local headers
    headers=$("$PG_CONFIG" --includedir)
    mkdir -p "$WORK/pg${headers%/*}"
    if has_build_files; then
        ln -s "$headers" "$WORK/pg$headers"
        return
    fi
    unpack "$WORK/pg" "postgresql-server-dev-$SERVER"
    # Tests have a client of libpq. Its headers are in another package.
    [ ! -d "$headers" ] || cp -R --no-clobber "$headers/." "$WORK/pg$headers"
}

make_in() {
    local directory=$1
    shift
    run make -C "$directory" "PG_CONFIG=$PG_CONFIG" "$@"
}

build() {
    make_in "$WORK/src" -s clean >/dev/null
    make_in "$WORK/src" -s "-j$(nproc)" "${BUILD_OPTIONS[@]}" install >"$WORK/build.log" 2>&1 || {
        cat "$WORK/build.log" >&2
        die "the build failed"
    }
}

compiled_so_far() {
    printf 'compiled %d of %d files' "$(find "$WORK/src/src" -name '*.o' | wc -l)" "$(find "$WORK/src/src" -name '*.cpp' | wc -l)"
}

# prepare_server PACKAGE ...: a copy of a server. The packages are installed with those of the build.
prepare_server() {
    heading "Installing what is missing"
    make_work
    install_server "${BUILD_PACKAGES[@]}" "$@"
    copy_server
}

# Builds the module and installs it in the copy.
prepare_module() {
    local PROGRESS=(compiled_so_far)
    heading "Building with $(nproc) processes"
    copy_sources
    choose_user
    cd "$WORK"
    build
    echo "callhardening with $("$PG_CONFIG" --version), $(g++ --version | head -n 1)"
}

# start_server [setting ...]: in $PLACE, on a socket there, without TCP.
start_server() {
    local setting
    export PGHOST=$PLACE PGUSER=postgres PGDATABASE=postgres
    run "$BINDIR/initdb" -D "$PLACE/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$PLACE/initdb.log" 2>&1 || {
        cat "$PLACE/initdb.log" >&2
        die "initdb failed"
    }
    for setting in "listen_addresses = ''" "unix_socket_directories = '$PLACE'" "log_line_prefix = '%m [%p] %e '" "$@"; do
        echo "$setting"
    done >>"$PLACE/data/postgresql.conf"
    printf '#!/bin/sh\nexec %s "$@"\n' "${UNDER[*]} $BINDIR/postgres" >"$PLACE/postgres"
    chmod 755 "$PLACE/postgres"
    run "$BINDIR/pg_ctl" -D "$PLACE/data" -p "$PLACE/postgres" -l "$PLACE/server.log" -w -t 180 start >/dev/null || {
        cat "$PLACE/server.log" >&2
        die "the server did not start"
    }
}
