#!/usr/bin/env bash
# Runs what reads bytes that nobody vouches for under the address and undefined-behaviour
# sanitizers: the kept inputs of the fuzz targets, and the unit tests of the layers below them.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

readonly layers=(codec format state)

"$root/scripts/install-deps.sh" build test
say "building in build/asan"
build asan fuzz_replays "${layers[@]/%/_test}"
say "testing build/asan"
pattern=$(IFS='|' && echo "${layers[*]}")
(cd "$root" && run ctest --preset asan -j2 -R "^($pattern)_test$|_replay$")
