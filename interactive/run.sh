#!/usr/bin/env bash
# The stack on this machine, by docker compose (or podman-compose):
#
#   interactive/run.sh            in the foreground; Ctrl-C stops it
#   interactive/run.sh start      in the background, until it is ready
#   interactive/run.sh stop       stop it; accounts, history and keys stay
#   interactive/run.sh logs [SERVICE…]   follow what it writes
#   interactive/run.sh admin [NAME]      make an administrator, and show the password
#   interactive/run.sh backup DIRECTORY  save database, known host keys and keys, while it runs
#   interactive/run.sh restore DIRECTORY replace what is there by what was saved
#
# The first start makes .env with secrets of its own and the first account.
set -euo pipefail
cd "$(dirname "$0")/.."

READY_S=${READY_S:-300}

usage() { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "$0"; }

compose() {
    if docker compose version > /dev/null 2>&1 && docker info > /dev/null 2>&1; then
        docker compose "$@"
    elif command -v podman-compose > /dev/null; then
        # Docker takes this line of .env by itself.
        COMPOSE_FILE=${COMPOSE_FILE:-$(setting COMPOSE_FILE)} podman-compose "$@"
    else
        echo "Neither Docker with its compose plugin nor podman-compose runs here." >&2
        exit 1
    fi
}

env_make() {
    [ -e .env ] && return
    (umask 077; cp .env.example .env)
    chmod 600 .env
    local name secret
    for name in CLIO_PORTAL_SECRET_KEY POSTGRES_PASSWORD REDIS_PASSWORD; do
        # Letters and digits only: two of them become part of a URL.
        secret=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
        sed -i "s/^$name=\$/$name=$secret/" .env
    done
    # To try it on this machine, without a proxy that ends TLS.
    sed -i 's/^# CLIO_PORTAL_HTTPS=false$/CLIO_PORTAL_HTTPS=false/' .env
    echo "Made .env with secrets of its own. It is for a trial on this machine: see docs/deployment.md."
}

setting() { [ ! -e .env ] || sed -n "s/^$1=//p" .env | tail -n 1; }

address() {
    local listen
    listen=$(setting WEB_LISTEN)
    echo "http://${listen:-127.0.0.1:8000}$(setting CLIO_PORTAL_SUB_PATH)/"
}

ready_wait() {
    local until=$((SECONDS + READY_S))
    echo "Waiting until it is ready …"
    until compose exec -T web python -m clio_portal.alive http://127.0.0.1:8000/readyz > /dev/null 2>&1; do
        if ((SECONDS > until)); then
            echo "Not ready after $READY_S s. Its parts say why:" >&2
            compose exec -T control python manage.py doctor --no-ssh >&2 || true
            exit 1
        fi
        sleep 2
    done
}

admin() {
    compose exec -T web python manage.py portal_account --username "${1:-admin}" --role administrator
}

backup() {
    local to=$1
    umask 077
    mkdir -p "$to"
    [ -z "$(ls -A "$to")" ] || { echo "$to is not empty." >&2; exit 1; }
    compose exec -T postgres pg_dump --username portal --format=custom --no-owner portal \
        > "$to/database.dump"
    compose exec -T control tar -C / -cf - data ssh > "$to/files.tar"
    cp .env "$to/env"
    (cd "$to" && sha256sum -- * > SHA256SUMS)
    echo "Saved to $to, with the secrets of .env: keep it where you keep secrets."
}

restore() {
    local from=$1
    (cd "$from" && sha256sum --check --quiet SHA256SUMS)
    compose stop web collector history control beat
    # All or nothing: a restore that fails leaves what was there.
    compose exec -T postgres pg_restore --username portal --dbname portal --clean --if-exists \
        --no-owner --single-transaction --exit-on-error < "$from/database.dump"
    compose start web collector history control beat
    compose exec -T control tar -C / -xf - data < "$from/files.tar"
    echo "Restored. Where .env or the SSH keys are lost, too: $from/env, and ssh/ in $from/files.tar."
}

[[ ${1:-} != backup && ${1:-} != restore ]] || [ -n "${2:-}" ] || set -- help

case "${1:-}" in
    backup) backup "$2" ;;
    restore) restore "$2" ;;
    "")
        env_make
        compose up --build
        ;;
    start)
        env_make
        compose up --build --detach
        ready_wait
        compose exec -T web python manage.py prepare --wait 5 --verbosity 0 --first-account
        echo "CLIO Portal is at $(address)"
        ;;
    stop)
        compose stop
        ;;
    logs)
        shift
        compose logs --follow --tail 200 "$@"
        ;;
    admin)
        admin "${2:-admin}"
        ;;
    -h | --help | help)
        usage
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac
