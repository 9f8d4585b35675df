# shellcheck shell=bash
# `./till faults`: each fault of tests/faults is planted in a copy of the sources, and the test it names must fail. A test that
# passes on its fault proves nothing.

FAULTS=$ROOT/tests/faults

# faults [NAME]: plants every fault, or those whose file names contain NAME.
faults() {
    (($# <= 1)) || die "faults takes one filter, a part of a file name in tests/faults."
    local patch survived=()
    prepare_tests
    export_test_places
    copy_sources
    # The build has a target folder of its own, because the checkout's own artifacts must stay without faults.
    export CARGO_TARGET_DIR=$TILL_HOME/faults/target
    cd "$TILL_HOME/faults/source" || exit
    for patch in "$FAULTS"/*"${1:-}"*.patch; do
        [[ -e $patch ]] || die "no fault of tests/faults has '$1' in its name. There are: $(names_of_faults)"
        plant "$patch" || survived+=("$(basename "$patch" .patch)")
    done
    ((${#survived[@]} == 0)) || die "not found by their tests: ${survived[*]}"
    say "== every fault was found by its test"
}

# check_faults: fails unless each fault can still be planted. It costs no build.
check_faults() {
    check_patches "$FAULTS"/*.patch
}

# check_patches PATCH...: fails unless each patch can be applied, and names a test that exists or that the patch brings.
check_patches() {
    local patch wrong=0
    for patch in "$@"; do
        patch --strip 1 --dry-run --silent --directory "$ROOT" <"$patch" || {
            complain "$patch cannot be applied: make it anew."
            wrong=1
        }
        [[ -n $(targets_of "$patch") ]] || {
            complain "$patch names no test: $(test_of "$patch")"
            wrong=1
        }
    done
    return "$wrong"
}

# How often a test is run on its fault: some faults show only where two processes meet.
TRIES=3

# plant PATCH: fails where the patch's test passes, as often as it is tried. Afterwards the copy is as it was.
plant() {
    local patch=$1 test targets log try found=0
    test=$(test_of "$patch")
    log=$TILL_HOME/faults/$(basename "$patch" .patch).log
    printf '\n== %s: %s\n' "$(basename "$patch" .patch)" "$(sed -n 's/^Fault: //p' "$patch")"
    patch --strip 1 --silent <"$patch" || die "$patch cannot be planted: make it anew."
    cargo build --release --workspace --locked --quiet || die "with $patch planted Till does not build: make it anew."
    read -ra targets <<<"$(targets_of "$patch")"
    for ((try = 1; try <= TRIES && !found; try++)); do
        if cargo test --release --workspace --locked --quiet "${targets[@]}" -- "$test" >"$log" 2>&1; then
            continue
        fi
        grep --quiet '^test result: FAILED' "$log" || die "$test could not be run: see $log"
        say "found at try $try: $test fails:"
        grep --max-count 1 --after-context 2 'panicked at' "$log" || true
        found=1
    done
    ((found)) || say "NOT FOUND: $test passes; see $log"
    patch --strip 1 --silent --reverse <"$patch"
    ((found))
}

test_of() {
    sed -n 's/^Test: //p' "$1"
}

# targets_of PATCH: prints where cargo finds the patch's test: in the whole-system tests, in the crates or in their folders of
# tests. Nothing where there is none.
targets_of() {
    local test
    test="fn $(test_of "$1")("
    if grep --quiet --recursive --fixed-strings "$test" "$ROOT/tests/tests" "$ROOM_PATCHES"; then
        echo --test system
    elif grep --quiet --recursive --fixed-strings --include '*.rs' "$test" "$ROOT"/{domain,runtime,contracts,command-api,projector,analytics-worker}/src; then
        echo --lib --bins
    else
        grep --files-with-matches --fixed-strings "$test" "$ROOT"/{domain,contracts}/tests/*.rs | sed -E 's|.*/(.*)\.rs|--test \1|'
    fi
}

names_of_faults() {
    local patch
    for patch in "$FAULTS"/*.patch; do
        printf '%s ' "$(basename "$patch" .patch)"
    done
}

# copy_sources: copies the files that git would commit. Each copy counts as new, because cargo builds no file that is
# older than what it last built, which may have had a fault in it.
copy_sources() {
    local copy=$TILL_HOME/faults/source
    rm -rf "$copy"
    mkdir -p "$copy"
    git -C "$ROOT" ls-files --cached --others --exclude-standard -z |
        tar --create --directory "$ROOT" --null --files-from - --ignore-failed-read | tar --extract --touch --directory "$copy"
}
