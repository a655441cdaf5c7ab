#!/usr/bin/env bash
# Installs the build into a fresh folder, moves that folder, and builds and runs a small user of the
# library against it: once by find_package, once by pkg-config.
#
# usage: install_consumer.sh CMAKE BUILD-FOLDER CXX
set -euo pipefail

cmake=$1 build=$2 cxx=$3
consumer=$(cd "$(dirname "$0")" && pwd)/consumer
work=$(mktemp -d "${TMPDIR:-/tmp}/vmstream-install-XXXXXX")
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix

for wanted in bin/vmdump bin/vmrestore bin/vmstream-inspect include/vmstream/parser.h \
  share/man/man1/vmdump.1 share/man/man1/vmrestore.1 share/man/man1/vmstream-inspect.1 \
  share/man/man5/vmstream.5; do
  [ -e "$prefix/$wanted" ] || { echo "not installed: $wanted"; exit 1; }
done
for tool in vmdump vmrestore vmstream-inspect; do
  "$prefix/bin/$tool" --version
done

echo "-- find_package"
"$cmake" -S "$consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$cxx"
"$cmake" --build "$work/build"
"$work/build/consumer"
capture=$consumer/../../data/x86-pc-7.2-min-m4.qevm.zst
"$work/build/examples/list_devices" "$capture" | grep timer
"$work/build/examples/read_page" "$capture" pc.ram 0x7000 | wc -c | grep -x 4096

echo "-- pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name vmstream.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046  # flags are words
"$cxx" -std=c++20 -o "$work/by-pkg-config" "$consumer/main.cc" $(pkg-config --cflags --libs vmstream)
"$work/by-pkg-config"
