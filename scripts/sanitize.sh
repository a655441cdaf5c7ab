#!/usr/bin/env bash
# Runs under the address and undefined-behaviour sanitizers what reads bytes that nobody vouches for:
# the kept inputs of the fuzz targets, the unit tests of all layers that parse or talk to another
# program, and the three tools as a user runs them.
#
#   scripts/sanitize.sh                     builds and tests
#   scripts/sanitize.sh --parsers           leaves out the unit tests of the layers that read no bytes
#                                           themselves
#   scripts/sanitize.sh --build [--parsers] builds only
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

layers=(codec format container analysis crypto state guest)
readonly tools=(vmdump vmrestore vmstream-inspect)
# On described streams and the captures that are kept here; those of tests/guest take too long.
readonly cli=(vmdump vmrestore openpgp inspect verify damaged explain index multifd captures ram
  ram_images device dump_captures containers joined convert)

builds_only=false
for option in "$@"; do
  case $option in
    --build) builds_only=true ;;
    --parsers) layers=(codec format container analysis) ;;
    *) die "unknown option '$option', wanted --build or --parsers" ;;
  esac
done
readonly layers builds_only

alternatives() { (IFS='|' && echo "$*"); }

"$root/scripts/install-deps.sh" build test
say "building in build/asan"
build asan fuzz_replays tools_common_test "${tools[@]}" "${layers[@]/%/_test}"
if $builds_only; then exit; fi
say "testing build/asan"
pattern="^(tools_common|$(alternatives "${layers[@]}")|cli_($(alternatives "${cli[@]}")))_test$|_replay$"
(cd "$root" && run ctest --preset asan -j3 -R "$pattern")
