# shellcheck shell=bash
# What Till needs from the machine: disk, Rust, Java.

# require_disk: fails unless there is enough room where the data and the build lie.
require_disk() {
    local directory free_gib
    for directory in "$TILL_HOME" "$(dirname "$TARGET_DIR")"; do
        free_gib=$(($(df --output=avail -B1 "$directory" | tail -n 1) / 1024 / 1024 / 1024))
        ((free_gib >= DISK_NEEDED_GIB)) ||
            die "$directory has $free_gib GiB free, Till needs $DISK_NEEDED_GIB. Make room, or choose other places with TILL_HOME and CARGO_TARGET_DIR."
    done
}

# at_least VERSION MINIMUM: succeeds where a dotted version is MINIMUM or newer.
at_least() {
    printf '%s\n%s\n' "$2" "$1" | sort --check=quiet --version-sort
}

rust_needed() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"
}

# rust_is_new_enough: rustup's default folder is searched too, because a fresh shell may not have it in its PATH.
rust_is_new_enough() {
    local version
    [[ ! -x $HOME/.cargo/bin/cargo ]] || PATH=$HOME/.cargo/bin:$PATH
    version=$(cd "$ROOT" && cargo --version 2>/dev/null | awk '{ print $2 }') || return 1
    at_least "${version:-0}" "$(rust_needed)"
}

# distribution_has_rust: succeeds where the distribution's package is new enough.
distribution_has_rust() {
    local version
    version=$(apt-cache policy rustc 2>/dev/null | awk '$1 == "Candidate:" { print $2 }')
    at_least "${version%%[!0-9.]*}" "$(rust_needed)"
}

explain_rust() {
    die "Rust $(rust_needed) or newer is needed and neither found ($(cargo --version 2>/dev/null || echo "no cargo")) nor packaged by this distribution. Install it with rustup, then run this again:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --component rustfmt --component clippy
    . ~/.cargo/env"
}

# find_java [MAJOR]: prints the first Java of version 17 (or MAJOR) or newer, in JAVA_HOME, in the PATH, or where Debian
# keeps them.
find_java() {
    local java major minimum=${1:-17}
    for java in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        [[ -x $java ]] || continue
        major=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
        if ((${major:-0} >= minimum)); then
            echo "$java"
            return
        fi
    done
    return 1
}
