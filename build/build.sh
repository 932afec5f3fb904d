#!/bin/sh
# Builds what ../batchnorm runs: the jars, and an archive of loaded classes that lets Java start faster.
# One build at a time; one that did not finish is begun anew.

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 69
log=$root/.build/build.log

say() { echo "batchnorm: $*" >&2; }

give_up() {
  rm -f .build/unfinished # it ended by itself; what is there can be gone on with
  say "$1"
  # What failed comes first; Maven's last lines are the same for every failure.
  sed "s/$(printf '\033')\[0m//g" "$log" | { grep -i error || tail -n 12 "$log"; } |
    grep -v '^\[ERROR\] *\(\[Help\|To see\|For more\|After\|Re-run\|mvn\|$\)' | head -n 12 >&2
  echo "hint: the whole log is $log" >&2
  exit 69
}

if [ "${1-}" != locked ]; then
  if ! mkdir -p "$root/.build" 2>/dev/null || [ ! -w "$root/.build" ]; then
    say "$root: must be built, and this user cannot write there"
    exit 69
  fi
  if command -v flock >/dev/null; then
    flock -n "$root/.build/lock" true || say "waiting for another build to finish"
    exec flock "$root/.build/lock" sh "$0" locked
  elif command -v lockf >/dev/null; then
    exec lockf -k "$root/.build/lock" sh "$0" locked
  fi
fi

. "$root/build/state.sh"
cd "$root" || exit 69

mvn_quietly() {
  JAVA_HOME=$jdk mvn -B -q -ntp -Dstyle.color=never -Dquick -Dmaven.test.skip=true "$@" </dev/null >>"$log" 2>&1
}

# Packages the modules $1, in target/quick (profile quick of ../pom.xml), and copies their jars, and those they need, to the folder $new.
build_jars() {
  mvn_quietly -pl "$1" -am package dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$new" || return
  version=$(sed -n 's|.*<version>\(.*\)</version>.*|\1|p' pom.xml | head -n 1)
  for module in $(echo "$1" | tr , ' '); do
    cp "$module/target/quick/batchnorm-$module-$version.jar" "$new" || return
  done
}

# picocli is compiled for Java 5, which the archive refuses. Compiled again it starts 25 to 40 ms faster.
modernise_picocli() {
  jar=$(basename "$new"/picocli-*.jar .jar)
  if [ ! -e ".build/$jar.jar" ]; then
    rm -rf .build/picocli && mkdir -p .build/picocli/classes && mvn_quietly -N dependency:copy \
      -Dartifact="info.picocli:picocli:${jar#picocli-}:jar:sources" -DoutputDirectory="$root/.build/picocli" &&
      (cd .build/picocli && "$jdk/bin/jar" xf ./*-sources.jar picocli &&
        "$jdk/bin/javac" --release 17 -nowarn -proc:none -XDstringConcat=inline -d classes picocli/*.java &&
        "$jdk/bin/jar" cf "../$jar.jar" -C classes .) >>"$log" 2>&1
    rm -rf .build/picocli
  fi
  [ ! -e ".build/$jar.jar" ] || cp ".build/$jar.jar" "$new"
}

# What this compiler builds is known to work; elsewhere an engine in Java is better than none.
is_known_platform() {
  case $(uname -sm) in
    "Linux x86_64" | "Linux aarch64" | "Darwin x86_64" | "Darwin arm64") ;;
    *) return 1 ;;
  esac
}

# CMake keeps absolute paths and refuses to go on when the checkout was moved or copied.
cmake_is_of_another_place() {
  cache=native/target/quick/cmake/library/CMakeCache.txt
  [ -e "$cache" ] && ! grep -qF "=$root/native/src/main/cpp" "$cache"
}

build() {
  jdk=$(sh build/tools.sh) || exit
  : >"$log"
  if [ -e .build/unfinished ] || cmake_is_of_another_place; then
    rm -rf ./*/target/quick
  fi
  : >.build/unfinished
  # What is dated in the future would be newer than every build.
  find pom.xml build ./*/pom.xml ./*/src -newer .build/unfinished -exec touch {} +

  new=$root/.build/app.$$
  rm -rf "$new" && mkdir "$new" || exit 69
  if ! has_native_tools; then
    say "building; log: $log"
    say "no C++ compiler: the Java engine serves; install g++, cmake and make and run again for the native engine"
    build_jars cli || give_up "the build did not succeed"
    : >"$new/java-only"
  else
    say "building the native and the Java engine, which takes a minute the first time; log: $log"
    if ! build_jars cli,native; then
      is_known_platform || build_jars cli || give_up "the build did not succeed"
      is_known_platform && give_up "the build did not succeed"
      say "$(uname -sm): the native engine does not build here: the Java engine serves; log: $log"
    fi
  fi
  modernise_picocli
  find .build -maxdepth 1 -name 'app.*' ! -path ".build/${new##*/}" ! -path ".build/${app##*/}" -exec rm -rf {} +
  built_java=$jdk
  publish "${new##*/}" .build/unfinished
  rm .build/unfinished
}

# Makes the folder $1 the current one, built from sources that were there at the time of the file $2.
publish() {
  printf '%s\n' "$1" "$built_java" "$root" >.build/next && touch -r "$2" .build/next && mv .build/next .build/current
}

# Runs the main job once and lets Java keep what it loaded. An empty archive says that this was tried. Sources that
# changed meanwhile must not make this run wait for the lock that is held here.
train() {
  : >"$archive" || return
  trap 'rm -f "$archive"; exit 130' INT TERM HUP
  option=-XX:ArchiveClassesAtExit
  [ "$archive_option" = -XX:AOTCache ] && option=-XX:AOTCacheOutput
  # A relative path, because options are separated by blanks.
  (cd "$app" && rm -f new.archive && BATCHNORM_BUILDING=yes BATCHNORM_JAVA_OPTS="$option=new.archive" \
    "$root/batchnorm" forward "$root/testdata/iris.csv" --exclude species -o trained.csv </dev/null >>"$log" 2>&1
    rm -f trained.csv
    [ ! -s new.archive ] || mv -f new.archive "$archive")
}

read_state
if jars_are_stale; then
  build
  read_state
fi
if [ -z "$java_home" ]; then
  built_java=$(sh build/tools.sh) || exit
  publish "${app##*/}" .build/current
  read_state
fi
if archive_is_missing; then
  [ "$built_at" = "$root" ] || rm -f "$app"/*.jsa "$app"/*.aot # they hold the jars' paths
  publish "${app##*/}" .build/current
  read_state
  train
fi
exit 0
