#!/bin/sh
# What a result depends on besides its command: machine, system, compiler, Java, commit, and the environment that steers
# threads, instruction sets and memory. Usage: benchmark/machine.sh COMMAND...
set -eu
cd "$(dirname "$0")/.."
echo "command: $*"
echo "date: $(date -u '+%Y-%m-%d %H:%M UTC')"
echo "commit: $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- || echo ', with changes')"
LC_ALL=C lscpu | tr -s ' ' |
  grep -E '^(Model name|CPU family|Model|Stepping|CPU\(s\)|Thread|Core|L1d|L2|L3|Hypervisor|Flags)'
echo "system: $(uname -srm), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
echo "transparent huge pages: $(cat /sys/kernel/mm/transparent_hugepage/enabled)"
echo "compiler: $(c++ --version | head -n 1)"
"$(sh build/tools.sh)/bin/java" -version 2>&1 | sed 's/^/java: /'
env | grep -E '^(BATCHNORM|DNNL|GOMP|KMP|MALLOC|OMP|ONEDNN|PASSES|THREADS|TURNS)_?[A-Z_]*=' | sort || true
