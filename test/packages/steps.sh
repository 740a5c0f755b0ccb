#!/usr/bin/env bash
# The steps of check.sh inside a system: steps.sh STEP. The packages come to /packages, the sources are unpacked there.
set -euxo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
cd /packages

install() { apt-get -q -y install --no-install-recommends "$@"; }
version() { sed -n 's/^Package: postgresql-\(.*\)-callhardening$/\1/p' sources/debian/control; }
as_superuser() { su postgres -c 'psql -X -v ON_ERROR_STOP=1'; }
# The packages without those of debugging symbols
mapfile -t OURS < <(find /packages -maxdepth 1 -name '*.deb' ! -name '*dbgsym*')

build() {
    local orig
    orig=$(ls ./*.orig.tar.gz)
    mkdir sources
    tar -xf "$orig" --strip-components=1 -C sources
    apt-get -q update
    install build-essential
    cd sources
    apt-get -q -y build-dep --no-install-recommends ./
    PG_UPDATECONTROL=yes dpkg-buildpackage -us -uc
}

# The packages are not for Debian's archive, so they close none of its bugs.
lint() {
    install lintian
    lintian --allow-root --display-info --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs ./*.changes
}

has_no_compiler() {
    local program
    for program in g++ gcc c++ cc clang make; do
        ! command -v "$program" || return 1
    done
}

# No service starts: a server is started by hand, as in a container.
install_packages() {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    apt-get -q update
    install "${OURS[@]}"
    has_no_compiler
    [ -z "$(find /usr/share/doc/callhardening -name '*.gz' ! -name 'changelog*')" ]
}

# In the cluster that Debian makes, and the way back. Clients go on without the package.
first_steps() {
    pg_conftool "$(version)" main set listen_addresses ''
    pg_ctlcluster "$(version)" main start
    as_superuser <<<"CREATE EXTENSION callhardening; SELECT create_call_tables();
        SELECT generate_call_events(20); SELECT process_call_events(100000);
        SELECT unharden_call_events('call_events'); SELECT unharden_calls('calls'); DROP EXTENSION callhardening"
    apt-get -q -y purge "postgresql-$(version)-callhardening" callhardening
    [ -z "$(find / -xdev -name '*callhardening*' ! -path '/packages/*' ! -path '/var/log/*')" ]
    pg_ctlcluster "$(version)" main restart
    as_superuser <<<"INSERT INTO calls (dialpad_call_id, status) VALUES (1, 'anything');
        DO \$\$ BEGIN ASSERT (SELECT count(*) = 21 FROM calls), 'the calls stay'; END \$\$"
    pg_ctlcluster "$(version)" main stop
    install "${OURS[@]}"
}

smoke() {
    install autopkgtest
    autopkgtest --no-built-binaries --test-name=smoke "${OURS[@]}" sources/ -- null
}

demo() {
    /usr/share/callhardening/scripts/demo.sh --installed
    has_no_compiler
}

suites() {
    install autopkgtest
    autopkgtest --no-built-binaries --test-name=installcheck "${OURS[@]}" sources/ -- null
}

"$@"
