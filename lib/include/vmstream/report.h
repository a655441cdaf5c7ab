// SPDX-License-Identifier: MIT
// One page about a saved guest that a person can read and hand on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/device_collector.h>
#include <vmstream/physical_map.h>
#include <vmstream/problems.h>
#include <vmstream/stream_scan.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// What the stream itself does not tell of its report. Text is escaped by the page's writer.
struct ReportSubject {
  std::string file;
  std::vector<std::string> containers = {};  ///< outermost first
  std::string sha256 = {};                   ///< of the plain stream; empty: not computed
  std::string made_by = {};                  ///< the program and its version
  std::string made_at = {};                  ///< a date
};

/// Gathers in one reading what is on the page: facts, devices, registers, the pages of each RAM
/// block by kind and entropy, and the screen of a VGA.
/// Use: scan_stream() with this visitor, then finish() with the scan's result, then write_page().
/// Memory: device sections (at most twice 64 MiB), a byte for each page, at most 1 MiB for
/// each of 64 blocks, the memory of a VGA (at most 32 MiB), and what RamUsageCollector needs.
class ReportCollector final : public VisitorList {
 public:
  ReportCollector();
  ~ReportCollector() override;

  /// Of another stream, for one without a description.
  void use_schema(DeviceSchema schema);
  /// See Verifier::set_stream_place().
  void set_stream_place(std::optional<uint64_t> place);

  /// Call once, and collect nothing after. `placed` is what the caller knows of the memory map,
  /// `container_problems` what is wrong around the stream. What cannot be told (no map, no
  /// registers) is a sentence on the page, not an error.
  void finish(const ScanResult& scan, const std::vector<PlacedBlock>& placed = {},
              const std::vector<Problem>& container_problems = {});

  /// What was found wrong. After finish().
  const ProblemLog& problems() const;

  /// Writes one HTML document, UTF-8, that refers to nothing outside of itself and runs no script.
  /// What comes from the stream is escaped. Long lists are cut, and the page says by how much: it
  /// stays below 32 MiB whatever the guest. Does not finish `sink`. After finish().
  Status write_page(const ReportSubject& subject, ByteSink& sink) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
