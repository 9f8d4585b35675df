# shellcheck shell=bash
# `./till test`: everything CI checks. Each step says its name and its time; all are run, and one that fails fails the whole.

# run_checks [FILTER]: runs every check. With a filter it runs only the tests whose names contain the filter.
run_checks() {
    (($# <= 1)) || die "test takes one filter, a part of a test's name."
    prepare_tests
    local failed=() skipped=()
    install_apicurio || skipped+=("the tests with a schema registry, because Apicurio or a Java 21 could not be had")
    export_test_places
    cd "$ROOT" || exit

    if (($# == 0)); then
        check_sources
    fi
    step build cargo build --release --workspace --locked
    if (($# == 0)); then
        step clippy cargo clippy --release --workspace --all-targets --locked -- -D warnings
        step "query cache" infra/lib/sqlx-cache.sh
    fi
    step tests cargo test --release --workspace --locked -- "$@"
    if (($# == 0)); then
        step "local stack" infra/lib/stack-test.sh
    fi
    report
}

# prepare_tests: installs the programs that the tests are run with.
prepare_tests() {
    create_home
    require_disk
    install_for_stack
    install_for_checks
    fetch_kafka
    install_tools
}

# check_sources: the checks that need no build.
check_sources() {
    step format infra/lib/format.sh --check
    step shellcheck shellcheck till .ci/run infra/lib/*.sh
    step "planted faults" check_faults
    step room check_room
    step layers infra/lib/layers.sh
    step "import circles" infra/lib/circles.py
    step comments infra/lib/comments.py
    step dependencies cargo deny --locked check --allow unused-wrapper bans licenses sources
    step documents python3 tests/documents/claims.py
    check_advisories
    step images check_images docker-compose*.yml infra/images/Dockerfile
    step "unused dependencies" cargo machete --skip-target-dir
}

# step NAME COMMAND...: runs a check. Where it fails, its name is added to the caller's list `failed`.
step() {
    local name=$1 began=$SECONDS
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    if "$@"; then
        printf '== %s passed in %d s\n' "$name" $((SECONDS - began))
    else
        printf '== %s FAILED in %d s\n' "$name" $((SECONDS - began))
        failed+=("$name")
    fi
}

report() {
    printf '\n== %d s in all\n' "$SECONDS"
    ((${#skipped[@]} == 0)) || complain "${skipped[@]/#/SKIPPED: }"
    ((${#failed[@]} == 0)) || die "failed: $(printf '%s, ' "${failed[@]}" | sed 's/, $//')"
    say "== everything passed"
}

# export_test_places: tells the tests where the binaries are. They start brokers and databases of their own.
export_test_places() {
    TILL_POSTGRES_BIN=$(find_postgres)
    PATH=$(dirname "$(find_java)"):$PATH
    export PATH TILL_POSTGRES_BIN TILL_KAFKA_LIBS=$KAFKA_LIBS
    [[ ! -x $VENV/bin/python ]] || export TILL_PYTHON=$VENV/bin/python
    choose_postgres_user
    if [[ $POSTGRES_DATA != "$TILL_HOME"/* ]]; then
        # Postgres runs as another user here, who cannot read this clone.
        export TILL_TEST_DIR=${TILL_TEST_DIR:-/var/tmp/till-test-$(basename "$(dirname "$POSTGRES_DATA")")}
        mkdir -p "$TILL_TEST_DIR"
    fi
}
