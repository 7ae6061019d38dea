#!/bin/sh
# Regenerates the pictures of the README and the book in docs/pictures; takes a minute or two.
#
#     cargo build --release && docs/pictures/make.sh
set -e
cd "$(dirname "$0")/../.."
binary=$(realpath "${ALLOT:-target/release/allot}")
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
allot() { "$binary" "$@" > "$scratch/said"; }

allot search examples/tiny-stories-12l --sparsity 0.7 --texts examples/tiny-stories-12l/text --length 128 --report-windows 16 --evaluations 80 --out "$scratch/run"
cp "$scratch/run/ratios.svg" docs/pictures/ratios.svg
cp "$scratch/run/curve.svg" docs/pictures/curve.svg
cp "$scratch/run/front.svg" docs/pictures/front.svg

allot compare examples/tiny-stories-12l uniform owl dlp atp --sparsity 0.5,0.6,0.7 --texts examples/tiny-stories-12l/text --length 128 --report-windows 16 --out "$scratch/compared"
cp "$scratch/compared/perplexity.svg" docs/pictures/perplexity.svg

allot eval examples/tiny-stories-12l owl --text examples/tiny-stories-12l/text/calibration.jsonl --length 128 --sparsity 0.7 --figure docs/pictures/owl.svg
