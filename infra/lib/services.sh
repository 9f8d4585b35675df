# shellcheck shell=bash
# The three services: built, their topics and tables made, started, waited for.

build_services() {
    say "Building (the first time takes minutes)"
    (cd "$ROOT" && cargo build --release -p command-api -p projector -p analytics-worker -p load) ||
        die "the build failed; cargo's message is above."
}

# export_service_settings: what a demo on this machine tells the services; a TILL_* the caller has set goes through as it is.
export_service_settings() {
    export TILL_DEMO=true
    export TILL_KAFKA_BROKERS=127.0.0.1:$TILL_KAFKA_PORT
    # A broker of one node works a transaction's partitions off one after the other: few make it short.
    export TILL_PARTITIONS=${TILL_PARTITIONS:-4}
    # Figures every minute, so that a newcomer sees them change.
    export TILL_ANALYTICS_SCHEDULE=${TILL_ANALYTICS_SCHEDULE:-0 * * * * *}
    # All drop-in contracts, unless the caller chooses; an empty text is none.
    export TILL_CONTRACTS=${TILL_CONTRACTS-$(contract_names)}
    export TILL_JOURNAL_DIR=$TILL_HOME/data/.journal
    # Secrets are in the environment of those that need them only: with_secrets_of.
    export -n TILL_JWT_SECRET TILL_DATABASE_URL
}

# prepare_log_and_tables: topics and migrations; both do nothing where all is as it must be.
prepare_log_and_tables() {
    run_once create-topics "the topics" with_secrets_of command-api "$TARGET_DIR/release/command-api" create-topics
    run_once migrate "the tables" with_secrets_of projector "$TARGET_DIR/release/projector" migrate
}

# run_once NAME WHAT COMMAND...: a command that ends, its output kept as a log and shown when it fails. It is tried again
# for some seconds: a broker that has just started may still elect the leaders of its partitions.
run_once() {
    local name=$1 what=$2 log deadline=$((SECONDS + 10))
    log=$(log_of "$name")
    shift 2
    say "Checking $what"
    until (cd "$ROOT" && "$@") >"$log" 2>&1 9>&-; do
        ((SECONDS < deadline)) || die_with_log "$name" "$what could not be made ready."
        sleep 1
    done
}

start_services() {
    local name
    for name in $(wanted_replicas); do
        ! is_outdated "$name" || stop_process "$name" TERM 20
        process_alive "$name" || start_replica "$name"
    done
}

# wanted_replicas: of every service, as many as are wanted.
wanted_replicas() {
    local service number
    for service in "${SERVICES[@]}"; do
        for ((number = 1; number <= REPLICAS; number++)); do
            replica "$service" "$number"
        done
    done
}

# start_replica NAME: under an address, and where it has one a store, of its own.
start_replica() {
    local name=$1 service address own=()
    service=$(service_of "$name")
    address=127.0.0.1:$(port_of "$name")
    case $service in
        command-api)
            own=("TILL_COMMAND_API_LISTEN=$address" "TILL_COMMAND_API_ADVERTISE=http://$address" "TILL_STORE_DIR=$TILL_HOME/data/$name")
            ;;
        projector) own=("TILL_PROJECTOR_LISTEN=$address") ;;
        analytics-worker) own=("TILL_ANALYTICS_LISTEN=$address") ;;
    esac
    say "Starting $name on $address"
    with_secrets_of "$service" start_process "$name" env "${own[@]}" "$TARGET_DIR/release/$service" serve
}

# stop_surplus_replicas: those of an earlier `up` with more. Each gives back what it owns.
stop_surplus_replicas() {
    local service name
    for service in "${SERVICES[@]}"; do
        for name in $(replicas_of "$service"); do
            (($(number_of "$name") <= REPLICAS)) || stop_process "$name" TERM 20
        done
    done
}

# is_outdated NAME: it runs, but from a binary that a build has since replaced.
is_outdated() {
    local pid
    pid=$(pid_of "$1") && [[ $(readlink "/proc/$pid/exe") == *' (deleted)' ]]
}

# is_serving NAME: its own word for it.
is_serving() {
    curl --silent --fail --output /dev/null --max-time 2 "http://127.0.0.1:$(port_of "$1")/readyz"
}

# why_unready NAME: what a service says it waits for, as ": …"; nothing where it does not answer.
why_unready() {
    local detail=''
    [[ " ${SERVICES[*]} " != *" $(service_of "$1") "* ]] ||
        detail=$(curl --silent --max-time 2 "http://127.0.0.1:$(port_of "$1")/readyz" | sed -nE 's/.*"detail": *"([^"]*)".*/\1/p') || true
    echo "${detail:+: $detail}"
}
