#!/usr/bin/env bash
# The inner layers reach no runtime: fails, naming the crate and the way to it, if the pure crates depend on one by any path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failed=0
for layer in domain schemas; do
    # What a crate's own tests use is no part of it.
    reached=$(cargo tree --locked --package "$layer" --edges normal,build --prefix none --format '{p}' | awk '{ print $1 }' | sort -u)
    for runtime in tokio rdkafka rdkafka-sys sqlx sqlx-core axum; do
        if grep --quiet --line-regexp --fixed-strings "$runtime" <<<"$reached"; then
            echo "$layer must not depend on $runtime, and does:" >&2
            cargo tree --locked --package "$layer" --edges normal,build --invert "$runtime" >&2
            failed=1
        fi
    done
done
exit "$failed"
