#!/usr/bin/env bash
# Looks at the sources without running them.
#
#   scripts/check.sh            formatting and cppcheck, everywhere: some seconds
#   scripts/check.sh FILE...    clang-tidy over these files: about six seconds each
#   scripts/check.sh --last N   clang-tidy over the N files changed last, uncommitted ones first
#   scripts/check.sh --tidy     clang-tidy over the library and the tools
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

# Prints the first N files of the library and the tools that changed last. One that has gone is
# passed over.
changed_last() {
  local sources=('lib/*.cc' 'lib/*.h' 'tools/*.cc' 'tools/*.h') file
  { git diff --name-only HEAD -- "${sources[@]}"; git log --format= --name-only -- "${sources[@]}"; } |
    awk '!seen[$0]++' |
    while read -r file; do if [ -e "$file" ]; then printf '%s\n' "$file"; fi; done |
    sed -n "1,${1}p"
}

# The dev preset writes down how each file is compiled.
check_tidy() {
  say "clang-tidy over $# files"
  scripts/install-deps.sh build test check
  choose_compiler
  if [ ! -e build/dev/compile_commands.json ]; then run cmake --preset dev; fi
  printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" clang-tidy -p build/dev --quiet \
    --warnings-as-errors='*' --extra-arg=-Wno-unknown-warning-option
}

cd "$root"
case ${1:-} in
  '')
    scripts/install-deps.sh check
    check_format
    check_cppcheck
    ;;
  --last)
    mapfile -t files < <(changed_last "${2:?how many files?}")
    check_tidy "${files[@]}"
    ;;
  --tidy)
    mapfile -t files < <(git ls-files 'lib/*.cc' 'tools/*.cc')
    check_tidy "${files[@]}"
    ;;
  *) check_tidy "$@" ;;
esac
say "nothing found"
