#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that the project needs and that are not there yet.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

usage() {
  cat <<'USAGE'
usage: install-deps.sh [--list] [GROUP...]

Groups (default: build test qemu):
  build   compiler, CMake and the libraries that vmstream is made of
  test    what the tests use besides
  qemu    qemu-system-x86_64, qemu-img, libvirt, and the assembler of the small test guest
  newer-qemu
          a QEMU of 9.0 or later beside an older installed one, unpacked below build/ without
          installing it; where it cannot be had, that is said and no error
  bench   the compressors that the benchmark compares with
  check   what scripts/check.sh looks at the sources with

  --list  print the packages of the groups and whether they are installed; change nothing

Nothing that is installed is touched; when nothing is missing, apt-get is not run at all. Works as
root and through sudo. VMSTREAM_SKIP_DEPS=1 skips the whole step.
USAGE
}

# The compiler package: Ubuntu 22.04's default g++ is 11, too old.
compiler_package() {
  if [ "$(. /etc/os-release && echo "${ID:-}${VERSION_ID:-}")" = ubuntu22.04 ]; then
    echo g++-12
  else
    echo g++
  fi
}

packages_of() {
  case $1 in
    build)
      echo "$(compiler_package)" make cmake ninja-build pkg-config libfmt-dev nlohmann-json3-dev \
        libcli11-dev zlib1g-dev libbz2-dev libzstd-dev liblzma-dev liblz4-dev liblzo2-dev libssl-dev \
        libxxhash-dev libexpat1-dev libgpgme-dev libdeflate-dev libisal-dev libvirt-dev libfuse3-dev ;;
    test)
      echo catch2 python3 gnupg gzip bzip2 lbzip2 zstd xz-utils lz4 lzop pigz shellcheck mandoc socat openssl fuse3 ;;
    qemu) echo qemu-system-x86 qemu-utils binutils libvirt-daemon-system libvirt-clients ;;
    bench) echo python3 gnupg gzip pigz zstd time ;;
    newer-qemu) ;; # nothing that is installed
    check) echo clang-format clang-tidy cppcheck ;;
    *) die "unknown group '$1', wanted build, test, qemu, newer-qemu, bench or check" ;;
  esac
}

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    run env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo >/dev/null; then
    run sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    die "not root and no sudo: run as root: apt-get install $missing"
  fi
}

list_only=no
groups=()
for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
    --list) list_only=yes ;;
    -*) usage >&2; exit 2 ;;
    *) groups+=("$argument") ;;
  esac
done
if [ ${#groups[@]} -eq 0 ]; then groups=(build test qemu); fi
if [ "${VMSTREAM_SKIP_DEPS:-0}" = 1 ] && [ $list_only = no ]; then exit 0; fi

# Comes last: the libraries of the installed QEMU serve the newer one too.
get_newer_qemu() {
  case " ${groups[*]} " in *" newer-qemu "*) "$root/scripts/newer-qemu.sh" ;; esac
}

wanted=""
for group in "${groups[@]}"; do wanted="$wanted $(packages_of "$group")"; done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  say "no apt-get here: this is neither Debian nor Ubuntu"
  echo "    Install what corresponds to these Debian packages, then set VMSTREAM_SKIP_DEPS=1:"
  echo "   $wanted"
  exit 1
fi

missing=""
for package in $wanted; do
  state=installed
  if ! installed "$package"; then
    state=missing
    case " $missing " in *" $package "*) ;; *) missing="${missing:+$missing }$package" ;; esac
  fi
  if [ $list_only = yes ]; then printf '%-20s %s\n' "$package" "$state"; fi
done
if [ $list_only = yes ]; then exit 0; fi

if [ -z "$missing" ]; then
  say "packages for ${groups[*]}: all there"
  get_newer_qemu
  exit 0
fi
say "installing with apt-get: $missing"
as_root apt-get update -q
# shellcheck disable=SC2086  # one word a package
as_root apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
get_newer_qemu
