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
. "$ROOT/test/servers/system.sh"

copy_project() {
    mkdir "$SYSTEM/project"
    tar -C "$ROOT" --exclude=./.git --exclude=./build -cf - . | tar -C "$SYSTEM/project" --no-same-owner -xf -
    if [ -n "${CALLHARDENING_PAYLOADS:-}" ]; then
        cp -R "$CALLHARDENING_PAYLOADS" "$SYSTEM/payloads"
        export CALLHARDENING_PAYLOADS=/payloads
    fi
}

begin_systems
SYSTEM=$WORK/system
heading "Preparing Debian $RELEASE"
make_system "$RELEASE" "$SYSTEM"
copy_project
in_system "$SYSTEM" env "CALLHARDENING_SERVER=$VERSION" "CHECKER=${CHECKER:-server}" /project/scripts/test.sh || exit
