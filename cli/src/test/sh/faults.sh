#!/usr/bin/env bash
# What files and signals do to ./batchnorm: killed while it writes, disk full, input cut short, directory gone, no
# permission, nobody reading. An output must appear whole or not at all, with the exit code and the one line that
# the contract names. What cannot be done here is skipped, and said so.
# Usage: faults.sh [KILLS [SEED]]       ends with 1 if anything was wrong
set -u
kills=${1:-200}
RANDOM=${2:-1}
root=$(cd "$(dirname "$0")/../../../.." && pwd)
batchnorm=$root/batchnorm
folder=$(mktemp -d)
spools=$folder/spools
mount=$folder/full
trap 'umount "$mount" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
mkdir out right spools full
export BATCHNORM_JAVA_OPTS="${BATCHNORM_JAVA_OPTS-} -Djava.io.tmpdir=$spools"
set -m # else what runs in the background ignores SIGINT
exec 3>&2
wrong=0 left_behind=0 finished=0 cut_short=0

# Says what is wrong with the run, and all that there is to repeat it.
report() {
  wrong=$((wrong + 1))
  printf 'WRONG: %s\n  command: %s\n  code: %s\n' "$1" "$command" "$code"
  sed 's/^/  error: /' error | head -n 5
  ls -A out spools | sed 's/^/  left: /'
}

# start INPUT ARGUMENTS…: in the background; INPUT is a file that comes through a pipe, or none.
start() {
  local input=$1
  shift
  exec 2>/dev/null # until it has ended: bash tells who was killed
  command="batchnorm $* ${input:+< <(cat $input)}"
  if [ -n "$input" ]; then
    "$batchnorm" "$@" < <(cat "$input" 2>/dev/null) >/dev/null 2>error &
  else
    "$batchnorm" "$@" </dev/null >/dev/null 2>error &
  fi
  pid=$!
}

