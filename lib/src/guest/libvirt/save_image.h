// SPDX-License-Identifier: MIT
// The head of a libvirt save image, written around a stream of any length;
// container/libvirt/libvirt_image.h has the format.
#pragma once

#include <string>

#include <vmstream/result.h>

namespace vmstream {

/// At the front of a file: an image that is not whole yet, up to where the stream begins.
Status write_image_opening(int fd, const std::string& xml);

/// The stream is written: the image is whole, of a guest that runs after the load or does not.
Status finish_image(int fd, bool runs);

}  // namespace vmstream
