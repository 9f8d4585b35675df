# shellcheck shell=bash
# Tools of the checks that no package of the distribution brings, pinned, each built once into TILL_HOME.

TOOLS=$TILL_HOME/tools
VENV=$TILL_HOME/venv

install_tools() {
    install_tool cargo-deny 0.20.2
    install_tool cargo-machete 0.9.2
    install_venv
    PATH=$TOOLS/bin:$PATH
}

# install_tool NAME VERSION: builds a tool without optimisation. That halves the minutes of its build, and costs a check
# a second.
install_tool() {
    local stamp=$TOOLS/$1-$2
    [[ ! -e $stamp ]] || return 0
    say "Building $1 $2 (once, some minutes)"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --force --root "$TOOLS" --version "$2" "$1" ||
        die "$1 could not be built; cargo's message is above."
    touch "$stamp"
}

# install_venv: installs the Python of the tests' oracle. It is installed again only when its requirements have changed.
install_venv() {
    local requirements=$ROOT/tests/requirements.txt
    [[ -e $requirements ]] || return 0
    cmp --quiet "$requirements" "$VENV/requirements.txt" && return
    say "Preparing Python for the tests"
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" ||
        die "pip could not install $requirements; its message is above."
    cp "$requirements" "$VENV/requirements.txt"
}
