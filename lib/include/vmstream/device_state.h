// SPDX-License-Identifier: MIT
// What a device section holds: the bytes of its body as a tree of named, typed values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/visitor.h>
#include <vmstream/vmdesc.h>

namespace vmstream {

/// What the bytes of a field mean.
enum class ValueKind {
  Unsigned,
  Signed,
  Boolean,
  Real,    ///< an IEEE double, in one piece or as two halves
  Timer,   ///< when it fires, in nanoseconds of its clock; -1 when it is not armed
  Text,    ///< a byte with the length, then that much text
  Bitmap,  ///< be64 number of 64-bit words, then the words
  Bytes,   ///< anything else: shown as hex
  Null,    ///< an element of an array of pointers that points nowhere
  Struct,  ///< `fields`, then `subsections`; types that are not structs, but known inside, too
  List,    ///< `fields` are the elements, each with its `index`
};

struct DeviceSubsection;

/// One field with its bytes. Names and bytes are views into the description and the body that were
/// decoded, and into the layouts of the DeviceState: all must outlive the tree.
struct DeviceField {
  std::string_view name;
  /// As the description has it. Of fields inside a type that describes nothing: a name such as QEMU
  /// uses, or "le16", "le32", "le64" for numbers that stand in little endian order. "guest16",
  /// "guest32", "guest64" stand in the guest's order, which nothing tells: read as little endian.
  std::string_view type;
  uint64_t offset = 0;  ///< of the first byte, in the plain stream
  ValueKind kind = ValueKind::Bytes;
  std::span<const std::byte> bytes = {};  ///< all of them; for composite ones too
  /// Scalars only: `bytes` are this many equal elements. Long arrays take no more memory than that.
  std::optional<uint64_t> array_len = std::nullopt;
  std::optional<uint64_t> index = std::nullopt;  ///< elements of a List only
  std::string_view vmsd_name = {};               ///< of a struct
  /// `fields` are not described, but the form that such a type is known to have.
  bool built_in_layout = false;
  std::vector<DeviceField> fields = {};
  std::vector<DeviceSubsection> subsections;

  uint64_t size() const { return bytes.size(); }
  bool is_composite() const { return kind == ValueKind::Struct || kind == ValueKind::List; }

  /// One element of a field with array_len, which the caller keeps within it.
  DeviceField element(uint64_t number) const;

  // Values of scalars. Those of another kind than the field's make no sense.
  uint64_t as_unsigned() const;
  int64_t as_signed() const;  ///< timers too
  bool as_boolean() const;
  double as_real() const;
  std::string_view as_text() const;  ///< not escaped
  /// Numbers of the bits that are set, as "0-3,17"; empty where none is.
  std::string as_bit_ranges() const;
};

/// A subsection that stands in the stream, found by its whole header.
struct DeviceSubsection {
  std::string_view name;
  uint64_t version = 0;
  uint64_t offset = 0;  ///< of its 0x05
  uint64_t size = 0;    ///< header included
  std::vector<DeviceField> fields = {};
  std::vector<DeviceSubsection> subsections = {};
};

/// A body, decoded. What the description and the bytes do not agree on is a problem; decoding then
/// goes on where the described sizes say that the next field begins.
struct DeviceState {
  std::vector<DeviceField> fields;
  std::vector<DeviceSubsection> subsections;
  /// What is known of the inside of types that the description leaves closed ("pci config",
  /// "virtio"): the fields name themselves from here.
  std::vector<std::shared_ptr<const VmdescField>> layouts;
  /// At most kDeviceProblems of them.
  std::vector<Problem> problems;
  /// Whether the fields and subsections cover the body exactly.
  bool covers_body = true;
};

inline constexpr size_t kDeviceProblems = 100;
/// Fields and elements a tree may have. What is more stays unopened, as bytes: a description of a
/// few bytes could ask for any number. The largest device known has some thousands.
inline constexpr uint64_t kDeviceNodes = 1u << 18;

/// A name for the bytes behind the last field that is described.
inline constexpr std::string_view kUndescribed = "(not described)";

/// How far the description can be relied on.
enum class DescriptionTrust {
  Own,      ///< the stream's own: each described subsection must be there
  Foreign,  ///< of another stream: subsections are there or not, as their headers tell
};

/// Decodes `body`, whose first byte stands at `body_offset` of the plain stream.
DeviceState decode_device(const VmdescDevice& device, std::span<const std::byte> body,
                          uint64_t body_offset, DescriptionTrust trust = DescriptionTrust::Own);

/// A body of which nothing is known: one field of bytes, without a problem.
DeviceState undescribed_device(std::span<const std::byte> body, uint64_t body_offset);

/// What a path such as "env.segs[1].base" leads to: one of the two, or neither. Names may hold dots
/// and brackets themselves; of several names that fit, the longest is tried first.
struct FoundField {
  std::optional<DeviceField> field = std::nullopt;
  std::optional<DeviceSubsection> subsection = std::nullopt;
  explicit operator bool() const { return field || subsection; }
};
FoundField find_field(const DeviceState& state, std::string_view path);

/// Where the register `name` ("rip", "cr3", "x30", "gs_base", in any case) stands in the section
/// `cpu`, as a path for find_field(): "env.eip". Which processor it is, is told by the fields; for
/// all of them "env." may be left out of a field's name. Empty where nothing of that name is there.
/// Keeps nothing of `cpu`; any thread.
std::optional<std::string> register_path(const DeviceState& cpu, std::string_view name);

/// The registers that have a name of their own in `cpu`: what somebody may have meant.
std::vector<std::string> register_names(const DeviceState& cpu);

}  // namespace vmstream
