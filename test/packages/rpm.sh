#!/usr/bin/env bash
# Builds the RPM packages from the archive of a release, with Debian's rpm and the server of Debian that PG_CONFIG names. It shows
# that the spec file builds, and that no file is missing. The names of the packages it needs are of yum.postgresql.org, so
# they are not checked, and nothing is installed.
#
#   test/packages/rpm.sh build/dist/callhardening-0.2.0.tar.gz
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

[ "$#" -eq 1 ] && [ -f "$1" ] || die "which archive? make check-rpm makes it"
ARCHIVE=$(realpath "$1")

rpm_build() {
    run rpmbuild --nodeps --define "_topdir $WORK/rpm" --define "_sourcedir $WORK/rpm" --define "_smp_build_ncpus $(nproc)" \
        --define "pgmajorversion $SERVER" --define "pginstdir $(dirname "$("$PG_CONFIG" --bindir)")" "$@" >"$WORK/rpm.log" 2>&1 || {
        cat "$WORK/rpm.log"
        die "rpmbuild $1 failed"
    }
}

# The files of all packages, against those that the server needs.
has_files() {
    local file files
    files=$(run rpm --define "_dbpath $WORK/rpmdb" -qpl "$WORK"/rpm/RPMS/*/*.rpm)
    for file in "$("$PG_CONFIG" --pkglibdir)/callhardening.so" "$("$PG_CONFIG" --sharedir)/extension/callhardening.control"; do
        grep -qxF "$file" <<<"$files" || die "no package has $file"
    done
    printf '%s files\n' "$(wc -l <<<"$files")"
}

make_work
choose_server
install_server "postgresql-server-dev-$SERVER" "${BUILD_PACKAGES[@]}" rpm rpmlint
heading "The RPM packages, with $("$PG_CONFIG" --version)"
mkdir "$WORK/rpm"
cp "$ARCHIVE" "$ROOT/rpm/callhardening.spec" "$WORK/rpm"
choose_user
cd "$WORK"
rpm_build -ba rpm/callhardening.spec
has_files
run rpmlint --strict --config "$ROOT/test/packages/rpmlint.toml" "$ROOT/rpm/callhardening.spec" "$WORK"/rpm/*RPMS/*.rpm \
    "$WORK"/rpm/RPMS/*/*.rpm
