# shellcheck shell=bash
# The three services: building them, making their topics and tables, starting them, and waiting for them.

build_services() {
    say "Building (the first time takes minutes)"
    (cd "$ROOT" && cargo build --release -p command-api -p projector -p analytics-worker -p load) ||
        die "the build failed; cargo's message is above."
}

# export_service_settings: sets what a demo on this machine tells the services. A TILL_* that the caller has set goes
# through unchanged.
export_service_settings() {
    export TILL_DEMO=true
    export TILL_KAFKA_BROKERS=127.0.0.1:$TILL_KAFKA_PORT
    # A broker of one node handles the partitions of a transaction one after the other, so few partitions make it short.
    export TILL_PARTITIONS=${TILL_PARTITIONS:-4}
    # Figures come every minute, so that a newcomer sees them change.
    export TILL_ANALYTICS_SCHEDULE=${TILL_ANALYTICS_SCHEDULE:-0 * * * * *}
    # All drop-in contracts are on, unless the caller chooses others. An empty text chooses none.
    export TILL_CONTRACTS=${TILL_CONTRACTS-$(contract_names)}
    export TILL_JOURNAL_DIR=$TILL_HOME/data/.journal
    # Secrets are only in the environment of the processes that need them: see with_secrets_of.
    export -n TILL_JWT_SECRET TILL_MASTER_KEYS TILL_INDEX_KEY TILL_DATABASE_URL
}

# prepare_log_and_tables: creates topics and migrates tables. Both do nothing where all is as it must be.
prepare_log_and_tables() {
    run_once create-topics "the topics" with_secrets_of command-api "$TARGET_DIR/release/command-api" create-topics
    run_once migrate "the tables" with_secrets_of projector "$TARGET_DIR/release/projector" migrate
}

# run_once NAME WHAT COMMAND...: runs a command to its end. Its output is kept as a log, and shown when it fails. It is
# tried again for some seconds, because a broker that has just started may still elect the leaders of its partitions.
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

# wanted_replicas: prints the names of all replicas that are wanted, of every service.
wanted_replicas() {
    local service number
    for service in "${SERVICES[@]}"; do
        for ((number = 1; number <= REPLICAS; number++)); do
            replica "$service" "$number"
        done
    done
}

# start_replica NAME: starts a replica under an address of its own. Where the service has a store, the replica has one
# of its own too.
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

# stop_surplus_replicas: stops replicas that an earlier `up` with more of them has started. Each gives back what it
# owns.
stop_surplus_replicas() {
    local service name
    for service in "${SERVICES[@]}"; do
        for name in $(replicas_of "$service"); do
            (($(number_of "$name") <= REPLICAS)) || stop_process "$name" TERM 20
        done
    done
}

# is_outdated NAME: succeeds where the process runs from a binary that a build has since replaced.
is_outdated() {
    local pid
    pid=$(pid_of "$1") && [[ $(readlink "/proc/$pid/exe") == *' (deleted)' ]]
}

# is_serving NAME: succeeds where the service itself says that it serves.
is_serving() {
    curl --silent --fail --output /dev/null --max-time 2 "http://127.0.0.1:$(port_of "$1")/readyz"
}

# why_unready NAME: prints what a service says that it waits for, as ": …". Nothing where it does not answer.
why_unready() {
    local detail=''
    [[ " ${SERVICES[*]} " != *" $(service_of "$1") "* ]] ||
        detail=$(curl --silent --max-time 2 "http://127.0.0.1:$(port_of "$1")/readyz" | sed -nE 's/.*"detail": *"([^"]*)".*/\1/p') || true
    echo "${detail:+: $detail}"
}
