// SPDX-License-Identifier: MIT
// Any bytes as a state file: recognised and decoded, containers within containers. Beyond not
// crashing: the plain bytes and the fault that ends them do not depend on the size of the pieces,
// or on whether they are read or shown.
//
// How many bytes of a damaged member come before its fault is not promised: a library that finds
// the fault in the bytes it was given forgets what else it made of them. What comes is the same.
#include "state/unwrapping.h"

#include <algorithm>
#include <vector>

#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

namespace {

// A small file can hold any number of plain bytes.
constexpr size_t kMostPlainBytes = 3 << 20;

struct Plain {
  std::vector<std::byte> bytes;
  std::optional<Errc> fault;
};

Result<std::span<const std::byte>> read_some(ByteSource& source, std::span<std::byte> into) {
  auto count = source.read(into);
  if (!count) return count.error();
  return std::span<const std::byte>(into.first(*count));
}

// By next(), or with a buffer by read().
Plain drain(ByteSource& source, std::span<std::byte> buffer) {
  Plain plain;
  while (plain.bytes.size() < kMostPlainBytes) {
    auto piece = buffer.empty() ? source.next() : read_some(source, buffer);
    if (!piece) plain.fault = piece.error().code;
    if (!piece || piece->empty()) return plain;
    plain.bytes.insert(plain.bytes.end(), piece->begin(), piece->end());
  }
  plain.bytes.resize(kMostPlainBytes);
  return plain;
}

Plain decode(const fuzz::Input& input, size_t piece, std::span<std::byte> buffer) {
  auto file = std::make_unique<fuzz::PieceSource>(input.bytes, piece);
  auto state = unwrap(std::move(file), {.decode = {.threads = 1}, .decrypt = false});
  if (!state) return {{}, state.error().code};
  require(!state->containers.empty() && state->containers.back().type == "qevm");
  return drain(*state->plain, buffer);
}

bool is_cut(const Plain& plain) {
  return plain.fault || plain.bytes.size() == kMostPlainBytes;
}

bool begin_alike(const Plain& a, const Plain& b) {
  size_t length = std::min(a.bytes.size(), b.bytes.size());
  return std::equal(a.bytes.begin(), a.bytes.begin() + static_cast<ptrdiff_t>(length),
                    b.bytes.begin());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  std::vector<std::byte> buffer(16 * input.piece);
  Plain shown = decode(input, std::max<size_t>(input.bytes.size(), 1), {});
  Plain read = decode(input, input.piece, buffer);
  require(begin_alike(shown, read));
  if (shown.bytes.size() == read.bytes.size()) {
    require(shown.fault == read.fault);
  } else {
    require(is_cut(shown) && is_cut(read));
  }
  return 0;
}
