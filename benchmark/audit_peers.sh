#!/bin/sh
# What oneDNN and libtorch give, audited: writes their results as NPY and a report of what `batchnorm audit` says.
# Usage: benchmark/audit_peers.sh [WORKLOAD...]     "make audit-peers" builds first
# Environment: OUTPUTS=benchmark/peers/target/audit, REPORT=docs/audit-example.md, THREADS=1; ONEDNN_MAX_CPU_ISA and the
# like pass through and are recorded. Each workload of the default takes some 200 MB in OUTPUTS.
set -eu
cd "$(dirname "$0")/.."
outputs=${OUTPUTS:-benchmark/peers/target/audit}
threads=${THREADS:-1}
if [ $# = 0 ]; then
  for shape in NC:65536x64 NCHW:64x64x32x32 NHWC:64x32x32x64; do
    set -- "$@" $shape:F32 $shape:F32:1e4 $shape:F32:1e6
  done
fi
peers=benchmark/peers/target
rm -rf "$outputs"
mkdir -p "$outputs"
{
  sh benchmark/machine.sh benchmark/audit_peers.sh "$@"
  echo "threads: $threads"
  tr : '\n' <$peers/classpath | sed -n 's|.*/\([^/]*\)-linux-x86_64\.jar$|peer: \1|p'
} >"$outputs/machine.txt"
OMP_NUM_THREADS=$threads "$(sh build/tools.sh)/bin/java" -XX:MaxDirectMemorySize=4g \
  -cp "$(echo $peers/batchnorm-peers-*.jar):$(cat $peers/classpath)" \
  dev.batchnorm.peers.PeerOutputs "$threads" "$outputs" "$@"
python3 benchmark/audit_report.py "$outputs" "${REPORT:-docs/audit-example.md}"
