# shellcheck shell=bash
# What the script says: progress to standard output, errors to standard error.

# say TEXT...: one line of progress.
say() {
    printf '%s\n' "$*"
}

# complain TEXT...: an error that does not end the script.
complain() {
    printf 'till: %s\n' "$*" >&2
}

# die TEXT...: what is wrong and what to change, then the end.
die() {
    complain "$@"
    exit 1
}

# die_with_log NAME TEXT...: as `die`, with the end of the process's log.
die_with_log() {
    local name=$1 log
    shift
    log=$(log_of "$name")
    complain "$@"
    complain "The end of $log:"
    tail -n 25 "$log" >&2 || true
    complain "What runs is left running: ./till status shows it, ./till down ends it."
    exit 1
}
