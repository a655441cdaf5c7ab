// SPDX-License-Identifier: MIT
// Whether a stream is whole and agrees with itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <vmstream/problems.h>
#include <vmstream/stream_scan.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// The outcome. What a decoder checks on the way (checksums) comes in through the scan.
struct Verification {
  bool complete = false;
  uint64_t sections = 0;        ///< whole ones, of every type
  uint64_t devices = 0;         ///< FULL sections
  uint64_t described = 0;       ///< of those, held against the description
  uint64_t trailing_bytes = 0;  ///< behind the end; no fault
  bool vmdesc = false;
  /// Whole without a description, though its sender writes one unless it is told not to. Streams of
  /// a postcopy migration have none.
  bool lacks_vmdesc = false;
  bool end_is_inferred = false;  ///< see StreamSummary
  /// All up to the end mark was read, and where that stands is no guess.
  bool sections_complete = false;
  bool mapped_ram = false;  ///< pages have fixed places in the file
  ProblemLog problems;
  LoadVerdict load;  ///< what QEMU makes of it

  /// Complete, and nothing wrong but what QEMU is known to write.
  bool ok() const { return complete && problems.damage() == 0; }
  /// Nothing is wrong but the description, if anything is.
  bool ok_but_for_description() const {
    return sections_complete && problems.damage() == problems.description_damage();
  }
  /// ok(), or the first problem as an error.
  Status status() const;
};

/// What a stream has to be for verify_stream().
enum class Wanted { Whole, WholeButForDescription };

/// Whether the page channels of a multifd migration are at hand, which its main stream cannot be
/// loaded without.
enum class PageChannels { Unknown, AtHand };

/// Collects what the parser finds wrong, decodes what QEMU decodes (deltas and compressed pages,
/// commands, the heads of mapped-ram blocks), looks at the order of the sections, and holds the
/// description against them in both directions: each device, its length, the heads of its
/// subsections.
/// Use: scan_stream() with this visitor, then finish() with the scan's result.
/// Memory: device sections, at most 32 MiB.
class Verifier final : public VisitorList {
 public:
  explicit Verifier(PageChannels channels = PageChannels::Unknown);
  ~Verifier() override;

  /// Where the stream begins in the file that its QEMU wrote, see stream_place(), if that is known:
  /// a mapped-ram stream must agree. To be told before the stream comes.
  void set_stream_place(std::optional<uint64_t> place);

  /// Call once, and verify nothing after.
  Verification finish(const ScanResult& scan);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads all of `plain`: success if the stream is whole, agrees with itself and, where `sha256` is
/// not empty, has that digest. The error of damage is that of the first problem.
Status verify_stream(ByteSource& plain, const std::string& sha256 = {},
                     const ScanOptions& options = {}, Wanted wanted = Wanted::Whole);

}  // namespace vmstream
