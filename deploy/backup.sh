#!/usr/bin/env bash
# Save and restore a portal that runs without containers (with them: interactive/run.sh backup).
#
#   deploy/backup.sh save DIRECTORY       while the portal runs
#   deploy/backup.sh restore DIRECTORY    after the portal was stopped
#
# Reads CLIO_PORTAL_DATABASE_URL and CLIO_PORTAL_DATA_DIR from the environment, as the portal does:
#   set -a; . /etc/clio-portal/portal.env; set +a
# Saved are the database and the data directory: known host keys, and the secret of the single
# mode. Not saved: your settings file and the SSH key; keep them where you keep secrets.
set -euo pipefail
umask 077

data=${CLIO_PORTAL_DATA_DIR:-$(cd "$(dirname "$0")/.." && pwd)/var}
url=${CLIO_PORTAL_DATABASE_URL:-sqlite:///$data/portal.sqlite3}

usage() { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
what=$1 to=$2

# A copy of a SQLite database that is in use, by its own means: a plain copy may be torn.
sqlite_copy() {
    python3 - "$1" "$2" <<'PYTHON'
import sqlite3, sys
from contextlib import closing
with closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as source, \
        closing(sqlite3.connect(sys.argv[2])) as copy:
    source.backup(copy)
PYTHON
}

save() {
    mkdir -p "$to"
    [ -z "$(ls -A "$to")" ] || { echo "$to is not empty." >&2; exit 1; }
    case $url in
        sqlite:*) sqlite_copy "${url#sqlite:///}" "$to/portal.sqlite3" ;;
        *) pg_dump --format=custom --no-owner --dbname="$url" --file="$to/database.dump" ;;
    esac
    tar -C "$data" --exclude='portal.sqlite3*' --exclude=portal.lock --exclude=runtimes \
        --exclude=demo --exclude=stack -cf "$to/data.tar" .
    (cd "$to" && sha256sum -- * > SHA256SUMS)
    echo "Saved to $to: $(du -sh "$to" | cut -f1)"
}

restore() {
    (cd "$to" && sha256sum --check --quiet SHA256SUMS)
    case $url in
        sqlite:*)
            file=${url#sqlite:///}
            [ -e "$to/portal.sqlite3" ] || { echo "$to was saved from PostgreSQL." >&2; exit 1; }
            rm -f "$file" "$file-wal" "$file-shm"
            sqlite_copy "$to/portal.sqlite3" "$file"
            ;;
        *)
            [ -e "$to/database.dump" ] || { echo "$to was saved from SQLite." >&2; exit 1; }
            # All or nothing: a restore that fails leaves what was there.
            pg_restore --clean --if-exists --no-owner --single-transaction --exit-on-error \
                --dbname="$url" "$to/database.dump"
            ;;
    esac
    mkdir -p "$data"
    tar -C "$data" -xf "$to/data.tar"
    echo "Restored from $to. Run now: python manage.py prepare && python manage.py verify_audit"
}

case $what in
    save) save ;;
    restore) restore ;;
    *) usage ;;
esac
