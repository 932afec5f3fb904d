#!/bin/sh
# The covariance of N(0,1) data at both levels, interleaved with numpy.cov: median and extremes, in milliseconds.
# Usage: benchmark/covariance.sh [ROWSxCOLUMNS:TYPE...]     "make bench" builds first, as with JMH="-l"
# Environment: THREADS="1 2", TURNS=3 of RUNS=5 each, OPENBLAS_CORETYPE for both, as a numpy of Debian 12 needs it on newer processors.
set -eu
cd "$(dirname "$0")/.."
classpath=$(echo benchmark/target/batchnorm-benchmark-*.jar):$(cat benchmark/target/classpath)
java=$(sh build/tools.sh)/bin/java
[ $# != 0 ] || set -- 262144x64:f32 65536x512:f32 20000x2048:f32 262144x64:f64 65536x512:f64 20000x2048:f64
sh benchmark/machine.sh benchmark/covariance.sh "$@"
for workload; do
  type=${workload#*:} sizes=${workload%:*}
  for threads in ${THREADS:-1 2}; do
    for turn in $(seq "${TURNS:-3}"); do
      echo "$workload, $threads threads"
      "$java" -Xmx8g -cp "$classpath" dev.batchnorm.benchmark.CovarianceTimes "${sizes%x*}" "${sizes#*x}" "$type" \
        "$threads" "${RUNS:-5}"
      OPENBLAS_NUM_THREADS=$threads python3 - "${sizes%x*}" "${sizes#*x}" "$type" "${RUNS:-5}" <<'P'
import sys, time
import numpy as np
rows, columns, type, runs = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
x = np.random.default_rng(1).standard_normal((rows, columns)).astype(type.replace('f', 'float'))
times = []
for run in range(runs + 1):
    start = time.perf_counter()
    np.cov(x, rowvar=False, bias=True)
    times.append((time.perf_counter() - start) * 1e3)
times = sorted(times[1:])
print(f'numpy  {times[len(times) // 2]:9.1f} ms ({times[0]:.1f}–{times[-1]:.1f})')
P
    done
  done
done
