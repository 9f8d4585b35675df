# shellcheck shell=bash
# Processes that outlive the script. Each is the leader of its own session and known by run/NAME.pid, "PID START":
# START is the kernel's start time of the pid (field 22 of /proc/PID/stat), so a reused pid is never taken for ours.

log_of() {
    echo "$TILL_HOME/logs/$1.log"
}

pid_file_of() {
    echo "$TILL_HOME/run/$1.pid"
}

# stat_of PID: prints a process's state, group and start time, such as "S 4711 123456". Fails where there is no such
# process.
stat_of() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    # The name, which stands in parentheses, may contain anything. So the fields are counted from its end.
    read -ra fields <<<"${stat##*) }"
    echo "${fields[0]} ${fields[2]} ${fields[19]}"
}

# pid_of NAME: prints the pid of the running process. Fails where it does not run.
pid_of() {
    local pid start state now
    { read -r pid start <"$(pid_file_of "$1")"; } 2>/dev/null || return 1
    read -r state _ now < <(stat_of "$pid") || return 1
    [[ $now == "$start" && $state != [ZX] ]] || return 1
    echo "$pid"
}

process_alive() {
    pid_of "$1" >/dev/null
}

# start_process NAME COMMAND...: starts a command in a session of its own, with its output in its log. The log before it
# is kept as .1.
start_process() {
    local name=$1 log pid start
    shift
    log=$(log_of "$name")
    end_leftovers "$name"
    [[ ! -e $log ]] || mv "$log" "$log.1"
    (cd "$ROOT" && exec setsid nohup "$@" >>"$log" 2>&1 </dev/null 9>&-) &
    pid=$!
    disown "$pid"
    read -r _ _ start < <(stat_of "$pid") || die_with_log "$name" "$name ended at once."
    echo "$pid $start" >"$(pid_file_of "$name")"
}

# stop_process NAME SIGNAL GRACE_S: sends the signal and waits, and only then kills.
stop_process() {
    local name=$1 signal=$2 deadline=$((SECONDS + $3)) pid
    if pid=$(pid_of "$name"); then
        say "  stopping $name (pid $pid)"
        kill -s "$signal" "$pid" 2>/dev/null || true
        while process_alive "$name"; do
            if ((SECONDS >= deadline)); then
                complain "$name does not stop within $3 s and is killed."
                kill -s KILL "$pid" 2>/dev/null || true
                deadline=$((SECONDS + $3))
            fi
            sleep 0.05
        done
    fi
    end_leftovers "$name"
    rm -f "$(pid_file_of "$name")"
}

# end_leftovers NAME: kills what a killed leader has left behind in its group: nginx's workers, for one, keep the port.
end_leftovers() {
    local leader start left
    { read -r leader start <"$(pid_file_of "$1")"; } 2>/dev/null || return 0
    process_alive "$1" && return
    while left=$(members_of "$leader" "$start") && [[ -n $left ]]; do
        # shellcheck disable=SC2086 # one word a pid
        kill -s KILL $left 2>/dev/null || true
        sleep 0.05
    done
}

# members_of GROUP SINCE: prints the pids of a group's living processes that began after its leader. The kernel gives a
# group's number to no new process while the group has members, so these are the leader's own.
members_of() {
    local directory state group began
    for directory in /proc/[0-9]*; do
        read -r state group began < <(stat_of "${directory#/proc/}") || continue
        if [[ $group == "$1" && $began -ge $2 && $state != [ZX] ]]; then
            echo "${directory#/proc/}"
        fi
    done
}

# wait_until NAME PROBE...: waits until the probe succeeds. Where the process ends or takes too long, its log is shown.
wait_until() {
    local name=$1 deadline=$((SECONDS + TILL_READY_TIMEOUT_S))
    shift
    until "$@"; do
        process_alive "$name" || die_with_log "$name" "$name ended while it was starting."
        ((SECONDS < deadline)) ||
            die_with_log "$name" "$name is not ready after $TILL_READY_TIMEOUT_S s$(why_unready "$name"). TILL_READY_TIMEOUT_S chooses a longer wait."
        sleep 0.1
    done
}
