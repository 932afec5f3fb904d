#!/bin/sh
# forward of the 150 x 4 iris.csv, process start included, beside a numpy script that does the same. Needs hyperfine.
# Usage: benchmark/small_file.sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/numpy_forward.py" <<'P'
import sys
import numpy as np
x = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1, usecols=range(4))
np.savetxt(sys.argv[2], (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), delimiter=",")
P
"$root/batchnorm" --version
hyperfine -N --warmup 3 --runs 20 \
  "$root/batchnorm forward $root/testdata/iris.csv --exclude species -o $folder/y.csv" \
  "/usr/bin/python3 $folder/numpy_forward.py $root/testdata/iris.csv $folder/y.csv"
