# shellcheck shell=bash

# render TEMPLATE FILE NAME=VALUE...: writes the file, with each ${NAME} replaced by its value. Other text is not
# touched.
render() {
    local template=$1 file=$2 text pair name
    shift 2
    text=$(<"$template")
    for pair in "$@"; do
        name="\${${pair%%=*}}"
        text=${text//"$name"/"${pair#*=}"}
    done
    printf '%s\n' "$text" >"$file"
}
