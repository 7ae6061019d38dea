#!/usr/bin/env bash
# Compares a GPU with the processor, and prints a table: ratios, masks, statistics, perplexity, divergence.
#   tests/gpu.sh                 builds with the feature `cuda`, which takes CUDA's compiler, and runs
#   tests/gpu.sh FOLDER          runs what was built elsewhere: FOLDER has the tests, `it`, and where figures are wanted the
#                                benchmark `gpu_bench`; both from the project's own folder
# What to put into FOLDER:
#   cargo test --release --features cuda --test it --no-run         the executable that it names, as FOLDER/it
#   cargo bench --features cuda --bench gpu --no-run                the same, as FOLDER/gpu_bench
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
export ALLOT_NEEDS_GPU=1
# Built elsewhere, the libraries may lie where the linker does not look.
for library in libcublas.so.13 libcurand.so.10 libcudart.so.13 libnvrtc.so.13; do
    found=$(ldconfig -p 2>/dev/null | grep -c "$library" || true)
    if [ "$found" = 0 ]; then
        path=$(find / -name "$library" -not -path '/proc/*' -print -quit 2>/dev/null || true)
        [ -n "$path" ] && LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(dirname "$path")
    fi
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
if [ $# -gt 0 ]; then
    ALLOT_BUNDLED=$here/examples/tiny-stories-12l "$1/it" gpu:: --nocapture
    if [ -x "$1/gpu_bench" ]; then "$1/gpu_bench" --bench; fi
else
    cargo test --release --features cuda --test it gpu:: -- --nocapture
fi
