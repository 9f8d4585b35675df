# shellcheck shell=bash
# What the systems that contracts stand for began with, taken over through the front door.

# fixtures: imports each file of infra/fixtures into the running stack, as the demo's admin. What is there already stays as it is.
fixtures() {
    local file token answers
    process_alive nginx || die "nothing runs to import into. Start it: ./till up"
    token=$(curl --silent --fail "$FRONT_DOOR/v1/auth/login" --data '{"username":"admin","password":"admin"}' |
        sed -nE 's/.*"access_token":"([^"]+)".*/\1/p') || true
    [[ -n $token ]] || die "the demo's admin cannot log in, so nothing was imported: its password must be admin."
    for file in "$ROOT"/infra/fixtures/*.json; do
        answers=$(curl --silent --fail-with-body "$FRONT_DOOR/v1/import" --header "Authorization: Bearer $token" \
            --header 'Content-Type: application/json' --data-binary "@$file") ||
            die "$file is not imported: $answers"
        ! grep --quiet '"status":' <<<"$answers" ||
            die "of $file not all is imported: $(grep --max-count=1 '"status":' <<<"$answers")"
        say "$(wc -l <<<"$answers") lines of $(basename "$file") are there."
    done
}
