# shellcheck shell=bash
# shellcheck disable=SC2034 # the other parts use what is set here
# Settings of the local stack, and what they mean to the services. `./till --help` lists them.

TILL_HOME=$(realpath -m -- "${TILL_HOME:-$ROOT/.till}")
TILL_PORT=${TILL_PORT:-8080}
TILL_COMMAND_API_PORT=${TILL_COMMAND_API_PORT:-8000}
TILL_PROJECTOR_PORT=${TILL_PROJECTOR_PORT:-9000}
TILL_ANALYTICS_PORT=${TILL_ANALYTICS_PORT:-9010}
TILL_KAFKA_PORT=${TILL_KAFKA_PORT:-9092}
TILL_KAFKA_CONTROLLER_PORT=${TILL_KAFKA_CONTROLLER_PORT:-$((TILL_KAFKA_PORT + 1))}
TILL_POSTGRES_PORT=${TILL_POSTGRES_PORT:-54329}
TILL_RECEIPTS_PRODUCER_PORT=${TILL_RECEIPTS_PRODUCER_PORT:-8130}
TILL_RECEIPTS_CONSUMER_PORT=${TILL_RECEIPTS_CONSUMER_PORT:-8131}
TILL_READY_TIMEOUT_S=${TILL_READY_TIMEOUT_S:-90}

TARGET_DIR=$(realpath -m -- "${CARGO_TARGET_DIR:-$ROOT/target}")
FRONT_DOOR=http://127.0.0.1:$TILL_PORT
DISK_NEEDED_GIB=5

# In the order they start; they stop in the opposite one.
PROCESSES=(kafka postgres command-api projector analytics-worker nginx traffic)

# The queries are checked against the committed cache, so a build needs no database, whatever the caller's shell holds.
export SQLX_OFFLINE=true
unset DATABASE_URL

# create_home: the folders of TILL_HOME; git is told to ignore them wherever they are.
create_home() {
    mkdir -p "$TILL_HOME"/{data,logs,run,conf}
    [[ -e $TILL_HOME/.gitignore ]] || echo '*' >"$TILL_HOME/.gitignore"
}

# lock_home: one `up`, `down` or `reset` at a time for one TILL_HOME.
lock_home() {
    exec 9>"$TILL_HOME/lock"
    flock --timeout 120 9 || die "another ./till works on $TILL_HOME for two minutes already. Wait for it, or end it."
}

# port_of NAME: the port a process serves, nothing for one that serves none.
port_of() {
    case $1 in
        kafka) echo "$TILL_KAFKA_PORT" ;;
        postgres) echo "$TILL_POSTGRES_PORT" ;;
        command-api) echo "$TILL_COMMAND_API_PORT" ;;
        projector) echo "$TILL_PROJECTOR_PORT" ;;
        analytics-worker) echo "$TILL_ANALYTICS_PORT" ;;
        nginx) echo "$TILL_PORT" ;;
    esac
}
