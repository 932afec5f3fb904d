#!/bin/sh
# Finds the tools that building takes, installs those that are missing, and prints the home of the JDK.
#
# On Debian and its kin they come from the distribution's packages, after saying so and, on a terminal, asking;
# BATCHNORM_INSTALL=no, and elsewhere: they are named with the command that installs them. Without a JDK or Maven
# the exit code is 69 (sysexits.h: unavailable). The rest can be done without: then the Java engine serves alone.

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 69
. "$root/build/state.sh"

say() { echo "batchnorm: $*" >&2; }

# Prints the home of the first JDK 17 or later.
find_jdk() {
  javac=$(readlink -f "$(command -v javac)" 2>/dev/null)
  for home in "${JAVA_HOME-}" "${javac%/bin/javac}" /usr/lib/jvm/* /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
    "$(/usr/libexec/java_home -v 17+ 2>/dev/null)"; do
    if is_java_17 "$home" && [ -x "$home/bin/javac" ]; then
      echo "$home"
      return
    fi
  done
  return 1
}

# Fills missing, in words, and packages, as this distribution calls them.
look_around() {
  missing= packages=
  find_jdk >/dev/null || need "a JDK (17 or later)" jdk
  command -v mvn >/dev/null || need Maven maven
  { command -v g++ || command -v clang++; } >/dev/null || need "a C++ compiler" g++
  command -v cmake >/dev/null || need CMake cmake
  command -v make >/dev/null || need make make
}

need() {
  missing="$missing${missing:+, }$1"
  packages="$packages $(package_called "$2")"
}

package_called() {
  case $manager:$1 in
    apt-get:jdk)
      if apt-cache show openjdk-17-jdk-headless || ! apt-cache show default-jdk-headless; then
        echo openjdk-17-jdk-headless
      else
        echo default-jdk-headless
      fi 2>/dev/null | tail -n 1
      ;;
    dnf:jdk) echo java-latest-openjdk-devel ;;
    zypper:jdk) echo java-17-openjdk-devel ;;
    pacman:jdk) echo jdk-openjdk ;;
    apk:jdk) echo openjdk17-jdk ;;
    brew:jdk) echo openjdk ;;
    dnf:g++ | zypper:g++) echo gcc-c++ ;;
    pacman:g++ | brew:g++) echo gcc ;;
    *) echo "$1" ;;
  esac
}

# Prints the command that installs the packages.
command_line() {
  case $manager in
    apt-get) echo "${sudo}apt-get update && ${sudo}apt-get install --no-install-recommends$packages" ;;
    pacman) echo "${sudo}pacman -S$packages" ;;
    apk) echo "${sudo}apk add$packages" ;;
    brew) echo "brew install$packages" ;;
    *) echo "${sudo}$manager install$packages" ;;
  esac
}

may_install() {
  [ "$manager" = apt-get ] && [ "${BATCHNORM_INSTALL-}" != no ] || return
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    return 1
  fi
  if [ -t 2 ] && (: </dev/tty) 2>/dev/null; then
    printf 'batchnorm: install %s from the packages of this distribution? [Y/n] ' "$missing" >/dev/tty
    read -r answer </dev/tty && case $answer in [Nn]*) return 1 ;; esac
  else
    say "$missing: missing, will be installed from the packages of this distribution (BATCHNORM_INSTALL=no forbids it)"
    # Nobody is there to type a password.
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
  fi
}

install() {
  log=$root/.build/install.log
  mkdir -p "$root/.build" || exit 69
  export DEBIAN_FRONTEND=noninteractive
  ${sudo}apt-get update </dev/null >"$log" 2>&1
  look_around # what a package is called may only be known now
  say "apt-get install --no-install-recommends$packages (log: $log)"
  if ! ${sudo}apt-get install -y --no-install-recommends $packages </dev/null >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    return 1
  fi
}

for manager in apt-get dnf zypper pacman apk brew none; do
  command -v "$manager" >/dev/null && break
done
sudo=
[ "$(id -u)" = 0 ] || sudo="sudo "

look_around
if [ -n "$missing" ] && may_install && install; then
  look_around
fi
if [ -n "$missing" ]; then
  say "missing: $missing"
  [ "$manager" = none ] || echo "hint: $(command_line)" >&2
fi
command -v mvn >/dev/null && find_jdk || exit 69
