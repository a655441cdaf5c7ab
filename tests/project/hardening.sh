#!/usr/bin/env bash
# What the linker was asked for to protect the programs is in them: hardening.sh READELF FOLDER
set -euo pipefail
readelf=$1
folder=$2
status=0

# want PROGRAM WHAT PATTERN ARGUMENT...: a line of readelf's output holds the pattern
want() {
  local program=$1 what=$2 pattern=$3 output
  shift 3
  output=$("$readelf" --wide "$@" "$program")
  if ! grep -Eq "$pattern" <<<"$output"; then
    echo "$program: $what is missing" >&2
    status=1
  fi
}

for program in "$folder"/vmdump "$folder"/vmrestore "$folder"/vmstream-inspect; do
  want "$program" "position independence (PIE)" '^ +Type: +DYN' --file-header
  want "$program" "read-only relocations (RELRO)" 'GNU_RELRO' --program-headers
  want "$program" "binding at the start (BIND_NOW)" 'BIND_NOW|Flags:.* NOW' --dynamic
  want "$program" "the stack protector" '__stack_chk_fail' --dyn-syms
  want "$program" "fortified calls" '__[a-z]+_chk(@|$)' --dyn-syms
  want "$program" "a stack that is not executable" 'GNU_STACK.* RW ' --program-headers
done
exit $status
