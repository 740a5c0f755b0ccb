# shellcheck shell=bash
# The scripts of chroots source this file after scripts/lib.sh. debootstrap makes systems of other Debian releases under $WORK,
# from this machine's package mirror. They are removed at the end.

# Processes in a system end with its first process, and its mounts with the last one.
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

# Makes $WORK, the directory of the systems.
begin_systems() {
    install_packages debootstrap
    find_mirror
    WORK=$(mktemp -d "${CHROOTS:-/var/tmp}/callhardening.XXXXXX")
    chmod 755 "$WORK"
}

# make_system RELEASE DIRECTORY
make_system() {
    isolated debootstrap --variant=minbase "$1" "$2" "$DEBIAN_MIRROR" >"$2.log" 2>&1 || {
        tail -n 20 "$2.log" >&2
        die "debootstrap cannot make a system of $1"
    }
    # A mirror may be a frozen one. Its packages are signed all the same.
    echo 'Acquire::Check-Valid-Until "false";' >"$2/etc/apt/apt.conf.d/90frozen"
    # The system is thrown away, so its packages need not be safe on the disk.
    echo force-unsafe-io >"$2/etc/dpkg/dpkg.cfg.d/unsafe"
    [ -e "$2/etc/hosts" ] || echo '127.0.0.1 localhost' >"$2/etc/hosts"
}

# In namespaces of its own: no mount or process outlives the script, even after an error.
isolated() { run unshare --mount --pid --fork --kill-child "$@"; }

# in_system DIRECTORY COMMAND ...
in_system() {
    # shellcheck disable=SC2016
    isolated env -u PG_CONFIG HOME=/root bash -ec '
        mount -t proc proc "$0/proc"
        mount -t tmpfs -o mode=1777 tmpfs "$0/dev/shm"
        exec chroot "$0" "$@"' "$@"
}
