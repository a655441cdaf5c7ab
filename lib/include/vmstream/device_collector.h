// SPDX-License-Identifier: MIT
// Device sections of a stream, kept with their bytes until the description has come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <vmstream/device_state.h>
#include <vmstream/stream_summary.h>
#include <vmstream/vmdesc.h>

namespace vmstream {

/// Bytes of device sections that are kept at most; a stream with more is no save of a guest.
inline constexpr uint64_t kKeptDeviceBytes = 64u << 20;

/// One FULL section with its body.
struct DeviceSection {
  SectionHeader header;
  uint64_t length = 0;  ///< framing included; 0 where the stream breaks off inside
  std::vector<std::byte> body = {};
};

/// Where the meaning of the bytes was taken from.
enum class DescriptionSource {
  Vmdesc,  ///< the stream's own description
  Schema,  ///< another description, which fits the bytes exactly: inferred
  None,
};
std::string_view name_of(DescriptionSource source);  ///< "vmdesc", "schema", "none"

/// How much is to be made of what was inferred.
enum class Confidence {
  High,    ///< the description of a stream of the same machine type
  Medium,  ///< that of another machine type, or declarations for the same
  Low,     ///< declarations for another machine type
};
std::string_view name_of(Confidence confidence);  ///< "high", "medium", "low"

/// A description from elsewhere, for streams that carry none: that of another stream, or what a
/// build of QEMU declares.
struct DeviceSchema {
  std::variant<Vmdesc, VmstateDump> descriptions;
  std::string machine;  ///< of the stream it comes from; empty where that does not say
};

/// A section, decoded. `state` points into the section and into the description.
struct DecodedDevice {
  const DeviceSection* section = nullptr;
  DescriptionSource source = DescriptionSource::None;
  std::optional<Confidence> confidence = std::nullopt;  ///< of what a schema tells
  std::string note = {};                                ///< why a schema does not tell; or empty
  /// What a schema's declarations make of the bytes; null elsewhere.
  std::shared_ptr<const VmdescDevice> drawn_up = nullptr;
  DeviceState state = {};
};

/// Collects a summary, and with it the bodies of device sections. Memory: those bodies.
class DeviceCollector final : public SummaryCollector {
 public:
  /// Tells which sections are to be kept; all of them without it.
  using Wanted = std::function<bool(const SectionHeader&)>;
  explicit DeviceCollector(Wanted wanted = {}) : wanted_(std::move(wanted)) {}

  /// Takes effect where the stream has no description.
  void use_schema(DeviceSchema schema) { schema_ = std::move(schema); }

  /// In stream order.
  const std::vector<DeviceSection>& sections() const { return sections_; }
  /// A section of sections(), by the stream's own description, or by a schema: that is believed
  /// where its version is the section's, and its fields end exactly where the body does.
  DecodedDevice decode(const DeviceSection& section) const;

  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_vmdesc(const VmdescRecord& vmdesc) override;
  Status on_cut_vmdesc(const VmdescRecord& vmdesc) override;

 private:
  DecodedDevice decode_by_schema(const DeviceSection& section) const;
  DecodedDevice decode_by(const Vmdesc& schema, const DeviceSection& section) const;
  DecodedDevice decode_by(const VmstateDump& schema, const DeviceSection& section) const;
  bool is_same_machine() const;

  Wanted wanted_;
  std::string machine_;
  std::optional<DeviceSchema> schema_;
  std::vector<DeviceSection> sections_;
  bool keeping_ = false;  // the section in hand is the last of sections_
  uint64_t kept_bytes_ = 0;
  std::shared_ptr<const Vmdesc> vmdesc_;
  bool described_in_part_ = false;
};

}  // namespace vmstream
