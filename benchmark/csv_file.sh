#!/bin/sh
# forward of a ROWS x 20 CSV to CSV, on 2 threads and on 1, interleaved with DuckDB doing the same: seconds, process start
# included, and peak memory of each run.
# Usage: benchmark/csv_file.sh [ROWS] [FOLDER]     "make bench-peers" has built what runs DuckDB.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rows=${1:-1000000}
peers=$root/benchmark/peers/target
classpath=$(echo "$peers"/batchnorm-peers-*.jar):$(cat "$peers/classpath")
java=$(sh "$root/build/tools.sh")/bin/java
folder=$(mktemp -d "${2:-/dev/shm}/batchnorm.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 - "$rows" <<'P'
import random, sys
random.seed(1)
gauss = random.gauss
with open("x.csv", "w") as file:
    for _ in range(int(sys.argv[1])):
        file.write(",".join([repr(gauss(0, 1)) for _ in range(20)]) + "\n")
P
for run in 1 2 3 4 5; do
  for threads in 2 1; do
    /usr/bin/time -f "%e s  %M KB  batchnorm, $threads threads" \
      "$root/batchnorm" forward --threads $threads x.csv -o y.csv
    /usr/bin/time -f "%e s  %M KB  DuckDB, $threads threads" \
      "$java" -cp "$classpath" dev.batchnorm.peers.DuckDb x.csv duck.csv 20 $threads
  done
done
