# shellcheck shell=bash
# `./till soak`: what takes too long for `./till test`, which runs a sample of it.

# The tests that run a whole matrix where TILL_SOAK is set.
SOAKED=(order_kills::)

# soak [NAME]: runs the whole matrices, or that whose test has NAME in its name, and keeps what they print in TILL_HOME.
soak() {
    (($# <= 1)) || die "soak takes one filter, a part of a test's name."
    prepare_tests
    export_test_places
    cd "$ROOT" || exit
    mkdir -p "$TILL_HOME/soak"
    cargo build --release --workspace --locked
    local test report=
    for test in "${SOAKED[@]}"; do
        [[ $test == *"${1:-}"* ]] || continue
        report=$TILL_HOME/soak/${test%::}.log
        say "The whole matrix of $test; its report is $report"
        TILL_SOAK=1 cargo test --release --workspace --locked --test system -- "$test" --nocapture 2>&1 | tee "$report"
    done
    [[ -n $report ]] || die "no matrix has '$1' in its name. There are: ${SOAKED[*]}"
}
