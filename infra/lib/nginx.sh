# shellcheck shell=bash
# nginx, the front door, as a process of ours in a folder of its own.

# find_nginx: prints nginx's path. Debian keeps it in a folder that only root's PATH has.
find_nginx() {
    PATH=$PATH:/usr/sbin command -v nginx
}

# start_nginx: starts nginx. One that runs is told of other replicas, and of the configuration of a newer version.
start_nginx() {
    local prefix=$TILL_HOME/data/nginx
    # Where root has started nginx, its workers run as another user, and must pass through this folder to what they
    # write.
    (umask 066 && mkdir -p "$prefix")
    # A former version kept its configuration in this folder. An nginx that runs on it cannot be told of another folder.
    [[ ! -e $prefix/nginx.conf ]] || { stop_process nginx TERM 10 && rm -f "$prefix"/*.conf; }
    render_nginx "$prefix/conf.new"
    if process_alive nginx; then
        diff --recursive --brief "$prefix/conf.new" "$prefix/conf" >/dev/null 2>&1 && return
        say "Telling nginx of its new configuration"
        put_nginx_configuration "$prefix"
        kill -s HUP "$(pid_of nginx)"
        return
    fi
    put_nginx_configuration "$prefix"
    say "Starting nginx on $FRONT_DOOR"
    start_process nginx "$(find_nginx)" -p "$prefix" -c conf/nginx.conf -e stderr
}

put_nginx_configuration() {
    rm -rf "$1/conf"
    mv "$1/conf.new" "$1/conf"
}

# render_nginx FOLDER: writes nginx's configuration, as the settings ask for it.
render_nginx() {
    local folder=$1 user='' listens
    ((EUID != 0)) || user="user nobody $(id -gn nobody);"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$ROOT"/infra/nginx/*.conf "$folder"
    render "$ROOT/infra/nginx/nginx.conf.template" "$folder/nginx.conf" NGINX_USER="$user"
    render "$ROOT/infra/nginx/till.conf.template" "$folder/till.conf" \
        TILL_COMMAND_API_SERVERS="$(servers_of command-api)" \
        TILL_PROJECTOR_SERVERS="$(servers_of projector)" \
        TILL_FRONT_DOOR_LISTEN="127.0.0.1:$TILL_PORT" \
        TILL_ACCESS_LOG=/dev/stdout
    mapfile -t listens < <(contract_listens)
    render "$ROOT/infra/nginx/contracts.conf.template" "$folder/contracts.conf" "${listens[@]}" TILL_ACCESS_LOG=/dev/stdout
}

# servers_of SERVICE: prints nginx's `server` lines for the replicas of a service.
servers_of() {
    local number
    for ((number = 1; number <= REPLICAS; number++)); do
        printf 'server 127.0.0.1:%s max_fails=0; ' "$(port_of "$(replica "$1" "$number")")"
    done
}

nginx_is_ready() {
    curl --silent --fail --output /dev/null --max-time 2 "$FRONT_DOOR/healthz"
}
