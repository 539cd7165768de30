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
packages=()
for crate in "${crates[@]}"; do
    packages+=(-p "$crate")
    [[ $crate == pool-object ]] && packages+=(--features pool-object/bytes)
done
export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom_models"
# All at once: one by one they would have what they share built for each.
cargo test --profile loom --target-dir target/loom "${packages[@]}" --test 'loom_*' "$@"
