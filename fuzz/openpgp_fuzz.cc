// SPDX-License-Identifier: MIT
// Any bytes as the head of an OpenPGP message, and as a signature that gpg made. Beyond not
// crashing: what a part of a head tells the whole of it tells too.
#include <vmstream/openpgp.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "crypto/openpgp_packets.h"
#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

namespace {

constexpr std::string_view kFingerprint = "0123456789ABCDEF0123456789ABCDEF01234567";

void recognise(std::span<const std::byte> head) {
  std::optional<OpenPgpKind> told;
  for (size_t length = 0; length <= head.size(); ++length) {
    auto kind = recognise_openpgp(head.first(length));
    if (told) require(kind == told);
    told = kind;
  }
}

void read_signature(std::span<const std::byte> bytes) {
  auto packet = parse_signature({bytes.begin(), bytes.end()}, kFingerprint);
  if (!packet) return;
  auto one_pass = one_pass_packet(*packet);
  require(recognise_openpgp(one_pass) == OpenPgpKind::Signed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto input = std::as_bytes(std::span(data, size));
  recognise(input.first(std::min(input.size(), kOpenPgpHeadBytes)));
  read_signature(input);
  return 0;
}
