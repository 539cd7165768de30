#!/usr/bin/env bash
# Runs every loom model of the workspace: the interleavings of each protocol, all of
# them or all with a bounded number of preemptions, as the model says.
# `./loom.sh pool-object` runs one crate's; more arguments go to the tests.
#
# The cfg is our own, because `--cfg loom` would switch tokio's internals too.
set -euo pipefail
cd "$(dirname "$0")"
crates=(pool-object pool-worker errgroup)
if [[ " ${crates[*]} " == *" ${1:-} "* && -n ${1:-} ]]; then
    crates=("$1")
    shift
fi
export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom_models"
for crate in "${crates[@]}"; do
    features=()
    [[ $crate == pool-object ]] && features=(--features bytes)
    cargo test --profile loom --target-dir target/loom -p "$crate" "${features[@]}" --test 'loom_*' "$@"
done
