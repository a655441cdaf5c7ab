#!/usr/bin/env bash
# Installs what is missing, builds the release preset and runs every test.
#
#   scripts/test.sh [CTEST ARGUMENT...]            for example: scripts/test.sh -R format
#   VMSTREAM_PRESET=ci scripts/test.sh             the same, quicker to build
#   VMSTREAM_EXTRA_PRESET=asan scripts/test.sh     the same under the sanitizers first
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

test_preset() {
  local preset=$1
  shift
  say "building in build/$preset"
  build "$preset"
  say "testing build/$preset"
  (cd "$root" && run ctest --preset "$preset" -j3 "$@")
}

"$root/scripts/install-deps.sh" build test qemu newer-qemu
if [ -n "${VMSTREAM_EXTRA_PRESET:-}" ]; then test_preset "$VMSTREAM_EXTRA_PRESET" "$@"; fi
test_preset "${VMSTREAM_PRESET:-release}" "$@"
