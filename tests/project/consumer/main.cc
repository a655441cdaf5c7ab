// SPDX-License-Identifier: MIT
// Compresses some bytes with every coding, reads them back, and asks the parser about a cut stream:
// touches the codecs and the format, so that a missing library shows at link time.
#include <algorithm>
#include <cstdio>
#include <vector>

#include <vmstream/codec.h>
#include <vmstream/parser.h>

namespace {

bool survives(vmstream::Coding coding, const std::vector<std::byte>& plain) {
  std::vector<std::byte> packed;
  auto sink = vmstream::make_memory_sink(packed);
  auto encoder = vmstream::make_encoder(coding, *sink);
  if (!encoder || !(*encoder)->write(plain) || !(*encoder)->finish()) return false;
  auto decoder = vmstream::make_decoder(coding, vmstream::make_memory_source(packed));
  if (!decoder) return false;
  std::vector<std::byte> again(plain.size() + 1);
  auto count = vmstream::read_fully(**decoder, again);
  return count && *count == plain.size() && std::equal(plain.begin(), plain.end(), again.begin());
}

bool refuses_cut_stream() {
  vmstream::StreamVisitor ignores_all;
  vmstream::StreamParser parser(ignores_all);
  auto status = parser.finish();
  return !status && status.error().code == vmstream::Errc::Truncated;
}

}  // namespace

int main() {
  const std::vector<std::byte> plain(3 << 20, std::byte{7});
  for (const auto& traits : vmstream::codings()) {
    if (!traits.writable || survives(traits.coding, plain)) continue;
    std::fprintf(stderr, "%.*s changed the bytes\n", static_cast<int>(traits.name.size()),
                 traits.name.data());
    return 1;
  }
  if (!refuses_cut_stream()) return 1;
  std::printf("vmstream %.*s works\n", static_cast<int>(vmstream::version().size()),
              vmstream::version().data());
  return 0;
}
