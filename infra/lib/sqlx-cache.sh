#!/usr/bin/env bash
# Checks that the committed cache of checked queries agrees with the projector's SQL and tables: makes it anew against a
# scratch Postgres and compares. `sqlx-cache.sh --write` replaces the committed one.
set -euo pipefail
umask 077
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TILL_HOME=${TILL_HOME:-$ROOT/.till}/sqlx-cache
TILL_POSTGRES_PORT=${TILL_SQLX_CACHE_PORT:-25433}
for part in say contracts settings secrets render ports process postgres; do
    # shellcheck source=/dev/null
    source "$ROOT/infra/lib/$part.sh"
done
COMMITTED=$ROOT/projector/.sqlx

main() {
    create_home
    choose_postgres_user
    require_port postgres "$TILL_POSTGRES_PORT" TILL_SQLX_CACHE_PORT
    trap 'stop_process postgres INT 10 >/dev/null; rm -rf "$TILL_HOME" "$POSTGRES_DATA"' EXIT
    start_postgres >/dev/null
    wait_until postgres postgres_is_ready
    create_database
    create_tables
    describe_queries
    if [[ ${1:-} == --write ]]; then
        rm -rf "$COMMITTED"
        # These are sources, which any user of the machine may read.
        (umask 022 && cp -r "$TILL_HOME/queries" "$COMMITTED")
    else
        compare
    fi
}

# create_tables: makes the tables of all projections in one schema. The queries name no schema and rely on the search
# path.
create_tables() {
    local file
    for file in "$ROOT"/projector/src/tables/{till,positions}.sql "$ROOT"/projector/src/projections/*/tables.sql; do
        PGOPTIONS='-c client_min_messages=warning' PGPASSWORD=$(postgres_password till) "$(find_postgres)/psql" --no-psqlrc --quiet \
            --set=ON_ERROR_STOP=1 --host=127.0.0.1 --port="$TILL_POSTGRES_PORT" --username=till --dbname=till --file="$file"
    done
}

# describe_queries: writes what the query macros learn from the database into a folder, which they do when they are
# compiled with both. cargo compiles only what has changed, so the crate's roots are made to look changed for the
# moment.
describe_queries() {
    local root
    mkdir -p "$TILL_HOME/queries" "$TILL_HOME/was"
    for root in "$ROOT"/projector/src/{main,lib}.rs; do
        [[ -e $root ]] || continue
        touch --reference="$root" "$TILL_HOME/was/$(basename "$root")"
        touch "$root"
    done
    (cd "$ROOT" && SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$TILL_HOME/queries" \
        DATABASE_URL=$(database_url) cargo check --release --quiet --package projector --all-targets)
    for root in "$TILL_HOME"/was/*; do
        touch --reference="$root" "$ROOT/projector/src/$(basename "$root")"
    done
}

compare() {
    diff --recursive --brief "$COMMITTED" "$TILL_HOME/queries" ||
        die "the committed cache of queries is not what the queries and tables give. Write it anew and commit it: infra/lib/sqlx-cache.sh --write"
    say "$(find "$COMMITTED" -name 'query-*.json' | wc -l) queries agree with their cache."
}

why_unready() { :; }

main "$@"
