// SPDX-License-Identifier: MIT
// Any text as a description, and the same bytes as the body of each device that it describes.
#include <vmstream/device_state.h>

#include <span>

#include "device_claims.h"
#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto description = Vmdesc::parse({reinterpret_cast<const char*>(data), size});
  if (!description) return 0;
  for (const VmdescDevice& device : description->devices()) {
    const VmdescDevice* found = description->find(device.idstr, device.instance_id);
    require(found && found->idstr == device.idstr && found->instance_id == device.instance_id);
    device.body_length();
    for (auto trust : {DescriptionTrust::Own, DescriptionTrust::Foreign}) {
      auto state = decode_device(device, std::as_bytes(std::span(data, size)), 0, trust);
      require(!state.covers_body || trust == DescriptionTrust::Foreign || fuzz::fills(state, size));
      fuzz::read_values(state.fields);
      find_field(state, "a.b[1].c");
    }
  }
  return 0;
}
