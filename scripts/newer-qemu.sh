#!/usr/bin/env bash
# Gets a QEMU of 9.0 or later for the tests that need one, beside the installed one: on Debian
# before 13 that of the release's backports, unpacked below build/newer-qemu. Changes nothing of the
# system and needs no root. Where there is none, it says so and the tests are skipped by name.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

program=qemu-system-x86_64
prefix=$root/build/newer-qemu
packages=(qemu-system-x86 qemu-system-common qemu-system-data)
firmware=seabios # the installed one does where the backports have none

none() {
  say "no QEMU of 9.0 or later: $1; the tests that need one are skipped"
  exit 0
}

# Whether "$1 --version" tells 9.0 or later.
is_new() {
  local version
  version=$("$1" --version 2>/dev/null | sed -n 's/^QEMU emulator version \([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 9 ]
}

# apt-get with a source, lists and a cache of its own.
apt_here() {
  apt-get -q -o Dir::Etc::SourceList="$prefix/backports.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$prefix/lists" -o Dir::Cache="$prefix/cache" \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=1 -o Acquire::http::Timeout=30 "$@"
}

download() {
  local suite=$1
  rm -rf "$prefix"
  mkdir -p "$prefix/lists/partial" "$prefix/cache/archives/partial" "$prefix/packages"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "http://deb.debian.org/debian $suite main" >"$prefix/backports.list"
  # A source that is out of reach is no error to apt-get: then nothing is found.
  apt_here update >"$prefix/log" 2>&1 || return
  cd "$prefix/packages" || return
  apt_here download -t "$suite" "${packages[@]}" >>"$prefix/log" 2>&1 || return
  apt_here download -t "$suite" "$firmware" >>"$prefix/log" 2>&1 || true
  for package in *.deb; do dpkg -x "$package" "$prefix/unpacked" || return; done
}

# Firmware and keymaps are looked for where the package would have put them, unless told.
write_launcher() {
  cat >"$prefix/$program" <<LAUNCHER
#!/bin/sh
exec '$prefix/unpacked/usr/bin/$program' -L '$prefix/unpacked/usr/share/qemu' \\
  -L '$prefix/unpacked/usr/share/seabios' -L /usr/share/seabios "\$@"
LAUNCHER
  chmod +x "$prefix/$program"
}

if [ -x "$prefix/$program" ] && is_new "$prefix/$program"; then
  say "newer QEMU: $prefix/$program is there"
  exit 0
fi
if is_new "$program"; then
  say "newer QEMU: the installed one is"
  exit 0
fi
# shellcheck source=/dev/null
. /etc/os-release
[ "${ID:-}" = debian ] || none "${PRETTY_NAME:-this system} has no backports of it"
for command in apt-get dpkg; do
  command -v $command >/dev/null || none "no $command here"
done
suite=$VERSION_CODENAME-backports
say "newer QEMU: unpacking that of $suite below build/newer-qemu"
(download "$suite") || none "$suite cannot be had, see build/newer-qemu/log"
missing=$(ldd "$prefix/unpacked/usr/bin/$program" | awk '/not found/ { printf "%s ", $1 }')
[ -z "$missing" ] || none "that of $suite lacks $missing"
write_launcher
rm -rf "$prefix/packages" "$prefix/cache" "$prefix/lists"
is_new "$prefix/$program" || none "that of $suite is older or does not start"
