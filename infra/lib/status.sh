# shellcheck shell=bash
# What runs, what it said, and how to talk to it.

status() {
    local name
    [[ -d $TILL_HOME/run ]] || { say "Nothing was started from $TILL_HOME. Start it: ./till up" && return 1; }
    printf '%-19s %-8s %-6s %-9s %-7s %s\n' PROCESS PID PORT STATE READY LOG
    for name in $(processes); do
        status_line "$name"
    done
    printf '\nFront door %s, data in %s\n' "$FRONT_DOOR" "$TILL_HOME/data"
}

status_line() {
    local name=$1 pid=- state=stopped ready=no port
    port=$(port_of "$name")
    if pid=$(pid_of "$name"); then
        state=running
        ! probe "$name" || ready=yes
    elif [[ -e $(pid_file_of "$name") ]]; then
        # The pid file is still there, so nobody stopped the process.
        state=ended
    fi
    [[ $name != traffic ]] || ready=-
    printf '%-19s %-8s %-6s %-9s %-7s %s\n' "$name" "${pid:--}" "${port:--}" "$state" "$ready" "$(log_of "$name")"
}

# probe NAME: succeeds where the process does its work now.
probe() {
    case $1 in
        kafka) kafka_is_ready ;;
        postgres) postgres_is_ready ;;
        nginx) nginx_is_ready ;;
        traffic) true ;;
        *) is_serving "$1" ;;
    esac
}

# logs [NAME]: follows one log, or all of them.
logs() {
    local files=("$TILL_HOME"/logs/*.log)
    if (($# > 0)); then
        files=("$(log_of "$1")")
    fi
    [[ -e ${files[0]} ]] || die "there is no log ${files[0]}. Logs are there for: $(processes | tr '\n' ' '); ./till up starts them."
    exec tail -n 100 -F "${files[@]}"
}

welcome() {
    cat <<WELCOME

Till is up.
  API          $FRONT_DOOR/v1
$(tell_contracts)
  logs         $TILL_HOME/logs    (./till logs command-api)
  logins       analyst/analyst reads figures, admin/admin does everything; terminals send receipts with keys of account 3, terminal

Send a receipt, then read it:
  token() { curl -s $FRONT_DOOR/v1/auth/login -H 'Content-Type: application/json' -d "{\"username\":\"\$1\",\"password\":\"\$1\"}" | sed -E 's/.*"access_token":"([^"]+)".*/\1/'; }
  key=\$(curl -s $FRONT_DOOR/v1/accounts/3/keys -H "Authorization: Bearer \$(token admin)" -d '{"label": "my till"}' | sed -E 's/.*"key":"([^"]+)".*/\1/')
  curl -i $FRONT_DOOR/v1/receipts -H "Authorization: Bearer \$key" -H 'Content-Type: application/json' -d '{
    "transaction_id": "demo-1", "timestamp": "$(date --utc +%Y-%m-%dT%H:%M:%SZ)", "place_id": "cafe-1", "place_name": "Corner Café",
    "items": [{"product_id": "espresso", "quantity": 2, "price": "2.50", "category": "coffee"}],
    "total_amount": "5.00", "tax_amount": "0.83", "tips_amount": "0.50", "payment_method": "card"}'
  curl -s $FRONT_DOOR/v1/receipts/demo-1 -H "Authorization: Bearer \$(token analyst)" -H 'Till-Consistency: strong'
  curl -s $FRONT_DOOR/v1/analytics/places/cafe-1 -H "Authorization: Bearer \$(token analyst)"    (figures close every minute)

./till status shows what runs, ./till down ends it and keeps the data.
WELCOME
}
