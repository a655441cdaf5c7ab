#!/usr/bin/env bash
# Runs shellcheck over every shell script of the checkout, which is the current folder.
#
# usage: shellcheck.sh PATH-OF-SHELLCHECK
set -euo pipefail

mapfile -t scripts < <(
  find scripts bench tests tools .ci -type f -exec grep -lE '^(#!.*\b(ba)?sh\b|# shellcheck shell)' {} + | sort
)
[ ${#scripts[@]} -ge 5 ] || { echo "found only ${#scripts[@]} scripts: wrong folder?"; exit 1; }
printf '%s\n' "${scripts[@]}"
"$1" -x -P . "${scripts[@]}"
