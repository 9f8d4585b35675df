# shellcheck shell=bash
# Installs what the machine lacks and the distribution packages. It does so on Debian, as root or with sudo.

# need PACKAGE TEST...: puts the package on the caller's list `missing` unless the test succeeds.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

install_for_stack() {
    local missing=()
    need curl command -v curl
    need build-essential eval 'command -v cc && command -v make'
    need pkg-config command -v pkg-config
    need libssl-dev test -e /usr/include/openssl/ssl.h
    need zlib1g-dev test -e /usr/include/zlib.h
    need default-jre-headless find_java
    need maven command -v mvn
    need postgresql find_postgres
    need nginx find_nginx
    rust_is_new_enough || { distribution_has_rust && missing+=(cargo rustc rustfmt rust-clippy); } || explain_rust
    install_packages "${missing[@]}"
    find_java >/dev/null || die "Java 17 or newer is needed, and this distribution's default is older. Install one, and name its folder in JAVA_HOME."
}

install_for_checks() {
    local missing=()
    need shellcheck command -v shellcheck
    need openssl command -v openssl
    need patch command -v patch
    need python3-venv python3 -c 'import ensurepip, venv'
    install_packages "${missing[@]}"
}

install_packages() {
    (($# > 0)) || return 0
    command -v apt-get >/dev/null || die "missing here, and there is no apt-get to install it: $* (names as in Debian). Install them, then run this again."
    say "Installing $*"
    if ((EUID == 0)); then
        sh "$ROOT/infra/lib/apt-install.sh" "$@"
    elif command -v sudo >/dev/null; then
        sudo sh "$ROOT/infra/lib/apt-install.sh" "$@"
    else
        die "missing: $*. As root: sh infra/lib/apt-install.sh $*"
    fi
}
