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
choose_contract_ports
TILL_READY_TIMEOUT_S=${TILL_READY_TIMEOUT_S:-90}

TARGET_DIR=$(realpath -m -- "${CARGO_TARGET_DIR:-$ROOT/target}")
FRONT_DOOR=http://127.0.0.1:$TILL_PORT
DISK_NEEDED_GIB=5

# The processes in the order in which they start. They stop in the opposite order.
SERVICES=(command-api projector analytics-worker)
# How many replicas of each service there are: `up --replicas` chooses. The ports of further replicas follow the first
# one's.
REPLICAS=1
MAX_REPLICAS=9

# The build checks queries against the committed cache, so it needs no database, whatever the caller's shell has set.
export SQLX_OFFLINE=true
unset DATABASE_URL

# create_home: makes the folders of TILL_HOME. git is told to ignore them wherever they are.
create_home() {
    mkdir -p "$TILL_HOME"/{data,logs,run,conf}
    close_home
    [[ -e $TILL_HOME/.gitignore ]] || echo '*' >"$TILL_HOME/.gitignore"
}

# close_home: closes TILL_HOME to other users, because Kafka's log and the local stores hold hashes of passwords. Where
# root runs Postgres and nginx's workers as other users, these may pass through.
close_home() {
    local folder
    chmod go= "$TILL_HOME"/{logs,run,conf}
    for folder in "$TILL_HOME"/data/* "$TILL_HOME"/data/.[!.]*; do
        [[ ! -d $folder || $folder == */postgres ]] || chmod go= "$folder"
    done
    ((EUID == 0)) || return 0
    chmod 711 "$TILL_HOME" "$TILL_HOME/data"
    [[ ! -d $TILL_HOME/data/nginx ]] || chmod 711 "$TILL_HOME/data/nginx"
}

# lock_home: lets only one `up`, `down` or `reset` run at a time for a TILL_HOME.
lock_home() {
    exec 9>"$TILL_HOME/lock"
    flock --timeout 120 9 || die "another ./till works on $TILL_HOME for two minutes already. Wait for it, or end it."
}

# processes: prints the names of all processes, in the order in which they start. `command-api-2` is the second replica
# of command-api.
processes() {
    local service
    printf '%s\n' kafka postgres
    for service in "${SERVICES[@]}"; do
        replicas_of "$service"
    done
    printf '%s\n' nginx traffic
}

# replicas_of SERVICE: prints the replicas that are wanted, and others that an earlier `up` has started.
replicas_of() {
    local number name
    for ((number = 1; number <= MAX_REPLICAS; number++)); do
        name=$(replica "$1" "$number")
        if ((number <= REPLICAS)) || [[ -e $(pid_file_of "$name") ]]; then
            echo "$name"
        fi
    done
}

# replica SERVICE NUMBER: prints a replica's name. service_of and number_of take it apart again.
replica() {
    (($2 == 1)) && echo "$1" || echo "$1-$2"
}

service_of() {
    echo "${1%-[2-9]}"
}

number_of() {
    [[ $1 == *-[2-9] ]] && echo "${1##*-}" || echo 1
}

# port_of NAME: prints the port that a process serves. Nothing for a process that serves none.
port_of() {
    local further
    further=$(($(number_of "$1") - 1))
    case $(service_of "$1") in
        kafka) echo "$TILL_KAFKA_PORT" ;;
        postgres) echo "$TILL_POSTGRES_PORT" ;;
        command-api) echo "$((TILL_COMMAND_API_PORT + further))" ;;
        projector) echo "$((TILL_PROJECTOR_PORT + further))" ;;
        analytics-worker) echo "$((TILL_ANALYTICS_PORT + further))" ;;
        nginx) echo "$TILL_PORT" ;;
    esac
}
