#!/bin/sh
# batchnorm beside oneDNN and libtorch: checks every candidate against the exact truth, times all in turns and prints a
# table.
# Usage: benchmark/peers.sh [WORKLOAD...]     such as NC:65536x64:F32:1e4 (layout, sizes, type, mean of x)
#   Without workloads: all, in a new RESULT. With some: they are added to RESULT, where later lines count.
# Environment: RESULT=benchmark/results/peers.csv, THREADS="1 2", PASSES="train inference backward", TURNS=15;
# BATCHNORM_ISA, ONEDNN_MAX_CPU_ISA and other variables of the candidates pass through and are recorded.
# "make bench-peers" builds first.
set -eu
cd "$(dirname "$0")/.."
result=${RESULT:-benchmark/results/peers.csv}
record=${result%.csv}.txt
mkdir -p "$(dirname "$result")"

# libtorch allocates dx anew in each backward pass. This lets malloc keep what was freed instead of returning it to the
# system, whose fresh pages would cost more than the pass.
export MALLOC_ARENA_MAX=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184

if [ $# = 0 ]; then
  rm -f "$result" "$record"
  for type in F32 F64; do
    for shape in NC:256x64 NC:4096x256 NC:65536x64 NC:262144x64 NC:65536x1024 NC:16777216x4 NC:4x1000000 \
      NCHW:32x256x56x56 NCHW:32x1024x14x14 NCHW:256x512x7x7 NHWC:32x56x56x256; do
      set -- "$@" "$shape:$type"
    done
  done
  set -- "$@" NC:65536x64:F32:1e4 NC:65536x64:F32:1e6 NC:65536x64:F64:1e4 NC:65536x64:F64:1e6 \
    NC:262144x64:F16 NCHW:32x256x56x56:F16
fi

peers=benchmark/peers/target
{
  sh benchmark/machine.sh benchmark/peers.sh "$@"
  tr : '\n' <$peers/classpath | sed -n 's|.*/\([^/]*\)-linux-x86_64\.jar$|peer: \1|p'
  echo
} >>"$record"
# The young generation of the Java heap is so small for its part: the warm-up of a short pass goes through it more than once,
# so that no turn pays for pages that are touched for the first time (measured for 256×64: 6 of 24 µs).
for threads in ${THREADS:-1 2}; do
  for workload in "$@"; do
    echo "$threads threads, $workload" >&2
    # shellcheck disable=SC2086
    OMP_NUM_THREADS=$threads "$(sh build/tools.sh)/bin/java" -XX:MaxDirectMemorySize=4g -Xmn64m \
      -cp "$(echo $peers/batchnorm-peers-*.jar):$(cat $peers/classpath)" \
      dev.batchnorm.peers.SideBySide "$threads" "${TURNS:-15}" "$result" "$workload" \
      ${PASSES:-train inference backward}
  done
done
python3 benchmark/speed_table.py "$result"
