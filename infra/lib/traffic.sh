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

# bench ARGUMENT...: on a stack that the program starts and ends itself.
bench() {
    create_home
    install_for_stack
    fetch_kafka
    build_services
    export_test_places
    cd "$ROOT" || exit
    exec "$TARGET_DIR/release/load" bench "$@"
}
