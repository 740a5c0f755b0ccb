#!/usr/bin/env bash
# Builds the Debian packages from the archive of a release, and tries them in another system without a compiler.
#
#   test/packages/check.sh build/dist/callhardening-0.2.0.tar.gz
#   RELEASES="trixie sid" test/packages/check.sh ...    these releases of Debian: bookworm has PostgreSQL 15, trixie 17, sid 18
#   PACKAGES=directory test/packages/check.sh ...       keeps the packages there
#   CHROOTS, DEBIAN_MIRROR                              as in test/servers/check.sh
#
# In each release:
#   1. a system builds the packages, and lintian reads them
#   2. a new system installs them with apt. It has no compiler. A server starts there, and the README's first steps run,
#      the way back included
#   3. the same system runs the packages' smoke test and the demo
#   4. the first system installs the packages and runs their regression and isolation suites
#
# Runs as root, since these are chroots. Another user is asked for sudo. Needs some 5 GB.
[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env=RELEASES,PACKAGES,CHROOTS,DEBIAN_MIRROR,http_proxy,https_proxy "$0" "$@"
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
. "$ROOT/test/servers/system.sh"

[ "$#" -eq 1 ] && [ -f "$1" ] || die "which archive? make check-packages makes it"
ARCHIVE=$(realpath "$1")

# step SYSTEM STEP 'what': prints the output only if the step fails.
step() {
    local begun=$SECONDS
    in_system "$1" /packages/steps.sh "$2" >"$WORK/step.log" 2>&1 || {
        cat "$WORK/step.log"
        die "$RELEASE: it is not so that $3"
    }
    printf '  %-70s %5d s\n' "$3" $((SECONDS - begun))
}

check_release() {
    local builder=$WORK/$RELEASE/builder clean=$WORK/$RELEASE/clean
    heading "Debian $RELEASE"
    mkdir "$WORK/$RELEASE"
    make_system "$RELEASE" "$clean"
    mkdir "$clean/packages"
    cp "$ROOT/test/packages/steps.sh" "$clean/packages"
    cp -a "$clean" "$builder"
    cp "$ARCHIVE" "$builder/packages/$(basename "$ARCHIVE" .tar.gz | tr - _).orig.tar.gz"
    step "$builder" build 'the packages build'
    step "$builder" lint 'lintian finds no error and no warning'
    cp -a "$builder"/packages/*.deb "$builder/packages/sources" "$clean/packages"
    step "$clean" install_packages 'apt installs them, and no compiler'
    step "$clean" first_steps 'the extension is created, used, dropped, purged and installed again'
    step "$clean" smoke 'the smoke test of the packages passes'
    step "$clean" demo 'the demo runs, still without a compiler'
    step "$builder" suites 'the regression and isolation suites of the packages pass'
    [ -z "${PACKAGES:-}" ] || cp "$builder"/packages/*.deb "$PACKAGES"
    rm -rf "${WORK:?}/$RELEASE"
}

begin_systems
for RELEASE in ${RELEASES:-bookworm trixie sid}; do
    check_release
done
