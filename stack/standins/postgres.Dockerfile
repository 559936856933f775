ARG BASE
FROM ${BASE}
RUN groupadd --system --gid 999 postgres \
    && useradd --system --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres \
    && apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        postgresql-common \
    && sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
        /etc/postgresql-common/createcluster.conf \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 999 -g 999 -m 1777 /var/lib/postgresql/data /var/run/postgresql
COPY stack/standins/postgres-entrypoint /usr/local/bin/docker-entrypoint
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/local/bin/docker-entrypoint"]
