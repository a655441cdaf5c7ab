// SPDX-License-Identifier: MIT
// Any text as a description.
#include <vmstream/vmdesc.h>

#include <cstdlib>

using namespace vmstream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto description = Vmdesc::parse({reinterpret_cast<const char*>(data), size});
  if (!description) return 0;
  for (const VmdescDevice& device : description->devices()) {
    const VmdescDevice* found = description->find(device.idstr, device.instance_id);
    if (!found || found->idstr != device.idstr || found->instance_id != device.instance_id) {
      std::abort();
    }
    device.body_length();
  }
  return 0;
}
