#!/usr/bin/env bash
# Looks at the sources without running them: formatting, cppcheck, clang-tidy.
#
#   scripts/check.sh          formatting and cppcheck everywhere, clang-tidy over the layers that read
#                             what nobody vouches for or that have threads; a few minutes on 2 cores
#   scripts/check.sh --all    clang-tidy over the other layers and the tools as well
#   scripts/check.sh FILE...  clang-tidy over these files only
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

tidy_folders=(lib/src/base lib/src/io lib/src/pipeline lib/src/format lib/src/codec lib/src/state)
case ${1:-} in
  --all) tidy_folders=(lib/src tools) ;;
  -*) die "unknown option '$1', see the head of this script" ;;
esac

"$root/scripts/install-deps.sh" build test check
cd "$root"

check_format() {
  git ls-files -z '*.cc' '*.h' | xargs -0 clang-format --dry-run --Werror
}

# Left out: whether a small struct is passed by value is a matter of taste here.
check_cppcheck() {
  cppcheck --quiet -j "$jobs" --std=c++20 --language=c++ --library=posix --inline-suppr \
    --enable=warning,performance,portability --suppress=passedByValue --error-exitcode=1 \
    -I lib/include -I lib/src -I tools lib/src tools
}

# The compiler's own command lines tell clang-tidy how each file is built.
check_tidy() {
  choose_compiler
  if [ ! -e build/dev/CMakeCache.txt ]; then run cmake --preset dev -G Ninja; fi
  printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" clang-tidy -p build/dev --quiet \
    --warnings-as-errors='*' --extra-arg=-Wno-unknown-warning-option
}

if [ $# -gt 0 ] && [ "$1" != --all ]; then
  files=("$@")
else
  say "formatting"
  check_format
  say "cppcheck"
  check_cppcheck
  mapfile -t files < <(find "${tidy_folders[@]}" -name '*.cc' | sort)
fi
say "clang-tidy: ${#files[@]} files"
check_tidy "${files[@]}"
say "nothing found"
