#!/usr/bin/env bash
# The regression, isolation and TAP suites on another version of PostgreSQL, from another release of Debian. debootstrap makes
# a system for it from this machine's package mirror, and the script removes it at the end.
#
#   test/servers/check.sh 17 trixie
#   CHROOTS=directory test/servers/check.sh 17 trixie                    makes the system there, not in /var/tmp
#   DEBIAN_MIRROR=url test/servers/check.sh 17 trixie                    uses this mirror
#   CHECKER=jit test/servers/check.sh 17 trixie                          only the regression suite, with every query compiled
#   CALLHARDENING_PAYLOADS=directory test/servers/check.sh 17 trixie     with the published payloads
#
# Runs as root, since it is a chroot. Another user is asked for sudo. Needs some 2 GB.
[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env=CHECKER,CXX,CHROOTS,DEBIAN_MIRROR,CALLHARDENING_PAYLOADS,http_proxy,https_proxy "$0" "$@"
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

[ "$#" -eq 2 ] || die "which version of PostgreSQL, and of which release of Debian? As in: 17 trixie"
VERSION=$1 RELEASE=$2

# Processes in the system end with its first process, and its mounts with the last one.
stop_servers() { wait; }

# apt reads its sources in every format, after it has read their lists.
mirror_of_machine() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -n 1
}

find_mirror() {
    [ -z "${DEBIAN_MIRROR:-}" ] || return 0
    DEBIAN_MIRROR=$(mirror_of_machine)
    [ -n "$DEBIAN_MIRROR" ] || update_package_lists debootstrap
    DEBIAN_MIRROR=${DEBIAN_MIRROR:-$(mirror_of_machine)}
    [ -n "$DEBIAN_MIRROR" ] || die "the package sources of this machine name no mirror of Debian: name one in DEBIAN_MIRROR"
}

make_system() {
    WORK=$(mktemp -d "${CHROOTS:-/var/tmp}/callhardening.XXXXXX")
    SYSTEM=$WORK/system
    chmod 755 "$WORK"
    isolated debootstrap --variant=minbase "$RELEASE" "$SYSTEM" "$DEBIAN_MIRROR" >"$WORK/debootstrap.log" 2>&1 || {
        tail -n 20 "$WORK/debootstrap.log" >&2
        die "debootstrap cannot make a system of $RELEASE"
    }
    # A mirror may be a frozen one. Its packages are signed all the same.
    echo 'Acquire::Check-Valid-Until "false";' >"$SYSTEM/etc/apt/apt.conf.d/90frozen"
    mkdir "$SYSTEM/project"
    tar -C "$ROOT" --exclude=./.git --exclude=./build -cf - . | tar -C "$SYSTEM/project" --no-same-owner -xf -
    if [ -n "${CALLHARDENING_PAYLOADS:-}" ]; then
        cp -R "$CALLHARDENING_PAYLOADS" "$SYSTEM/payloads"
        export CALLHARDENING_PAYLOADS=/payloads
    fi
}

# In namespaces of its own: no mount or process outlives the script, even after an error.
isolated() { run unshare --mount --pid --fork --kill-child "$@"; }

enter_system() {
    # shellcheck disable=SC2016
    isolated env -u PG_CONFIG "CALLHARDENING_SERVER=$VERSION" "CHECKER=${CHECKER:-server}" HOME=/root bash -ec '
        mount -t proc proc "$0/proc"
        mount -t tmpfs -o mode=1777 tmpfs "$0/dev/shm"
        exec chroot "$0" /project/scripts/test.sh' "$SYSTEM"
}

install_packages debootstrap
find_mirror
heading "Preparing Debian $RELEASE"
make_system
enter_system || exit
