# shellcheck shell=bash
# `./till faults room`: each patch of tests/room adds a whole aggregate, projection or contract to a copy of the sources, as
# CONTRIBUTING says. Whole, it builds and its tests pass; without any one of the lines it adds to files that are there already, the build or
# a test fails. So nothing that is forgotten goes unnoticed.

ROOM_PATCHES=$ROOT/tests/room
# The tests that need neither Kafka nor Postgres.
OF_CRATES=(--lib --bins --test history --test rendered)

# room [NAME]: tries every patch, or those whose file names contain NAME.
room() {
    local patch failed=()
    prepare_tests
    export_test_places
    export CARGO_TARGET_DIR=$TILL_HOME/faults/target SQLX_OFFLINE=true
    for patch in "$ROOM_PATCHES"/*"${1:-}"*.patch; do
        [[ -e $patch ]] || die "no patch of tests/room has '$1' in its name."
        add_whole "$patch" || failed+=("$(basename "$patch" .patch), whole")
        leave_lines_out "$patch"
    done
    ((${#failed[@]} == 0)) || die "not as it should be: $(printf '%s; ' "${failed[@]}")"
    say "== there is room"
}

# add_whole PATCH: applies the patch to a new copy and runs its tests. Then each fault that is planted on top must be
# found by its test.
add_whole() {
    local patch=$1 fault name
    name=$(basename "$patch" .patch)
    printf '\n== %s: %s\n' "$name" "$(sed -n 's/^Room: //p' "$patch")"
    copy_sources
    cd "$TILL_HOME/faults/source" || exit
    patch --strip 1 --silent <"$patch" || die "$patch cannot be applied: make it anew."
    if [[ -e $ROOM_PATCHES/$name.older.sed ]]; then
        build_older "$ROOM_PATCHES/$name.older.sed"
    fi
    passes "$patch" "$name" || return 1
    say "whole: it builds, and its tests pass"
    for fault in "$ROOM_PATCHES/$name"/*.patch; do
        [[ ! -e $fault ]] || plant "$fault" || failed+=("$name, not found: $(basename "$fault" .patch)")
    done
}

# build_older SCRIPT: builds the services with a to-do of another name, to test a binary that does not know it.
build_older() {
    local file
    while read -r file; do
        sed --in-place --file "$1" "$file"
    done < <(sed -n 's/^# File: //p' "$1")
    cargo build --release --workspace --locked --quiet || die "$1: it does not build."
    mkdir -p "$TILL_HOME/faults/older"
    cp "$CARGO_TARGET_DIR/release/command-api" "$TILL_HOME/faults/older/"
    export TILL_ROOM_OLDER=$TILL_HOME/faults/older/command-api
    copy_sources
    cd "$TILL_HOME/faults/source" || exit
    patch --strip 1 --silent <"$ROOM_PATCHES/$(basename "$1" .older.sed).patch"
}

# passes PATCH LABEL: succeeds where the copy builds, at least one test runs, and all pass: the patch's own and those of
# the crates. First it writes, as a developer would, whatever follows from lists, from schemas' digests, and from
# templates.
passes() {
    local log=$TILL_HOME/faults/room-$2.log
    TILL_RELEASE=1 TILL_WRITE=1 cargo test --release --workspace --locked --quiet "${OF_CRATES[@]}" >"$log" 2>&1 &&
        cargo build --release --workspace --locked --quiet >>"$log" 2>&1 &&
        cargo test --release --workspace --locked --quiet --test system -- "$(tests_of "$1")" >>"$log" 2>&1 &&
        tail -n 5 "$log" | grep --quiet 'test result: ok. [1-9]' &&
        cargo test --release --workspace --locked --quiet "${OF_CRATES[@]}" >>"$log" 2>&1
}

# tests_of PATCH: prints the filter of the patch's tests, or the one test that it has.
tests_of() {
    sed -n 's/^Tests: //p' "$1" | grep . || test_of "$1"
}

# check_room: fails unless each patch can still be applied. It costs no build.
check_room() {
    check_patches "$ROOM_PATCHES"/*.patch
}

# leave_lines_out PATCH: leaves out, one by one, each line that the patch adds to a file that is there already. Each
# must be missed.
leave_lines_out() {
    local patch=$1 name number line
    name=$(basename "$patch" .patch)
    while read -r number line; do
        copy_sources
        cd "$TILL_HOME/faults/source" || exit
        "$ROOT/infra/lib/without.py" "$patch" "$number" | patch --strip 1 --silent || die "$name: line $number cannot be left out."
        if passes "$patch" "$name-$number"; then
            say "NOT MISSED: $line"
            failed+=("$name, without $line")
        else
            say "missed: $line"
        fi
    done < <("$ROOT/infra/lib/without.py" "$patch")
}
