# shellcheck shell=bash
# Who listens where, read from /proc: no tool needs to be installed for it.

# port_inode PORT: prints the inode of the socket that listens on the port. Fails where none does.
port_inode() {
    local hex
    hex=$(printf '%04X' "$1")
    awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; found = 1; exit } END { exit !found }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# port_holder PORT: prints "NAME (pid PID)" of the process that listens on the port.
port_holder() {
    local inode path pid
    inode=$(port_inode "$1") || return 0
    path=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\[$inode\]" -print -quit 2>/dev/null || true)
    if [[ -z $path ]]; then
        echo "a process of another user"
        return
    fi
    pid=${path#/proc/}
    pid=${pid%%/*}
    echo "$(cat "/proc/$pid/comm" 2>/dev/null || echo "a process that just ended") (pid $pid)"
}

# require_port NAME PORT VARIABLE: fails unless the port is free, or held by the running process NAME of this stack.
require_port() {
    local name=$1 port=$2 variable=$3
    [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535 ]] || die "$variable=$port is not a port: choose a number from 1 to 65535."
    process_alive "$name" && return
    end_leftovers "$name"
    port_inode "$port" >/dev/null || return 0
    die "port $port, meant for $name, is in use by $(port_holder "$port"). End that process, or choose another port: $variable=$((port < 60000 ? port + 1000 : port - 1000)) ./till up"
}

require_ports() {
    local name
    require_port kafka "$TILL_KAFKA_PORT" TILL_KAFKA_PORT
    require_port kafka "$TILL_KAFKA_CONTROLLER_PORT" TILL_KAFKA_CONTROLLER_PORT
    require_port postgres "$TILL_POSTGRES_PORT" TILL_POSTGRES_PORT
    for name in $(wanted_replicas); do
        require_port "$name" "$(port_of "$name")" "$(port_variable_of "$name")"
    done
    require_port nginx "$TILL_PORT" TILL_PORT
    require_contract_ports
}

# port_variable_of NAME: prints the setting of a service's first port. Further replicas take the ports after it.
port_variable_of() {
    case $(service_of "$1") in
        command-api) echo TILL_COMMAND_API_PORT ;;
        projector) echo TILL_PROJECTOR_PORT ;;
        analytics-worker) echo TILL_ANALYTICS_PORT ;;
    esac
}
