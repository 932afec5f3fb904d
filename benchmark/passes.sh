#!/bin/sh
# JMH benchmarks of the passes of both engines, named as the methods of Engine.
# Usage: benchmark/passes.sh [JMH OPTION...]     such as -p shape=NCHW:8x64x56x56 -p threads=2 normalise
#   Without options: a quick run of two shapes with one thread.
# Environment: RESULT=benchmark/results/passes.csv. "make bench" builds first.
set -eu
cd "$(dirname "$0")/.."
result=${RESULT:-benchmark/results/passes.csv}
mkdir -p "$(dirname "$result")"
[ $# != 0 ] || set -- -p shape=NC:4096x256,NC:4x10000 -p type=F32,F64 -p threads=1 -wi 3 -w 200ms -i 5 -r 200ms
sh benchmark/machine.sh benchmark/passes.sh "$@" >"${result%.csv}.txt"
exec "$(sh build/tools.sh)/bin/java" \
  -cp "$(echo benchmark/target/batchnorm-benchmark-*.jar):$(cat benchmark/target/classpath)" \
  org.openjdk.jmh.Main -rf csv -rff "$result" "$@"
