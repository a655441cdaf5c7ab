// SPDX-License-Identifier: MIT
// Any text as a description, and the same bytes as the body of each device that it describes.
#include <vmstream/device_state.h>

#include <cstdlib>
#include <span>

using namespace vmstream;

namespace {

// The fields of a whole body lie side by side.
bool fills(const DeviceState& state, size_t size) {
  uint64_t end = 0;
  for (const DeviceField& field : state.fields) {
    if (field.offset != end) return false;
    end += field.size();
  }
  for (const DeviceSubsection& subsection : state.subsections) {
    if (subsection.offset != end) return false;
    end += subsection.size;
  }
  return end == size;
}

void visit(const std::vector<DeviceField>& fields) {
  for (const DeviceField& field : fields) {
    if (field.array_len) field.element(*field.array_len - 1);
    field.as_unsigned();
    field.as_signed();
    field.as_text();
    field.as_bit_ranges();
    visit(field.fields);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto description = Vmdesc::parse({reinterpret_cast<const char*>(data), size});
  if (!description) return 0;
  for (const VmdescDevice& device : description->devices()) {
    const VmdescDevice* found = description->find(device.idstr, device.instance_id);
    if (!found || found->idstr != device.idstr || found->instance_id != device.instance_id) {
      std::abort();
    }
    device.body_length();
    for (auto trust : {DescriptionTrust::Own, DescriptionTrust::Foreign}) {
      auto state = decode_device(device, std::as_bytes(std::span(data, size)), 0, trust);
      if (state.covers_body && trust == DescriptionTrust::Own && !fills(state, size)) std::abort();
      visit(state.fields);
      find_field(state, "a.b[1].c");
    }
  }
  return 0;
}
