# shellcheck shell=bash
# The whole stack: `up`, `down` and `reset`.

up() {
    local traffic=yes before
    read_up_arguments "$@"
    prepare_machine
    fetch_kafka
    build_services
    before=$(running_pids)
    export_service_settings
    start_storage
    prepare_log_and_tables
    start_services
    wait_for_services
    start_nginx
    wait_until nginx nginx_is_ready
    stop_surplus_replicas
    if [[ $(running_pids) == "$before" ]]; then
        say "Till is already running."
    else
        # Where somebody has changed the demo's password, what was imported before is there all the same.
        (fixtures) || complain "the contracts' fixtures were not imported; see above."
        [[ $traffic == no ]] || start_traffic
    fi
    welcome
}

# read_up_arguments ARGUMENT...: sets the caller's `traffic`, and REPLICAS.
read_up_arguments() {
    while (($# > 0)); do
        case $1 in
            --no-traffic) traffic=no ;;
            --replicas | --replicas=*)
                REPLICAS=${1#--replicas=}
                [[ $1 == *=* ]] || { shift && REPLICAS=${1:-}; }
                [[ $REPLICAS == [1-9] ]] || die "--replicas '$REPLICAS': choose a number of replicas of each service from 1 to $MAX_REPLICAS."
                ;;
            *) die "up does not know '$1'. It takes --no-traffic and --replicas N." ;;
        esac
        shift
    done
}

prepare_machine() {
    # Data, logs and secrets are for this user alone.
    umask 077
    create_home
    lock_home
    require_disk
    require_ports
    install_for_stack
}

# running_pids: prints the pids of the stack's processes. The traffic is left out, because it ends by itself.
running_pids() {
    local name
    for name in $(processes); do
        [[ $name == traffic ]] || pid_of "$name" || true
    done
}

# start_storage: starts Kafka and Postgres side by side, since each takes seconds.
start_storage() {
    start_kafka
    start_postgres
    wait_until postgres postgres_is_ready
    create_database
    wait_until kafka kafka_is_ready
}

wait_for_services() {
    local name
    for name in $(wanted_replicas); do
        wait_until "$name" is_serving "$name"
    done
}

# down: stops the processes in the opposite order of `up`, so that each can finish its work with those it needs.
down() {
    local name
    [[ -d $TILL_HOME/run ]] || { say "Nothing was started from $TILL_HOME." && return; }
    lock_home
    say "Stopping Till"
    stop_process traffic TERM 5
    stop_process nginx TERM 10
    for name in $(replicas_of analytics-worker) $(replicas_of projector) $(replicas_of command-api); do
        stop_process "$name" TERM 20
    done
    # SIGINT asks Postgres for a fast shutdown, which ends the sessions instead of waiting for them.
    stop_process postgres INT 30
    stop_process kafka TERM 30
    say "Till is stopped; its data is kept in $TILL_HOME/data."
}

reset() {
    [[ -d $TILL_HOME ]] || { say "There is no $TILL_HOME to reset." && return; }
    down
    choose_postgres_user
    local gone=("$TILL_HOME/data" "$TILL_HOME/logs" "$TILL_HOME/run" "$TILL_HOME/conf")
    [[ $POSTGRES_DATA == "$TILL_HOME"/* ]] || gone+=("$(dirname "$POSTGRES_DATA")")
    say "Removing every receipt, figure, account and log of this stack:"
    du --summarize --human-readable "${gone[@]}" 2>/dev/null | sed 's/^/  /' || true
    rm -rf "${gone[@]}"
    say "Kept: Kafka's jars and the tools in $TILL_HOME, and the build in $TARGET_DIR."
}
