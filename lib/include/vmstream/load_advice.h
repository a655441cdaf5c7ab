// SPDX-License-Identifier: MIT
// Where and why a QEMU would fail to load a stream, in sentences.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/problems.h>
#include <vmstream/stream_scan.h>
#include <vmstream/stream_summary.h>
#include <vmstream/visitor.h>

namespace vmstream {

enum class AdviceKind {
  Fails,  ///< no QEMU, or not the one asked for, gets past this
  Needs,  ///< what the destination must have or be started with
  Note,   ///< what happens, or where a message points
};
/// "fails", "needs", "note": the word used in JSON.
std::string_view name_of(AdviceKind kind);

/// One or two sentences. Names in them are escaped.
struct Advice {
  AdviceKind kind = AdviceKind::Note;
  std::optional<uint64_t> offset = std::nullopt;  ///< the place it speaks of
  std::string text;
};

/// What LoadAdviser::explain() makes nothing of in a message of QEMU: lines and parts of lines,
/// escaped. Long ones are cut; at most 100 of them.
std::vector<std::string> lines_not_understood(std::string_view message);

/// Collects what a destination will meet. Memory: device sections, at most 32 MiB.
/// Use: scan_stream() with this visitor, then finish() with the scan's result.
class LoadAdviser final : public VisitorList {
 public:
  /// `qemu`: the release that is to load the stream; without one, whichever is made for it.
  explicit LoadAdviser(std::optional<QemuVersion> qemu = std::nullopt);
  ~LoadAdviser() override;

  /// Call once; the others afterwards.
  std::vector<Advice> finish(const ScanResult& scan);
  const LoadVerdict& verdict() const;
  /// Finds what a message of QEMU speaks of. Empty if the message is not known.
  std::vector<Advice> explain(std::string_view message) const;
  /// Its problems are those that a Verifier finds.
  const StreamSummary& summary() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
