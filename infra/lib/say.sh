# shellcheck shell=bash
# What the scripts say: progress goes to standard output, errors to standard error.

# say TEXT...: prints a line of progress.
say() {
    printf '%s\n' "$*"
}

# complain TEXT...: prints an error that does not end the script.
complain() {
    printf 'till: %s\n' "$*" >&2
}

# die TEXT...: prints what is wrong and what to change, and ends the script.
die() {
    complain "$@"
    exit 1
}

# die_with_log NAME TEXT...: does what `die` does, and also prints the end of the process's log.
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
