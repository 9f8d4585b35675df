# shellcheck shell=bash
# What Till is built of: crates without a known fault or a withdrawn version, and images that name one version.

# The place where cargo-deny looks, unless deny.toml says another.
ADVISORIES=https://github.com/RustSec/advisory-db
ADVISORIES_WITHIN_S=60

# check_advisories: looks for crates with a known fault, and for yanked ones. Where the database of faults cannot be
# had, this is noted in the caller's list `skipped`. Then only yanked crates are looked for: the index that cargo builds
# from tells of them.
check_advisories() {
    if timeout "$ADVISORIES_WITHIN_S" cargo deny --locked fetch db; then
        step advisories cargo deny --locked check advisories
        return
    fi
    skipped+=("the check of crates for known faults, because its database cannot be had from $ADVISORIES")
    step "yanked crates" check_yanked
}

# check_yanked: cargo-deny looks for yanked crates only with an advisory database, and takes none that is empty. So it
# is given one, as a git repository, with a single advisory about a crate that nobody uses.
check_yanked() {
    local folder=$TILL_HOME/advisories
    rm -rf "$folder"
    mkdir -p "$folder/source/crates/no-such-crate"
    cat >"$folder/source/crates/no-such-crate/RUSTSEC-2000-0001.md" <<'END'
```toml
[advisory]
id = "RUSTSEC-2000-0001"
package = "no-such-crate"
date = "2000-01-01"
[versions]
patched = []
```
# None
END
    git -C "$folder/source" init --quiet --initial-branch main
    git -C "$folder/source" add --all
    git -C "$folder/source" -c user.name=till -c user.email=till@localhost commit --quiet --message "One advisory"
    sed "/^\[advisories\]/a db-path = \"$folder/cloned\"" "$ROOT/deny.toml" >"$folder/deny.toml"
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=url.file://$folder/source.insteadOf GIT_CONFIG_VALUE_0=$ADVISORIES \
        cargo deny --locked --config "$folder/deny.toml" check advisories
}

# check_images FILE...: fails unless every image names one version, by a tag of two numbers (Postgres, Debian) or three,
# or by a digest.
check_images() {
    local file image failed=0
    for file in "$@"; do
        while read -r image; do
            [[ $image =~ @sha256:[0-9a-f]{64}$ || $image =~ :[0-9]+\.[0-9]+\.[0-9]+[^/]*$ ]] && continue
            [[ $image =~ ^(postgres|debian):[0-9]+\.[0-9]+[^/]*$ ]] && continue
            complain "$file takes whatever $image is today: name one version, as postgres:15.18-bookworm does."
            failed=1
        done < <(sed -nE 's/^[[:space:]]*image: *([^[:space:]]+).*/\1/p; s/^FROM +([^[:space:]]+).*/\1/p' "$file" | grep -v '^till:local$')
    done
    return "$failed"
}
