# shellcheck shell=bash
# nginx, the front door, as a process of ours in a folder of its own.

# find_nginx: Debian keeps it where only root's PATH looks.
find_nginx() {
    PATH=$PATH:/usr/sbin command -v nginx
}

# start_nginx: starts it, or tells the running one of other replicas.
start_nginx() {
    local prefix=$TILL_HOME/data/nginx
    render_nginx "$prefix"
    if process_alive nginx; then
        cmp --quiet "$prefix/till.conf.new" "$prefix/till.conf" && return
        say "Telling nginx of the replicas"
        mv "$prefix/till.conf.new" "$prefix/till.conf"
        kill -s HUP "$(pid_of nginx)"
        return
    fi
    mv "$prefix/till.conf.new" "$prefix/till.conf"
    say "Starting nginx on $FRONT_DOOR"
    start_process nginx "$(find_nginx)" -p "$prefix" -c nginx.conf -e stderr
}

# render_nginx PREFIX: its configuration, from the settings; the part that names replicas as till.conf.new.
render_nginx() {
    local prefix=$1 user=''
    ((EUID != 0)) || user="user nobody $(id -gn nobody);"
    mkdir -p "$prefix"
    render "$ROOT/infra/nginx/nginx.conf.template" "$prefix/nginx.conf" NGINX_USER="$user"
    render "$ROOT/infra/nginx/till.conf.template" "$prefix/till.conf.new" \
        TILL_COMMAND_API_SERVERS="$(servers_of command-api)" \
        TILL_PROJECTOR_SERVERS="$(servers_of projector)" \
        TILL_FRONT_DOOR_LISTEN="127.0.0.1:$TILL_PORT" \
        TILL_ACCESS_LOG=/dev/stdout
    render "$ROOT/infra/nginx/contracts.conf.template" "$prefix/contracts.conf" \
        TILL_RECEIPTS_PRODUCER_LISTEN="127.0.0.1:$TILL_RECEIPTS_PRODUCER_PORT" \
        TILL_RECEIPTS_CONSUMER_LISTEN="127.0.0.1:$TILL_RECEIPTS_CONSUMER_PORT" \
        TILL_ACCESS_LOG=/dev/stdout
}

# servers_of SERVICE: nginx's lines for its replicas.
servers_of() {
    local number
    for ((number = 1; number <= REPLICAS; number++)); do
        printf 'server 127.0.0.1:%s max_fails=1 fail_timeout=1s; ' "$(port_of "$(replica "$1" "$number")")"
    done
}

nginx_is_ready() {
    curl --silent --fail --output /dev/null --max-time 2 "$FRONT_DOOR/healthz"
}
