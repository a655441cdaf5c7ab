#!/usr/bin/env bash
# Saves a small running guest, looks into the file, brings the guest back in a second QEMU and
# proves that it went on where it had stopped. Installs and builds what is missing first.
#
# The guest is a boot sector that writes a pattern through its memory, checks it again all the time
# and prints one line a tick on the serial port:  T 000123 OK 5e8d2c10
# Memory that changed would make the verdict BAD; a lost moment would leave a gap in the count.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

readonly wait_seconds=60
step_number=0

step() {
  step_number=$((step_number + 1))
  printf '\n[%d/5] %s\n\n' "$step_number" "$*"
}

# The last whole tick of a serial log, as a plain number; 0 before the first.
last_tick() {
  awk '$1 == "T" && NF == 4 { tick = $2 } END { print tick + 0 }' "$1" 2>/dev/null || echo 0
}

# wait_for_tick LOG TICK: until the guest has counted that far.
wait_for_tick() {
  local deadline=$((SECONDS + wait_seconds))
  while [ "$(last_tick "$1")" -lt "$2" ]; do
    [ $SECONDS -lt $deadline ] || die "the guest did not count to $2 within $wait_seconds s"
    sleep 0.1
  done
}

# Ends the QEMU whose pid QEMU itself wrote into a file.
end_qemu() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

clean_up() {
  end_qemu "$work/first.pid"
  end_qemu "$work/second.pid"
  rm -rf "$work"
}

# Both serial logs, one behind the other, must be one count without a gap and without a BAD.
check_count() {
  awk '
    NF < 4 { next }  # the line being printed when the demo ended
    $1 != "T" || $3 != "OK" || (seen && $2 != expected) { print "broken at: " $0; exit 1 }
    { seen++; expected = $2 + 1 }
    END { if (!seen) exit 1 }' "$@"
}

"$root/scripts/install-deps.sh" build test qemu
say "building in build/release"
build release vmdump vmrestore vmstream-inspect test_guest

work=$(mktemp -d "${TMPDIR:-/tmp}/vmstream-demo-XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT TERM
PATH=$root/build/release/bin:$PATH
cp "$root/build/release/tests/support/test_guest/test_guest.img" "$work/guest.img"
cd "$work"
machine=(-machine pc -accel tcg -m 64 -nodefaults -display none
  -drive "if=floppy,format=raw,readonly=on,file=guest.img")

step "Boot a guest. It counts on its serial port, which goes to first.log."
run qemu-system-x86_64 "${machine[@]}" -serial file:first.log \
  -qmp unix:qmp.sock,server=on,wait=off -pidfile first.pid -daemonize
wait_for_tick first.log 60
echo
tail -n 3 first.log

step "Save it, compressed, and end this QEMU once the file is safe on the disk."
run vmdump --qmp qmp.sock -o guest.zst --after quit
echo
ls -l guest.zst
before=$(last_tick first.log)
echo "The guest stood still after tick $before."

step "Look into the file. Stock tools can, too: zstd -dc guest.zst gives QEMU's own stream."
run vmstream-inspect guest.zst

step "Bring the guest back in a second QEMU; its serial port goes to second.log."
run vmrestore guest.zst --cont -- qemu-system-x86_64 "${machine[@]}" -serial file:second.log \
  -pidfile second.pid &
restore=$!
wait_for_tick second.log $((before + 60))
end_qemu second.pid
wait $restore || die "vmrestore ended with status $?"

step "Proof: both logs together are one count without a gap, and every verdict is OK."
tail -n 2 first.log | sed 's/^/first.log    /'
head -n 2 second.log | sed 's/^/second.log   /'
cat first.log second.log >count.log
check_count count.log || die "the guest did not go on as it was"
after=$(last_tick count.log)
echo
echo "Saved after tick $before, went on with tick $((before + 1)), counted on to $after: memory intact."
