# shellcheck shell=bash
# Postgres, from the binaries of Debian's package, in a folder of Till's own.

# find_postgres: prints the folder of the newest version's binaries.
find_postgres() {
    local newest
    newest=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort --version-sort | tail -n 1)
    if [[ -x $newest ]]; then
        dirname "$newest"
    else
        newest=$(command -v postgres) && dirname "$(realpath "$newest")"
    fi
}

# choose_postgres_user: sets AS_POSTGRES and POSTGRES_DATA. Postgres refuses to run as root, so root runs its commands
# as another user, by AS_POSTGRES. POSTGRES_DATA is in TILL_HOME. Where that user cannot reach root's clone (/root,
# mktemp -d), it is beside the system's data.
choose_postgres_user() {
    local user=postgres
    AS_POSTGRES=(env --chdir=/)
    POSTGRES_USER=''
    POSTGRES_DATA=$TILL_HOME/data/postgres
    ((EUID == 0)) || return 0
    getent passwd "$user" >/dev/null || user=nobody
    POSTGRES_USER=$user
    AS_POSTGRES+=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --)
    "${AS_POSTGRES[@]}" test -x "$TILL_HOME/data" ||
        POSTGRES_DATA=/var/lib/till/$(printf %s "$TILL_HOME" | sha256sum | head -c 12)/postgres
}

start_postgres() {
    process_alive postgres && return
    local bin
    bin=$(find_postgres)
    choose_postgres_user
    [[ -e $POSTGRES_DATA/PG_VERSION ]] || create_cluster "$bin"
    require_postgres_version "$bin"
    render "$ROOT/infra/postgres/postgresql.conf.template" "$POSTGRES_DATA/till.conf" TILL_POSTGRES_PORT="$TILL_POSTGRES_PORT"
    chmod 644 "$POSTGRES_DATA/till.conf"
    forget_killed_postgres
    say "Starting Postgres on 127.0.0.1:$TILL_POSTGRES_PORT"
    start_process postgres "${AS_POSTGRES[@]}" "$bin/postgres" -D "$POSTGRES_DATA" -c config_file="$POSTGRES_DATA/till.conf"
}

# create_cluster BIN: makes a cluster in another folder and moves it, so that a cluster is either whole or not there.
create_cluster() {
    local new=$POSTGRES_DATA.new made=1
    rm -rf "$POSTGRES_DATA" "$new" "$new.password"
    # Postgres' user must get through the folders above, which are closed to others apart from that.
    (umask 066 && mkdir -p "$(dirname "$new")")
    mkdir -m 700 "$new"
    (umask 077 && postgres_password postgres >"$new.password")
    [[ -z $POSTGRES_USER ]] || chown "$POSTGRES_USER" "$new" "$new.password"
    "${AS_POSTGRES[@]}" "$1/initdb" --pgdata="$new" --username=postgres --auth=scram-sha-256 --pwfile="$new.password" \
        --encoding=UTF8 --locale=C --no-sync >"$(log_of postgres)" 2>&1 || made=0
    rm "$new.password"
    ((made)) || die_with_log postgres "initdb failed."
    mv "$new" "$POSTGRES_DATA"
}

# require_postgres_version BIN: fails where another major version has made the cluster, because only that one can read
# it.
require_postgres_version() {
    local made_by version
    made_by=$(<"$POSTGRES_DATA/PG_VERSION")
    version=$("$1/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    [[ $made_by == "$version" ]] ||
        die "$POSTGRES_DATA was made by Postgres $made_by, and $1 is version $version. It holds nothing that the topics do not: remove it, and the projector fills a new one."
}

# forget_killed_postgres: removes the lock file of a server that was killed. After a kill -9 the file may name a pid
# that another process of the same user has since got. The file also keeps a new server from the memory of a former one
# whose children still end, so these are waited for.
forget_killed_postgres() {
    local left deadline=$((SECONDS + 10))
    [[ -e $POSTGRES_DATA/postmaster.pid ]] || return 0
    while left=$(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$POSTGRES_DATA" -print -quit 2>/dev/null || true) && [[ -n $left ]]; do
        ((SECONDS < deadline)) || die "a Postgres that ./till did not start serves $POSTGRES_DATA. End it: kill -INT $(head -n 1 "$POSTGRES_DATA/postmaster.pid")"
        sleep 0.2
    done
    rm -f "$POSTGRES_DATA/postmaster.pid"
}

# postgres_is_ready: succeeds where the server answers. After a kill -9 it first replays its log.
postgres_is_ready() {
    "$(find_postgres)/pg_isready" --quiet --username=postgres --dbname=postgres --host=127.0.0.1 --port="$TILL_POSTGRES_PORT"
}

# sql DATABASE STATEMENT: runs a statement as the cluster's administrator. The statement goes in as input: it may hold a
# password, and everybody on the machine sees the arguments of a process.
sql() {
    PGOPTIONS='' PGPASSWORD=$(postgres_password postgres) "$(find_postgres)/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
        --host=127.0.0.1 --port="$TILL_POSTGRES_PORT" --username=postgres --dbname="$1" <<<"$2"
}

# create_database: makes the role and the database `till`, where they are missing.
create_database() {
    choose_postgres_user
    ask_for_passwords
    [[ $(sql postgres "SELECT count(*) FROM pg_roles WHERE rolname = 'till'") == 1 ]] || sql postgres 'CREATE ROLE till LOGIN'
    sql postgres "ALTER ROLE till PASSWORD '$(postgres_password till)'"
    [[ $(sql postgres "SELECT count(*) FROM pg_database WHERE datname = 'till'") == 1 ]] || sql postgres 'CREATE DATABASE till OWNER till'
}

# ask_for_passwords: has the server ask for passwords. A cluster of a former version lets every user of the machine in,
# even as its administrator.
ask_for_passwords() {
    local hba=$POSTGRES_DATA/pg_hba.conf
    grep --quiet '^[^#].*trust$' "$hba" || return 0
    sql postgres "ALTER ROLE postgres PASSWORD '$(postgres_password postgres)'"
    "${AS_POSTGRES[@]}" sed --in-place 's/trust$/scram-sha-256/' "$hba"
    sql postgres 'SELECT pg_reload_conf()' >/dev/null
}
