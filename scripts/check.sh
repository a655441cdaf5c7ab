#!/usr/bin/env bash
# Looks at the sources without running them.
#
#   scripts/check.sh           formatting and cppcheck, everywhere: some seconds
#   scripts/check.sh FILE...   clang-tidy over these files: about ten seconds each
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

check_format() {
  say "formatting"
  git ls-files -z '*.cc' '*.h' | xargs -0 clang-format --dry-run --Werror
}

# Left out: whether a small struct is passed by value is a matter of taste; readdir() is safe where an
# open folder has one reader.
check_cppcheck() {
  say "cppcheck"
  cppcheck --quiet -j "$jobs" --std=c++20 --language=c++ --library=posix \
    --enable=warning,performance,portability --suppress=passedByValue \
    --suppress=readdirCalled --error-exitcode=1 \
    -I lib/include -I lib/src -I tools lib/src tools
}

# The dev preset writes down how each file is compiled.
check_tidy() {
  say "clang-tidy"
  choose_compiler
  if [ ! -e build/dev/compile_commands.json ]; then run cmake --preset dev; fi
  printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" clang-tidy -p build/dev --quiet \
    --warnings-as-errors='*' --extra-arg=-Wno-unknown-warning-option
}

cd "$root"
if [ $# -gt 0 ]; then
  scripts/install-deps.sh build test check
  check_tidy "$@"
else
  scripts/install-deps.sh check
  check_format
  check_cppcheck
fi
say "nothing found"
