# shellcheck shell=bash
# nginx, the front door, as a process of ours in a folder of its own.

# find_nginx: Debian keeps it where only root's PATH looks.
find_nginx() {
    PATH=$PATH:/usr/sbin command -v nginx
}

start_nginx() {
    process_alive nginx && return
    local prefix=$TILL_HOME/data/nginx
    render_nginx "$prefix"
    say "Starting nginx on $FRONT_DOOR"
    start_process nginx "$(find_nginx)" -p "$prefix" -c nginx.conf -e stderr
}

# render_nginx PREFIX: its configuration, from the settings.
render_nginx() {
    local prefix=$1 user=''
    ((EUID != 0)) || user="user nobody $(id -gn nobody);"
    mkdir -p "$prefix"
    render "$ROOT/infra/nginx/nginx.conf.template" "$prefix/nginx.conf" NGINX_USER="$user"
    render "$ROOT/infra/nginx/till.conf.template" "$prefix/till.conf" \
        TILL_COMMAND_API_UPSTREAM="127.0.0.1:$TILL_COMMAND_API_PORT" \
        TILL_PROJECTOR_UPSTREAM="127.0.0.1:$TILL_PROJECTOR_PORT" \
        TILL_FRONT_DOOR_LISTEN="127.0.0.1:$TILL_PORT" \
        TILL_ACCESS_LOG=/dev/stdout
    render "$ROOT/infra/nginx/contracts.conf.template" "$prefix/contracts.conf" \
        TILL_RECEIPTS_PRODUCER_LISTEN="127.0.0.1:$TILL_RECEIPTS_PRODUCER_PORT" \
        TILL_RECEIPTS_CONSUMER_LISTEN="127.0.0.1:$TILL_RECEIPTS_CONSUMER_PORT" \
        TILL_ACCESS_LOG=/dev/stdout
}

nginx_is_ready() {
    curl --silent --fail --output /dev/null --max-time 2 "$FRONT_DOOR/healthz"
}
