#!/usr/bin/env bash
# The local stack as a user meets it, on ports and data of its own: up, receipts, kill -9 of everything, up with all data,
# two replicas of each service and the loss of one, a port in use, down without a trace. Needs what `./till test` has built and fetched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

base=${TILL_HOME:-$PWD/.till}
export TILL_HOME=$base/stack-test
export TILL_PORT=28080 TILL_COMMAND_API_PORT=28000 TILL_PROJECTOR_PORT=29000 TILL_ANALYTICS_PORT=29010
while read -r _ _ setting port _; do
    export "$setting=2$port"
done < <(grep -v '^#' infra/contracts.txt)
export TILL_KAFKA_PORT=29092 TILL_POSTGRES_PORT=25432
front_door=http://127.0.0.1:$TILL_PORT
processes=(kafka postgres command-api projector analytics-worker nginx)

main() {
    trap finish EXIT
    ./till reset
    mkdir -p "$TILL_HOME"
    ln -sfn "$base/kafka" "$TILL_HOME/kafka"

    timed "first start" ./till up --no-traffic
    tells_its_secrets_to_nobody
    "${CARGO_TARGET_DIR:-target}/release/load" traffic --front-door "$front_door" --minutes 0.1
    takes_the_largest_batch
    python3 tests/contracts/receipts_client.py --producer "http://127.0.0.1:$TILL_RECEIPTS_PRODUCER_PORT" \
        --consumer "http://127.0.0.1:$TILL_RECEIPTS_CONSUMER_PORT" --journals "$TILL_HOME/data/.journal" ||
        fail "the client of the receipts contract is not content"
    local before after
    before=$(purchases)
    [[ $before =~ ^[1-9][0-9]*$ ]] || fail "no receipt was counted after the sample traffic: '$before'"

    [[ $(./till up --no-traffic) == *"already running"* ]] || fail "a second up does not say that Till is already running"
    kill_everything
    timed "start of two replicas after kill -9 of everything" ./till up --no-traffic --replicas 2
    after=$(purchases)
    [[ $after == "$before" ]] || fail "$before receipts were counted before kill -9 of everything, $after after it"
    one_of_two_is_enough "$before"

    refuses_a_port_in_use
    leaves_nothing
    echo "$before receipts outlived kill -9 of everything; down left nothing."
}

# tells_its_secrets_to_nobody: no file of the stack is for other users, Postgres asks for a password, and each process
# has only the secrets in its environment that it needs.
tells_its_secrets_to_nobody() {
    local open name pid secrets='^TILL_(JWT_SECRET|MASTER_KEYS|INDEX_KEY)='
    open=$(find "$TILL_HOME"/{conf,logs,run} "$TILL_HOME"/data/{kafka,command-api,.journal} -perm /077 ! -type l -print -quit 2>/dev/null || true)
    [[ -z $open ]] || fail "$open can be read by others"
    for name in postgres till; do
        PGPASSWORD=$(<"$TILL_HOME/conf/postgres-$name") can_log_in "$name" || fail "Postgres does not let $name in with its password"
        ! can_log_in "$name" || fail "Postgres lets $name in without a password"
    done
    for name in kafka postgres nginx analytics-worker command-api; do
        pid=$(cut -d ' ' -f 1 "$TILL_HOME/run/$name.pid")
        ! tr '\0' '\n' <"/proc/$pid/environ" | grep -q '^TILL_DATABASE_URL=' || fail "$name knows the database's password"
        [[ $name == command-api ]] || ! tr '\0' '\n' <"/proc/$pid/environ" | grep -qE "$secrets" || fail "$name knows the secrets of tokens and of personal data"
    done
}

# can_log_in ROLE: logs in to Postgres, with the password in PGPASSWORD or with none.
can_log_in() {
    "$(postgres_bin)/psql" --no-password --quiet --host=127.0.0.1 --port="$TILL_POSTGRES_PORT" --username="$1" --dbname=postgres \
        --command='SELECT 1' >/dev/null 2>&1
}

# postgres_bin: prints the folder of the newest version's binaries.
postgres_bin() {
    dirname "$(printf '%s\n' /usr/lib/postgresql/*/bin/psql | sort --version-sort | tail -n 1)"
}

# takes_the_largest_batch: a batch has 10,000 receipts and 30 MB. nginx must neither buffer it nor stop sending it once
# answers are there.
takes_the_largest_batch() {
    local accepted
    accepted=$(receipts 10000 | curl -sf "$front_door/v1/receipts/batch" -H "Authorization: Bearer $(token terminal)" \
        -H 'Content-Type: application/x-ndjson' -H 'Prefer: handling=lenient' --data-binary @- | grep -c '"result":"accepted"' || true)
    [[ $accepted == 10000 ]] || fail "a batch of 10,000 receipts had $accepted accepted"
}

# receipts COUNT: prints so many receipts, a line each.
receipts() {
    python3 - "$1" <<'EOF_PYTHON'
import datetime, json, sys

now = datetime.datetime.now(datetime.timezone.utc).isoformat()
item = {"product_id": "bread", "quantity": 1, "price": "1.00", "category": "bakery"}
for number in range(int(sys.argv[1])):
    print(json.dumps({"transaction_id": f"batch-{number}", "timestamp": now, "items": [item], "total_amount": "1.00",
                      "tax_amount": "0.10", "tips_amount": "0.00", "payment_method": "card", "place_id": "batch", "place_name": "Batch",
                      "note": "x" * 2700}))
EOF_PYTHON
}

# purchases: prints how many purchases there are over all places, as an analyst reads it after everything accepted so
# far.
purchases() {
    curl -sf "$front_door/v1/analytics/places?limit=100" -H "Authorization: Bearer $(token analyst)" -H 'Till-Consistency: strong' |
        python3 -c 'import json, sys; print(sum(row["purchases"] for row in json.load(sys.stdin)["places"]))'
}

# token ACCOUNT: prints a token of one of the demo's accounts.
token() {
    curl -sf "$front_door/v1/auth/login" -d "{\"username\":\"$1\",\"password\":\"$1\"}" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'
}

# one_of_two_is_enough PURCHASES: with the first replica of each service killed, the front door gives the same answer.
# `up` for one replica starts it again, and ends the second.
one_of_two_is_enough() {
    local service after deadline=$((SECONDS + 60))
    [[ $(./till status | grep -cE '^(command-api|projector|analytics-worker)(-2)? .* running +yes ') == 6 ]] || fail "six services should run: $(./till status)"
    for service in command-api projector analytics-worker; do
        kill -9 "$(cut -d ' ' -f 1 "$TILL_HOME/run/$service.pid")"
    done
    until after=$(purchases 2>/dev/null) && [[ -n $after ]]; do
        ((SECONDS < deadline)) || fail "the second replicas do not answer for the first ones"
        sleep 0.5
    done
    [[ $after == "$1" ]] || fail "$1 receipts were counted by two replicas, $after by the second alone"
    ./till up --no-traffic
    [[ $(./till status) != *command-api-2* ]] || fail "the second replica outlived up for one: $(./till status)"
    after=$(purchases)
    [[ $after == "$1" ]] || fail "$1 receipts were counted before the second replica left, $after after"
}

# kill_everything: kills the leaders only. The next start must deal with what they leave behind.
kill_everything() {
    local name
    for name in "${processes[@]}"; do
        kill -9 "$(cut -d ' ' -f 1 "$TILL_HOME/run/$name.pid")"
    done
}

# refuses_a_port_in_use: another stack on this one's front door must name the port, the process that holds it, and the
# setting.
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
