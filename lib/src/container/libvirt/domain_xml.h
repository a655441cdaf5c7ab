// SPDX-License-Identifier: MIT
// The few words of libvirt's XML that tell which guest it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// The text of the first element at each path, such as "domain/name"; empty where there is none.
/// Errc::Malformed for text that is no XML, Errc::Unsupported for a document type, which libvirt
/// does not write and which could make a short text endless.
Result<std::vector<std::string>> find_in_xml(std::string_view xml,
                                             const std::vector<std::string_view>& paths);

}  // namespace vmstream
