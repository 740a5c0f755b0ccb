#!/usr/bin/env bash
# Checks the files for containers: linters read them, and buildah builds the Dockerfile and runs a server of its image. No public
# image can be had on a machine with Debian's packages only, so a system of debootstrap stands in for PostgreSQL's image.
#
#   test/packages/images.sh
#   CHROOTS, DEBIAN_MIRROR         as in test/servers/check.sh
#
# Runs as root, since it makes a chroot. Another user is asked for sudo. Needs Node and 3 GB.
[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env=CHROOTS,DEBIAN_MIRROR,http_proxy,https_proxy "$0" "$@"
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
. "$ROOT/test/servers/system.sh"

PG_MAJOR=17 RELEASE=trixie LINTERS=(dclint dockerfile-utils)

lint() {
    local file
    run npm install --silent --no-audit --no-fund --prefix "$WORK/node" "${LINTERS[@]}"
    for file in "$ROOT/Dockerfile" "$ROOT"/examples/receiver/*/Dockerfile; do
        run "$WORK/node/node_modules/.bin/dockerfile-utils" lint "$file"
    done
    # The services are in the order of the data.
    run "$WORK/node/node_modules/.bin/dclint" "$ROOT/compose.yaml" --max-warnings 0 --disable-rule services-alphabetical-order
    echo "  linters find no fault in the Dockerfiles and in compose.yaml"
}

# With a storage of its own
images() { run buildah --root "$WORK/store" --runroot "$WORK/run" "$@"; }

# What PostgreSQL's image has of what the Dockerfile uses: Debian, the server, its user.
make_base() {
    make_system "$RELEASE" "$WORK/base"
    printf '#!/bin/sh\nexit 101\n' >"$WORK/base/usr/sbin/policy-rc.d"
    chmod 755 "$WORK/base/usr/sbin/policy-rc.d"
    in_system "$WORK/base" sh -ec "
        apt-get -q update
        DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends postgresql-$PG_MAJOR"
    images from --name base scratch
    images copy base "$WORK/base" /
    images config --env "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/$PG_MAJOR/bin" base
    images commit base "localhost/postgres:$PG_MAJOR-$RELEASE"
}

build_image() {
    git -c "safe.directory=$ROOT" -C "$ROOT" ls-files -z --cached --others --exclude-standard | tar -C "$ROOT" --null -cf - -T - |
        tar -C "$WORK/context" -xf -
    images bud --format docker --pull-never --build-arg "PG_MAJOR=$PG_MAJOR" --tag callhardening "$WORK/context"
}

# As compose.yaml starts it, on a socket
run_image() {
    images from --name server localhost/callhardening
    images copy server "$ROOT/docker/create.sh" /create.sh
    images run server sh -euc '
        test "$(whoami)" = postgres
        ! command -v g++ && ! command -v make
        export PGHOST=/tmp POSTGRES_USER=postgres POSTGRES_DB=postgres PROVIDER=dialpad
        export WEBHOOK_SECRET=made-up-here RECEIVER_PASSWORD=made-up MONITOR_PASSWORD=made-up
        initdb -D /tmp/data -A trust -E UTF8 --locale=C.UTF-8
        trap "pg_ctl -D /tmp/data -m immediate stop" EXIT # else it would outlive the container
        pg_ctl -D /tmp/data -l /tmp/log -w start \
            -o "-c listen_addresses= -c unix_socket_directories=/tmp -c shared_preload_libraries=callhardening"
        /create.sh
        test "$(psql -XAtc "SELECT bool_and(ok) FROM check_call_hardening()")" = t'
}

# quietly COMMAND ...: prints the output only if it fails.
quietly() { "$@" >"$WORK/step.log" 2>&1 || { cat "$WORK/step.log"; die "$1 failed"; }; }

export BUILDAH_ISOLATION=chroot
command -v npm >/dev/null || die "the linters need Node and npm"
install_packages buildah git
begin_systems
mkdir "$WORK/context"
heading "The files for containers"
lint
quietly make_base
quietly build_image
quietly run_image
echo "  the Dockerfile builds, and docker/create.sh runs on a server of the image"
