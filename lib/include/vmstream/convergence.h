// SPDX-License-Identifier: MIT
// When a live save stops the guest and sends the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <vmstream/result.h>

namespace vmstream {

/// How a save came to its end.
enum class EndedBy {
  Stopped,     ///< the guest stood still from the start
  DirtyPages,  ///< few enough pages were left
  Stalls,      ///< passes sent fewer pages than the guest dirtied meanwhile
  Passes,      ///< as many passes as were allowed
  Downtime,    ///< QEMU itself: the rest fitted into its downtime limit
  Size,        ///< the file would have become too large
  Background,  ///< the state as of the start, written while the guest ran on
};
/// "stopped", "dirty-pages", "stalls", "passes", "downtime", "size", "background": the words of
/// JSON.
std::string_view name_of(EndedBy how);

/// One pass over RAM.
struct CapturePass {
  uint64_t pages = 0;    ///< page records sent
  uint64_t bytes = 0;    ///< of the stream, taken by them
  double seconds = 0;    ///< wall clock
  uint64_t dirtied = 0;  ///< pages that the guest dirtied meanwhile; 0 if it stood still
  uint64_t left = 0;     ///< pages to be sent when it ended: those, and what it had not come to
};

/// The limits of a live save. The first that is reached ends it.
struct ConvergenceRules {
  uint64_t dirty_pages = 50;  ///< so many pages left, or fewer
  uint32_t stalls = 2;        ///< so many passes that sent fewer pages than were dirtied
  uint32_t passes = 30;       ///< so many passes in all

  /// "dirty-pages=50,stalls=2,passes=30"; what is left out keeps its default.
  static Result<ConvergenceRules> parse(std::string_view text);
};

/// Applies the rules pass by pass. A value without ties to any QEMU.
class Convergence {
 public:
  explicit Convergence(ConvergenceRules rules) : rules_(rules) {}

  /// The rule that ends the save after this pass, if one does. One that sent nothing is none of
  /// those that are counted.
  std::optional<EndedBy> after(const CapturePass& pass);

 private:
  ConvergenceRules rules_;
  uint32_t passes_ = 0;
  uint32_t stalls_ = 0;
};

/// By how much a save missed converging, from its last pass that ran beside the guest.
struct Shortfall {
  double dirty_pages_per_second = 0;
  double sent_pages_per_second = 0;
  double pause_seconds = 0;  ///< that sending the rest takes at this rate
};
/// Empty for a pass too short to tell.
std::optional<Shortfall> measure_shortfall(const CapturePass& pass);

}  // namespace vmstream
