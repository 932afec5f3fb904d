#!/bin/sh
# forward of a ROWS x 64 f32 NPY file, interleaved with cp and a numpy script: seconds and peak memory of each run.
# Usage: benchmark/forward_file.sh [ROWS] [FOLDER]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rows=${1:-4000000}
folder=$(mktemp -d "${2:-/dev/shm}/batchnorm.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
/usr/bin/python3 - "$rows" <<'P'
import sys, numpy as np
rows, random = int(sys.argv[1]), np.random.default_rng(1)
x = np.lib.format.open_memmap("x.npy", mode="w+", dtype="<f4", shape=(rows, 64))
for first in range(0, rows, 100000):
    x[first:first + 100000] = 1e4 + random.standard_normal((min(100000, rows - first), 64), dtype="f4")
P
cat > numpy_forward.py <<'P'
import numpy as np
x = np.load("x.npy")
np.save("y.npy", (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5))
P
for run in 1 2 3 4 5; do
  for candidate in "cp x.npy y.npy" "$root/batchnorm forward x.npy -o y.npy" \
    "$root/batchnorm forward x.npy --engine java -o y.npy" "/usr/bin/python3 numpy_forward.py"; do
    rm -f y.npy
    # shellcheck disable=SC2086
    /usr/bin/time -f "%e s  %M KB  $candidate" $candidate
  done
done
