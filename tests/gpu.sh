#!/usr/bin/env bash
# Compares results on a GPU with those on the processor, and prints a table: ratios, masks, statistics, perplexity, divergence.
#   tests/gpu.sh                 builds with the feature `cuda`, which needs CUDA's compiler, and runs
#   tests/gpu.sh FOLDER          runs executables that were built elsewhere: FOLDER/it has the tests, and FOLDER/gpu_bench, if it
#                                exists, the benchmark; run it in a checkout of the project
# To fill FOLDER:
#   cargo test --release --features cuda --test it --no-run         prints the name of an executable; copy it to FOLDER/it
#   cargo bench --features cuda --bench gpu --no-run                the same; copy it to FOLDER/gpu_bench
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
export ALLOT_NEEDS_GPU=1
# On another machine, the linker may not find the libraries.
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
