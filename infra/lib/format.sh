#!/usr/bin/env bash
# Formats every source file, or with --check says which are not formatted. `cargo fmt` would find files by following `mod`, and passes
# over modules that a macro declares: the contracts' folders.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.rs')
exec rustfmt --edition 2024 "$@" "${files[@]}"
