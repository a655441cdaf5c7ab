// SPDX-License-Identifier: MIT
// Any text as the output of -dump-vmstate. An input is the text, a zero byte, the version of a
// section, its idstr, a zero byte, and its body. A body that is described is described whole.
#include <vmstream/vmdesc.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "device_claims.h"
#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

namespace {

// What stands before the next zero byte, which is taken away with it.
std::string_view take_text(std::string_view& rest) {
  std::string_view text = rest.substr(0, rest.find('\0'));
  rest.remove_prefix(std::min(rest.size(), text.size() + 1));
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  auto dump = VmstateDump::parse(take_text(rest));
  if (!dump || rest.empty()) return 0;
  SectionHeader header;
  header.version_id = static_cast<uint8_t>(rest.front());
  rest.remove_prefix(1);
  header.idstr = take_text(rest);
  auto body = std::as_bytes(std::span(rest));
  auto described = dump->describe(header, body);
  if (!described) return 0;
  auto state = decode_device(*described, body, 0, DescriptionTrust::Foreign);
  require(state.covers_body && fuzz::fills(state, body.size()));
  fuzz::read_values(state.fields);
  return 0;
}
