// SPDX-License-Identifier: MIT
// What stands in front of the stream in a save image of libvirt that is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// Borrows its texts.
struct LibvirtFront {
  std::string_view xml;
  std::string_view cookie = {};  ///< empty: none
  uint32_t format = 0;           ///< place in libvirt::kFormats
  bool is_finished = false;
  bool runs = false;  ///< once it is restored
};

/// Whether libvirt can read the texts: XML, of a domain that has a name, with a cookie or without,
/// and no more than any reader of images takes. What is in them is not repeated in messages.
Status check_texts(const LibvirtFront& front);

/// The header: as long whatever it says, in this machine's byte order.
std::vector<std::byte> make_libvirt_header(const LibvirtFront& front);
/// Header, texts, and room to edit them; the stream follows.
std::vector<std::byte> make_libvirt_front(const LibvirtFront& front);

}  // namespace vmstream
