#!/usr/bin/env bash
# The local stack as a user meets it, on ports and data of its own: up, receipts, kill -9 of everything, up with all data,
# a port in use, down without a trace. Needs what `./till test` has built and fetched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

base=${TILL_HOME:-$PWD/.till}
export TILL_HOME=$base/stack-test
export TILL_PORT=28080 TILL_COMMAND_API_PORT=28000 TILL_PROJECTOR_PORT=29000 TILL_ANALYTICS_PORT=29010
export TILL_RECEIPTS_PRODUCER_PORT=28130 TILL_RECEIPTS_CONSUMER_PORT=28131
export TILL_KAFKA_PORT=29092 TILL_POSTGRES_PORT=25432
front_door=http://127.0.0.1:$TILL_PORT
processes=(kafka postgres command-api projector analytics-worker nginx)

main() {
    trap finish EXIT
    ./till reset
    mkdir -p "$TILL_HOME"
    ln -sfn "$base/kafka" "$TILL_HOME/kafka"

    timed "first start" ./till up --no-traffic
    "${CARGO_TARGET_DIR:-target}/release/load" traffic --front-door "$front_door" --minutes 0.1
    python3 tests/contracts/receipts_client.py --producer "http://127.0.0.1:$TILL_RECEIPTS_PRODUCER_PORT" \
        --consumer "http://127.0.0.1:$TILL_RECEIPTS_CONSUMER_PORT" --journals "$TILL_HOME/data/.journal" ||
        fail "the client of the receipts contract is not content"
    local before after
    before=$(purchases)
    [[ $before =~ ^[1-9][0-9]*$ ]] || fail "no receipt was counted after the sample traffic: '$before'"

    [[ $(./till up --no-traffic) == *"already running"* ]] || fail "a second up does not say that Till is already running"
    kill_everything
    timed "start after kill -9 of everything" ./till up --no-traffic
    after=$(purchases)
    [[ $after == "$before" ]] || fail "$before receipts were counted before kill -9 of everything, $after after it"

    refuses_a_port_in_use
    leaves_nothing
    echo "$before receipts outlived kill -9 of everything; down left nothing."
}

# purchases: the sum over all places, as an analyst reads it after everything accepted so far.
purchases() {
    local token
    token=$(curl -sf "$front_door/v1/auth/login" -H 'Content-Type: application/json' -d '{"username":"analyst","password":"analyst"}' |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
    curl -sf "$front_door/v1/analytics/places?limit=100" -H "Authorization: Bearer $token" -H 'Till-Consistency: strong' |
        python3 -c 'import json, sys; print(sum(row["purchases"] for row in json.load(sys.stdin)["places"]))'
}

# kill_everything: the leaders only; what they leave behind is for the next start to deal with.
kill_everything() {
    local name
    for name in "${processes[@]}"; do
        kill -9 "$(cut -d ' ' -f 1 "$TILL_HOME/run/$name.pid")"
    done
}

# refuses_a_port_in_use: another stack on this one's front door names the port, its process and the setting.
refuses_a_port_in_use() {
    local said pid
    pid=$(cut -d ' ' -f 1 "$TILL_HOME/run/nginx.pid")
    if said=$(TILL_HOME=$TILL_HOME/other TILL_KAFKA_PORT=39092 TILL_POSTGRES_PORT=35432 TILL_COMMAND_API_PORT=38000 \
        TILL_PROJECTOR_PORT=39000 TILL_ANALYTICS_PORT=39010 ./till up --no-traffic 2>&1); then
        fail "a second stack started on the port of the first"
    fi
    [[ $said == *"port $TILL_PORT"*"nginx (pid "*"TILL_PORT="* ]] || fail "the message does not name port, process (nginx, as $pid) and setting: $said"
}

leaves_nothing() {
    local pids name
    pids=$(cut -d ' ' -f 1 "$TILL_HOME"/run/*.pid)
    ./till down
    for name in $pids; do
        [[ ! -e /proc/$name || $(awk '{ print $3 }' "/proc/$name/stat") == Z ]] || fail "process $name still runs after down"
    done
    ! grep -q "$(printf ':%04X ' "$TILL_PORT").*:0000 0A" /proc/net/tcp || fail "port $TILL_PORT is still served after down"
}

timed() {
    local what=$1 began=$SECONDS
    shift
    "$@"
    echo "$what took $((SECONDS - began)) s"
}

fail() {
    echo "stack-test: $*" >&2
    exit 1
}

finish() {
    local status=$?
    ((status == 0)) || { ./till status; tail -n 20 "$TILL_HOME"/logs/*.log; } >&2 || true
    ./till reset >/dev/null
    ((status != 0)) || rm -rf "$TILL_HOME"
    exit "$status"
}

main
