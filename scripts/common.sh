# shellcheck shell=bash
# Sourced by the scripts beside it: where the checkout is, how the scripts speak, how they build.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc 2>/dev/null || echo 2)

say() { printf '%s\n' "==> $*"; }

die() {
  printf '%s\n' "${0##*/}: $*" >&2
  exit 1
}

# Prints a command the way a person would type it, then runs it.
run() {
  printf '  $ %s\n' "$*"
  "$@"
}

# The project needs g++ 12 or clang 14. A default compiler that is older is passed over.
choose_compiler() {
  if [ -n "${CXX:-}" ]; then return; fi
  local major
  major=$(c++ -dumpversion 2>/dev/null | cut -d. -f1)
  if [ "${major:-0}" -lt 12 ] && command -v g++-12 >/dev/null; then
    export CXX=g++-12
  fi
}

# build PRESET [TARGET...]: configures build/PRESET and builds the targets (default: everything).
# A folder that was configured before keeps its generator.
build() {
  local preset=$1 generator=() targets=()
  shift
  choose_compiler
  if [ ! -e "$root/build/$preset/CMakeCache.txt" ] && command -v ninja >/dev/null; then
    generator=(-G Ninja)
  fi
  if [ $# -gt 0 ]; then targets=(--target "$@"); fi
  (
    cd "$root" || exit
    run cmake --preset "$preset" "${generator[@]}"
    run cmake --build "build/$preset" --parallel "$jobs" "${targets[@]}"
  )
}
