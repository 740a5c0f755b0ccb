# PostgreSQL's image, with callhardening in it. Nothing of the build stays.
#
#   docker build --tag callhardening .
#   docker build --build-arg PG_MAJOR=17 --build-arg BASE=my-postgres:17-trixie .     another version, on another image
#
# BASE must be of the same release of Debian as the build.
ARG PG_MAJOR=18
ARG BASE=postgres:${PG_MAJOR}-trixie

FROM postgres:${PG_MAJOR}-trixie AS build
ARG PG_MAJOR
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make nlohmann-json3-dev "postgresql-server-dev-${PG_MAJOR}" \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN make -C /src -j"$(nproc)" && make -C /src install DESTDIR=/installed

FROM ${BASE}
COPY --from=build /installed/ /
USER postgres
# The server that initializes the directory listens on its socket only, so it does not count.
HEALTHCHECK --start-period=60s CMD ["pg_isready", "--quiet", "--host=127.0.0.1"]
