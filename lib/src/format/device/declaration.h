// SPDX-License-Identifier: MIT
// What QEMU's source says of a device, as far as -dump-vmstate tells it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <vmstream/vmdesc.h>

namespace vmstream {

struct DeclaredField;

/// A device, a struct or a subsection.
struct Declaration {
  std::string name;
  uint64_t version = 0;
  uint64_t minimum_version = 0;
  std::vector<DeclaredField> fields;
  std::vector<Declaration> subsections = {};
};

struct DeclaredField {
  std::string name;
  uint64_t since_version = 0;
  bool optional = false;   ///< something decides whether it is sent
  uint64_t count = 1;      ///< of elements, as far as that is told
  uint64_t size = 0;       ///< of one element in the memory of the host
  bool is_struct = false;  ///< `element` tells what is sent
  Declaration element = {};
};

/// How fields and bytes went together.
struct DeclarationFit {
  uint64_t ways = 0;      ///< that end where the bytes do: 0, 1, or 2 for several
  bool given_up = false;  ///< there were too many to try
  VmdescField layout;     ///< the first of the ways
};

/// Lays out `bytes` as a section of `version` along a declaration, in every way in which optional
/// fields can be there or not.
DeclarationFit fit_declaration(const Declaration& declaration, uint64_t version,
                               std::span<const std::byte> bytes);

}  // namespace vmstream
