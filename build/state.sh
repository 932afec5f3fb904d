# What is built and whether it still holds; read by ../batchnorm and build.sh, which set $root.
#
#   .build/current    three lines: the folder under .build that holds the jars, the Java found when they were built,
#                     and the checkout's path then; as old as the start of the build that made it
#   .build/unfinished exists while a build runs, and after one that did not finish

# Reads .build/current and picks the Java. Sets app, java_home, java_major, archive, archive_option.
read_state() {
  app= built_java= built_at=
  { read -r app; read -r built_java; read -r built_at; } 2>/dev/null <"$root/.build/current"
  app=$root/.build/${app:-none}
  java_home=${JAVA_HOME-}
  is_java_17 "$java_home" || java_home=$built_java
  if is_java_17 "$java_home"; then
    archive_option=-XX:SharedArchiveFile archive=$app/$java_version.jsa
    if [ "$java_major" -ge 25 ]; then
      archive_option=-XX:AOTCache archive=$app/$java_version.aot
    fi
  else
    java_home=
  fi
}

# Whether $1 is the home of a Java 17 or later. Sets java_version and java_major.
is_java_17() {
  java_version= java_major=0
  [ -n "$1" ] && [ -x "$1/bin/java" ] || return
  while IFS='="' read -r key _ value _; do
    case $key in
      JAVA_VERSION) java_major=${value%%[!0-9]*} java_version=${java_version:-$value} ;;
      JAVA_RUNTIME_VERSION) java_version=$value ;;
    esac
  done 2>/dev/null <"$1/release"
  [ "${java_major:-0}" -ge 17 ]
}

has_native_tools() {
  command -v cmake >/dev/null && command -v make >/dev/null &&
    { command -v g++ || command -v clang++; } >/dev/null
}

is_stale() { jars_are_stale || archive_is_missing; }

# Folders count too: theirs is the time a file was last added or removed.
jars_are_stale() {
  [ -d "$app" ] || return 0
  { [ -e "$app/java-only" ] && has_native_tools; } && return 0
  [ -n "$(cd "$root" && find pom.xml build testdata/pom.xml java-api/pom.xml java-api/src/main \
    native/pom.xml native/src/main cli/pom.xml cli/src/main -newer .build/current -print 2>&1)" ]
}

# No Java at all counts as well. In a place that cannot be written the archive is done without.
archive_is_missing() {
  [ -z "$java_home" ] && return 0
  { [ ! -e "$archive" ] || [ "$built_at" != "$root" ]; } && [ -w "$app" ]
}
