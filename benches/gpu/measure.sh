#!/usr/bin/env bash
# Everything about a graphics card in one call: `measure.sh OUT [BINARY] [-- OPTIONS OF THE BINARY]`.
#
# Runs the benchmark binary (target/release/gpu unless named), then peers.py where python3 has PyTorch or CuPy, on the same sparse
# matrix, and puts both beside each other in OUT/summary.md. The short summary is printed last. SPARSE=FILE (.npz of
# SciPy, CSR) takes a real matrix of counts. BUDGET and PEERS_BUDGET are seconds; together they stay below ten minutes.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
[ $# -ge 1 ] || { echo "usage: measure.sh OUT [BINARY] [-- OPTIONS]" >&2; exit 2; }
out=$1
shift
binary="$here/../../target/release/gpu"
if [ $# -ge 1 ] && [ "$1" != -- ]; then
    binary=$1
    shift
fi
[ "${1:-}" != -- ] || shift
[ -x "$binary" ] || { echo "$binary: not there; cargo build --release -p nmf-bench --bin gpu" >&2; exit 2; }

mkdir -p "$out"
# what an earlier run left is not of this card
rm -f "$out"/{results.json,results.md,results.svg,peers.json,peers.err,summary.md,ours.log}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Mesa complains on stderr where this is not set
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$scratch}"

quick=()
sparse=${SPARSE:-}
for option in "$@"; do [ "$option" != --quick ] || quick=(--quick); done
if [ -z "$sparse" ] && [ ${#quick[@]} -eq 0 ]; then
    sparse="$scratch/counts.npz"
    "$binary" --write-sparse "$sparse"
fi
file=()
[ -z "$sparse" ] || file=(--sparse "$sparse")

# what was measured before a failure is in OUT; the failure counts at the end
status=0
"$binary" --out "$out" --budget "${BUDGET:-330}" "${file[@]}" "$@" | tee "$out/ours.log" || status=$?

if command -v python3 >/dev/null; then
    device=()
    [ -z "${PEERS_DEVICE:-}" ] || device=(--device "$PEERS_DEVICE")
    python3 "$here/peers.py" --out "$out/peers.json" --budget "${PEERS_BUDGET:-180}" "${file[@]}" "${quick[@]}" "${device[@]}" \
        2>"$out/peers.err" || { echo "peers.py failed:" >&2; tail -n 3 "$out/peers.err" >&2; }
    [ -s "$out/peers.err" ] || rm -f "$out/peers.err"
else
    echo "python3: not installed, so no peers"
fi
[ ! -f "$out/results.json" ] || "$binary" --merge "$out/results.json" "$out/peers.json" --out "$out"
exit "$status"
