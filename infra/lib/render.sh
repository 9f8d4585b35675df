# shellcheck shell=bash

# render TEMPLATE FILE VARIABLE...: writes the file with ${VARIABLE} replaced by its value, no other text touched.
render() {
    local template=$1 file=$2 text name
    shift 2
    text=$(<"$template")
    for name in "$@"; do
        text=${text//"\${$name}"/"${!name}"}
    done
    printf '%s\n' "$text" >"$file"
}
