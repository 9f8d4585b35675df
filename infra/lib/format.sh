#!/usr/bin/env bash
# Formats every source file. With --check it names those that are not formatted. `cargo fmt` is not used: it finds files
# by following `mod`, and so misses modules that a macro declares, such as the contracts' folders.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.rs')
exec rustfmt --edition 2024 "$@" "${files[@]}"
