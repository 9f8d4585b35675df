#!/usr/bin/env bash
# Fails if a pure crate reaches a runtime (tokio, rdkafka, sqlx, axum) by any path. It then names the crate and the
# path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failed=0
for layer in domain schemas; do
    # Dependencies that only a crate's own tests use do not count.
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