# Waits 30 s for what was started, and for no longer.
finish() {
  local tenths
  for ((tenths = 0; tenths < 600; tenths++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  if ((tenths == 600)); then
    kill -KILL "$pid"
    code=none
    report 'it did not end within 30 s'
  fi
  wait "$pid"
  code=$?
  exec 2>&3
}

# Waits until it writes in a directory, or has ended.
await_temporary() {
  while kill -0 "$pid" 2>/dev/null && [ -z "$(find "$1" -name '.batchnorm-*' 2>/dev/null)" ]; do
    sleep 0.01
  done
}

# Sleeps up to so many milliseconds.
nap() {
  sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

# run CODE ARGUMENTS…: to its end; one line on standard error unless the code is 0.
run() {
  local expected=$1
  shift
  start '' "$@"
  finish
  check_code "$expected"
}

check_code() {
  local lines
  lines=$(grep -vc '^hint: ' error)
  if [ "$code" != "$1" ]; then
    report "expected exit code $1"
  elif [ "$1" = 0 ] && [ -s error ]; then
    report 'expected nothing on standard error'
  elif [ "$1" != 0 ] && { [ "$lines" != 1 ] || ! grep -q '^batchnorm: ' error; }; then
    report 'expected one line on standard error'
  fi
}

# check_output TARGET RIGHT [OLD]: it is right, or as before.
check_output() {
  if [ -e "$1" ]; then
    cmp -s "$1" "$2" || { [ -n "${3-}" ] && cmp -s "$1" "$3"; } || report "$1 is neither old nor right"
  elif [ -n "${3-}" ]; then
    report "$1 is gone"
  fi
  if [ "$code" = 0 ] && ! cmp -s "$1" "$2"; then
    report "$1 is not right after exit code 0"
  fi
}

check_nothing_left() {
  [ -z "$(find "$folder" -name '.batchnorm-*' -o -name 'batchnorm-*.tmp')" ] || report 'a temporary file is left'
}

section() {
  printf '%s\n' "$*"
}

section "seed ${2:-1}, $("$batchnorm" --version)"
awk -v seed="$RANDOM" 'BEGIN {
  srand(seed); print "id,a,b,c,d,label"
  for (i = 0; i < 150000; i++)
    printf "%d,%.9f,%.9f,%.9f,%.9f,\"row, %d\"\n", i, rand(), 1e3 * rand(), rand() - 0.5, 1e-3 * rand(), i
}' > x.csv
chosen=(--exclude id,label)
"$batchnorm" convert x.csv "${chosen[@]}" -o some.npy
{
  printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '<f8', 'fortran_order': False, 'shape': (2400000, 4), }"
  for ((i = 0; i < 16; i++)); do tail -c +129 some.npy; done
} > x.npy
echo 'what stood there before' > old
"$batchnorm" forward x.csv "${chosen[@]}" -o right/forward.csv
"$batchnorm" forward x.npy -o right/forward.npy
"$batchnorm" convert x.csv "${chosen[@]}" --dtype f32 -o right/convert.csv
"$batchnorm" convert x.npy --dtype f32 --narrow -o right/convert.npy

section "1. $kills kills while it runs: CSV and NPY, forward and convert, from a file and through a pipe"
signals=(TERM INT KILL)
codes=(143 130 137)
for ((i = 0; i < kills; i++)); do
  format=csv verb=forward input='' source=x.csv options=("${chosen[@]}") before=''
  ((i % 2)) && format=npy source=x.npy options=()
  ((i / 2 % 2)) && verb=convert && options+=(--dtype f32 --narrow)
  ((i / 4 % 2)) && input=$source source=-
  ((i / 8 % 2)) && before=old
  target=out/y.$format
  ((i % 50 == 49)) && section "   $i done, $finished of them had finished"
  rm -rf out && mkdir out
  [ -n "$before" ] && cp "$before" "$target"
  start "$input" "$verb" "$source" "${options[@]}" -o "$target"
  ((i % 5)) && await_temporary out
  nap $((i % 5 ? 250 : 900))
  kill "-${signals[i % 3]}" "$pid" 2>/dev/null
  finish
  if [ "$code" = 0 ]; then
    finished=$((finished + 1))
  elif [ "$code" != "${codes[i % 3]}" ]; then
    report "expected exit code ${codes[i % 3]} after SIG${signals[i % 3]}, or 0"
  fi
  [ -s error ] && report "expected nothing on standard error after SIG${signals[i % 3]}"
  check_output "$target" "right/$verb.$format" "$before"
  if [ "${signals[i % 3]}" = KILL ]; then
    left_behind=$((left_behind + $(find out -name '.batchnorm-*' | wc -l)))
    rm -f out/.batchnorm-*
  fi
  check_nothing_left
done
section "   $finished had finished; $left_behind temporary files were left by SIGKILL, which no process survives to clean up"

section '2. disk full'
if mount -t tmpfs -o size=2m tmpfs "$mount" 2>/dev/null; then
  for format in csv npy; do
    echo 'what stood there before' > "$mount/y.$format"
    run 5 forward x.csv "${chosen[@]}" -o "$mount/y.$format"
    check_output "$mount/y.$format" right/forward.$format old
    run 5 convert x.npy -o "$mount/new.$format"
    [ -e "$mount/new.$format" ] && report 'an output appeared'
    check_nothing_left
  done
  BATCHNORM_JAVA_OPTS="-Djava.io.tmpdir=$mount" start x.npy forward - --max-memory 1M -o out/full.npy
  finish
  check_code 5
  [ -e out/full.npy ] && report 'an output appeared'
  check_nothing_left
  umount "$mount"
else
  section '   SKIPPED: this user may not mount a small file system'
fi

section '3. input cut short while it is read'
for ((i = 0; i < 24; i++)); do
  format=csv options=("${chosen[@]}") threads=$((1 + i % 4 * 2))
  ((i % 2)) && format=npy options=()
  rm -rf out && mkdir out
  cp x.$format in.$format
  start '' forward in.$format "${options[@]}" --threads $threads -o out/y.$format
  ((i % 3)) && await_temporary out
  nap $((i % 3 ? 100 : 600))
  # Within the last cell of a record, so that what is left of the text is never a table.
  size=$(($(head -n $((i / 2 % 2 ? 9 : 20000)) x.csv | wc -c) - 3))
  truncate -s "$size" in.$format
  finish
  if [ "$code" = 0 ]; then
    check_output out/y.$format right/forward.$format
  else
    cut_short=$((cut_short + 1))
    check_code 3
    [ -e out/y.$format ] && report 'an output appeared'
  fi
  check_nothing_left
done
section "   $cut_short of 24 runs met the end"

section '4. the directory of the output removed while it is written'
for format in csv npy; do
  for source in x.csv x.npy; do
    mkdir gone
    options=("${chosen[@]}")
    [ $source = x.npy ] && options=()
    start '' forward $source "${options[@]}" -o gone/y.$format
    await_temporary gone
    rm -rf gone
    finish
    check_code 5
    rm -rf gone
  done
done

section '5. no permission'
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  chmod 755 "$folder"
  chmod 777 "$spools"
fi
if "${as[@]}" "$batchnorm" --version >/dev/null 2>&1; then
  mkdir closed open
  chmod 777 open
  echo 'what stood there before' | tee closed/y.npy > open/y.npy
  chmod 444 closed/y.npy open/y.npy
  chmod 555 closed
  for target in closed/new.csv closed/y.npy open/y.npy open; do
    command="as nobody: batchnorm forward x.npy -o $target"
    "${as[@]}" timeout -s KILL 30 "$batchnorm" forward x.npy -o $target </dev/null >/dev/null 2>error
    code=$?
    check_code 5
  done
  code='-'
  check_output closed/y.npy old old
  check_output open/y.npy old old
  check_nothing_left
  chmod 755 closed
else
  section "   SKIPPED: another user than root can not run $batchnorm here"
fi

section '6. nobody reads on; no standard input'
for arguments in 'convert x.npy --to csv' 'forward x.csv --exclude id,label' 'forward x.npy' 'convert - --to csv' \
  'forward - --max-memory 0'; do
  command="batchnorm $arguments < x.npy | head -c 100"
  # shellcheck disable=SC2086
  timeout -s KILL 30 "$batchnorm" $arguments <x.npy 2>error | head -c 100 >/dev/null
  code=${PIPESTATUS[0]}
  check_code 0
done
command='batchnorm stats - <&-'
code=0
"$batchnorm" stats - <&- >/dev/null 2>error || code=$?
check_code 3
grep -q 'found none$' error || report 'expected an empty standard input'

section '7. onto the input'
for format in csv npy; do
  options=("${chosen[@]}")
  [ $format = npy ] && options=()
  rm -rf out && mkdir out
  for signal in none TERM INT KILL TERM INT KILL; do
    cp x.$format out/x.$format
    start '' forward out/x.$format "${options[@]}" -o out/x.$format
    if [ $signal != none ]; then
      await_temporary out
      nap 150
      kill -$signal "$pid" 2>/dev/null
    fi
    finish
    [ $signal = none ] && check_code 0
    check_output out/x.$format right/forward.$format x.$format
    [ $signal = KILL ] && rm -f out/.batchnorm-*
    check_nothing_left
  done
done

section '8. standard input beyond --max-memory'
rm -rf out && mkdir out
for source in x.csv x.npy; do
  format=${source#x.}
  options=("${chosen[@]}")
  [ $format = npy ] && options=()
  start $source forward - "${options[@]}" --max-memory 1M -o out/y.$format
  finish
  check_code 0
  check_output out/y.$format right/forward.$format
  check_nothing_left
  rm -f out/y.$format
  head -c 5000003 $source > cut
  start cut forward - "${options[@]}" --max-memory 1M -o out/y.$format
  finish
  check_code 3
  check_nothing_left
  for signal in TERM INT KILL; do
    # It waits for the rest, which never comes.
    mkfifo fifo
    exec 2>/dev/null
    "$batchnorm" forward - "${options[@]}" --max-memory 1M -o out/y.$format <fifo >/dev/null 2>error &
    pid=$! command="batchnorm forward - --max-memory 1M, then SIG$signal"
    exec 9>fifo
    cat cut >&9
    sleep 0.2
    kill -$signal "$pid"
    finish
    exec 9>&-
    rm -f fifo
    [ -s error ] && report 'expected nothing on standard error'
    [ -e out/y.$format ] && report 'an output appeared'
    rm -f out/.batchnorm-*
    check_nothing_left
  done
done

if ((wrong)); then
  section "$wrong WRONG"
  exit 1
fi
section 'all right'
