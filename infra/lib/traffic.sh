# shellcheck shell=bash
# Sample traffic: a chain of 50 places, sent by the `load` program through the front door.

start_traffic() {
    say "Sending a minute of sample receipts in the background"
    start_process traffic "$TARGET_DIR/release/load" traffic --front-door "$FRONT_DOOR" --minutes 1
}

seed() {
    process_alive nginx || die "nothing runs to send receipts to. Start it: ./till up"
    exec "$TARGET_DIR/release/load" traffic --front-door "$FRONT_DOOR" --minutes 1
}

# bench ARGUMENT...: runs the benchmarks, on a stack that the program starts and ends itself. `--against COMMIT` is
# turned into the folder of that commit's binaries.
bench() {
    local arguments=()
    create_home
    install_for_stack
    fetch_kafka
    build_services
    while (($# > 0)); do
        case $1 in
            --against | --against=*)
                [[ $1 == *=* ]] || { (($# > 1)) || die "bench --against needs a commit."; set -- "$1=$2" "${@:3}"; }
                build_former "${1#--against=}"
                arguments+=(--against "$FORMER")
                ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    export_test_places
    cd "$ROOT" || exit
    exec "$TARGET_DIR/release/load" bench "${arguments[@]}"
}

# build_former COMMIT: sets FORMER to the folder of the services' binaries as of that commit, which are built once.
build_former() {
    local commit folder=$TILL_HOME/former
    commit=$(git -C "$ROOT" rev-parse --quiet --verify "$1^{commit}") || die "there is no commit '$1'."
    FORMER=$folder/$commit
    [[ ! -x $FORMER/projector ]] || return 0
    say "Building the services of $commit"
    rm -rf "$folder/source"
    mkdir -p "$folder/source" "$FORMER"
    # All files get a new time. cargo goes by their times, and has built another commit in this target folder before.
    git -C "$ROOT" archive "$commit" | tar --extract --touch --directory "$folder/source"
    (cd "$folder/source" && CARGO_TARGET_DIR=$folder/target cargo build --release --locked -p command-api -p projector) ||
        die "the services of $commit do not build; cargo's message is above."
    cp "$folder/target/release/command-api" "$folder/target/release/projector" "$FORMER"
}
