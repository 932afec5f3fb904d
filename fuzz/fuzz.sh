#!/bin/sh
# Fuzzes the readers of files and the command line with Jazzer, one target after the other.
# Usage: fuzz/fuzz.sh [TARGET...]     csv npy npz cli; without: all
#        fuzz/fuzz.sh TARGET FILE     one input again, such as a finding
# Environment: MINUTES=10, of each target. "make fuzz" builds first.
#   The corpus grows in fuzz/target/corpus and serves the next run; "make clean" forgets it.
# Exit code: 0 nothing found, 1 something found.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
java="$(sh build/tools.sh)/bin/java"
[ -e fuzz/target/classpath ] || { echo 'batchnorm: expected fuzz/target/classpath, found none; make fuzz builds it' >&2; exit 2; }
classpath="$root/fuzz/target/classes:$(cat fuzz/target/classpath)"

class_of() {
  case $1 in
    csv) echo dev.batchnorm.fuzz.CsvTarget ;;
    npy) echo dev.batchnorm.fuzz.NpyTarget ;;
    npz) echo dev.batchnorm.fuzz.NpzTarget ;;
    cli) echo dev.batchnorm.cli.CommandLineTarget ;;
    *) echo "batchnorm: expected one of csv, npy, npz, cli, found \"$1\"" >&2; exit 2 ;;
  esac
}

# The files that a target starts from, in folders of their own.
seed() {
  seeds="$root/fuzz/target/seeds/$1"
  rm -rf "$seeds"
  mkdir -p "$seeds"
  case $1 in
    csv) cp testdata/malformed/*.csv testdata/iris.csv fuzz/seeds/csv/* "$seeds"
         rm "$seeds/cases.csv" ;;
    npy) cp testdata/malformed/*.npy "$seeds" ;;
    npz) cp testdata/malformed/*.npz "$seeds"
         find testdata/golden -name '*.npz' -size -3k -exec cp {} "$seeds" \; ;;
    cli) python3 -c 'import csv, sys
for row in csv.DictReader(open(sys.argv[1], encoding="utf-8")):
    stdin = open("testdata/malformed/" + row["stdin"], "rb").read() if row["stdin"] else b""
    with open(sys.argv[2] + "/" + row["case"], "wb") as seed:
        seed.write(row["command"].encode() + b"\n" + stdin)' testdata/malformed/cases.csv "$seeds" ;;
  esac
}

# Commands read and write here, and nowhere else.
prepare() {
  rm -rf fuzz/target/work
  mkdir -p fuzz/target/work
  cp testdata/malformed/*.np[yz] testdata/malformed/*.csv fuzz/target/work
  mkdir -p "fuzz/target/corpus/$1" "fuzz/target/findings/$1"
}

# Jazzer's own instructions in our classes allocate too (1.2 MB for a refused file of 273 bytes, below 1.07 without), hence
# the room.
jazzer() {
  target=$1
  shift
  class=$(class_of "$target")
  (cd fuzz/target/work && exec "$java" -Xmx1g -Dbatchnorm.room=8388608 -XX:-OmitStackTraceInFastThrow -cp "$classpath" \
    com.code_intelligence.jazzer.Jazzer --target_class="$class" --instrumentation_includes='dev.batchnorm.**' \
    --custom_hook_includes='dev.batchnorm.**' --reproducer_path="$root/fuzz/target/findings/$target" \
    -artifact_prefix="$root/fuzz/target/findings/$target/" -timeout=20 -rss_limit_mb=3072 "$@")
}

if [ $# = 2 ] && [ -f "$2" ]; then
  class_of "$1" >/dev/null
  input=$(readlink -f "$2")
  prepare "$1"
  jazzer "$1" "$input"
  exit
fi

[ $# != 0 ] || set -- csv npy npz cli
found=0
for target; do
  class_of "$target" >/dev/null
  seed "$target"
  prepare "$target"
  log="fuzz/target/$target.log"
  echo "$target: ${MINUTES:-10} minutes, $(ls "$seeds" | wc -l) seeds, log in $log"
  code=0
  jazzer "$target" -max_total_time=$((${MINUTES:-10} * 60)) -max_len=4096 -print_final_stats=1 \
    -dict="$root/fuzz/$target.dict" \
    "$root/fuzz/target/corpus/$target" "$seeds" >"$log" 2>&1 || code=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  inputs=$(sed -n 's/.* corp: \([0-9]*\).*/\1/p' "$log" | tail -1)
  echo "$target: ${runs:-0} executions, ${edges:-0} edges covered, ${inputs:-0} inputs in the corpus"
  if [ "$code" != 0 ]; then
    found=1
    grep -m 3 '^== Java Exception\|^Caused by\|^java\.\|^ERROR\|SUMMARY' "$log" | cut -c 1-300 || tail -3 "$log"
    sed -n "s|.*Test unit written to |$target: found |p" "$log"
    echo "$target: again with fuzz/fuzz.sh $target FILE"
  fi
done
exit $found
