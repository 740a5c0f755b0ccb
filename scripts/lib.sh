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

# What `make docs` needs.
DOCS_PACKAGES=(python3-sphinx python3-myst-parser)

# What the suites need besides. The demo does without.
TEST_PACKAGES=(libgtest-dev libipc-run-perl python3-jsonschema python3-regex "${DOCS_PACKAGES[@]}"
    curl openssl python3-aiohttp python3-asyncpg python3-prometheus-client)

WORK= JOB= AS_USER=() AS_ROOT=() UPDATED= CLUSTER_RULE_SET=

# Options of make for a module built differently, and a command to run the server under.
BUILD_OPTIONS=() UNDER=()

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

clean_up() {
    local status=$?
    trap '' INT TERM HUP ERR
    set +e
    exec >&"$STDOUT" 2>&"$STDERR"
    cd /
    [ -z "$JOB" ] || kill -TERM -- "-$JOB" 2>/dev/null
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

# Runs a command as the ordinary user, in a process group of its own. `wait` can be interrupted, a foreground command
# cannot, and this ends the whole group.
run() {
    local status=0
    set -m
    "${AS_USER[@]}" "$@" </dev/null &
    JOB=$!
    set +m
    wait "$JOB" || status=$?
    JOB=
    return "$status"
}

# -- packages ----------------------------------------------------------------------------------

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

apt_get() {
    local log
    log=$("${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@" 2>&1) || {
        printf '%s\n' "$log" >&2
        die "apt-get $1 failed"
    }
}

become_root() {
    [ "$(id -u)" -ne 0 ] && [ -z "${AS_ROOT[*]}" ] || return 0
    command -v sudo >/dev/null || die "missing packages ($*): install them, or sudo, or run this as root"
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

# The newest server with files for building extensions: an installed one, or else one from the package sources.
# CALLHARDENING_SERVER=17 chooses another.
newest_server() {
    local newest
    SERVER=${CALLHARDENING_SERVER:-}
    [ -z "$SERVER" ] || return 0
    newest=$({ compgen -G '/usr/lib/postgresql/*/lib/pgxs/src/makefiles/pgxs.mk' || true; } | cut -d/ -f5 | sort -n | tail -n 1)
    if [ "${newest:-0}" -lt "$OLDEST_SERVER" ]; then
        update_package_lists postgresql postgresql-server-dev
        newest=$(apt-cache search --names-only '^postgresql-server-dev-[0-9]+$' |
            sed -E 's/^postgresql-server-dev-([0-9]+) .*/\1/' | sort -n | tail -n 1)
    fi
    SERVER=${newest:-0}
}

install_server() {
    newest_server
    [ "$SERVER" -ge "$OLDEST_SERVER" ] ||
        die "PostgreSQL $OLDEST_SERVER or later is needed, and this machine's package sources have none"
    # The build system goes first: it installs postgresql-common, and so the directory of the rule.
    install_packages "postgresql-server-dev-$SERVER"
    if ! installed "postgresql-$SERVER"; then
        become_root "postgresql-$SERVER"
        forbid_clusters
        install_packages "postgresql-$SERVER"
        # Some releases have the JIT compiler in a package of its own.
        if apt-cache show "postgresql-$SERVER-jit" >/dev/null 2>&1; then
            install_packages "postgresql-$SERVER-jit"
        fi
        allow_clusters
    fi
    PG_CONFIG=/usr/lib/postgresql/$SERVER/bin/pg_config
}

# The clang of the server's build system: it has other warnings than g++, and the fuzzer.
install_clang() {
    CLANG=$(sed -n 's/^CLANG[ \t]*= *//p' "$MAKEFILES/Makefile.global")
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

install_missing() {
    install_packages make g++ nlohmann-json3-dev perl python3 "${TEST_PACKAGES[@]}"
    if [ -z "${PG_CONFIG:-}" ]; then
        install_server
    else
        command -v "$PG_CONFIG" >/dev/null || die "PG_CONFIG: there is no $PG_CONFIG"
        SERVER=$("$PG_CONFIG" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
        [ "$SERVER" -ge "$OLDEST_SERVER" ] || die "PG_CONFIG: PostgreSQL $OLDEST_SERVER or later is needed, not $SERVER"
    fi
    MAKEFILES=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
    [ -f "$MAKEFILES/Makefile.global" ] || die "PG_CONFIG: $PG_CONFIG has no PGXS"
    install_clang
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
    directory=$("$PG_CONFIG" --includedir)
    mkdir -p "$WORK/pg${directory%/*}"
    ln -s "$directory" "$WORK/pg$directory"
    BINDIR=$WORK/pg$("$PG_CONFIG" --bindir)
    PG_CONFIG=$BINDIR/pg_config
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

# Makes an installation from nothing.
prepare() {
    heading "Building"
    install_missing
    make_work
    copy_sources
    copy_server
    choose_user
    cd "$WORK"
    echo "compiling with $(nproc) processes, in all some two minutes of processor time"
    build
    echo "callhardening with $("$PG_CONFIG" --version), $(g++ --version | head -n 1)"
}

# start_server [setting ...]: on a socket in $WORK, without TCP.
start_server() {
    local setting
    export PGHOST=$WORK PGUSER=postgres PGDATABASE=postgres
    run "$BINDIR/initdb" -D "$WORK/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$WORK/initdb.log" 2>&1 || {
        cat "$WORK/initdb.log" >&2
        die "initdb failed"
    }
    for setting in "listen_addresses = ''" "unix_socket_directories = '$WORK'" "log_line_prefix = '%m [%p] %e '" "$@"; do
        echo "$setting"
    done >>"$WORK/data/postgresql.conf"
    printf '#!/bin/sh\nexec %s "$@"\n' "${UNDER[*]} $BINDIR/postgres" >"$WORK/postgres"
    chmod 755 "$WORK/postgres"
    run "$BINDIR/pg_ctl" -D "$WORK/data" -p "$WORK/postgres" -l "$WORK/server.log" -w -t 180 start >/dev/null || {
        cat "$WORK/server.log" >&2
        die "the server did not start"
    }
}
