// SPDX-License-Identifier: MIT
// How far a stream has come: a bar on a terminal, or lines of JSON for a program.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/stream_statistics.h>
#include "common/tool.h"

namespace vmtools {

/// What a phase can tell besides the counts.
struct ProgressDetail {
  using Figure = std::variant<uint64_t, bool, double>;

  std::string words;                                         ///< for the bar
  std::vector<std::pair<std::string_view, Figure>> figures;  ///< for JSON: keys that stay valid
  /// Of the guest's memory, where the counts do not tell because pages are sent again.
  std::optional<uint64_t> bytes_left;
};

/// Shows progress as the options ask. Cheap to update as often as there is news; drawn at most ten
/// times a second. The bar is erased by the destructor.
class Progress {
 public:
  /// `phase` is a word such as "save". The session is borrowed.
  Progress(Session& session, std::string_view phase);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(const vmstream::StreamCounts& counts);
  /// Once there is something to show: the same counts, with rates that sink as nothing moves.
  void refresh();
  /// Asked for the bytes that have come out at the far end, whenever progress is shown.
  void watch_output(std::function<uint64_t()> bytes_written) {
    bytes_written_ = std::move(bytes_written);
  }
  /// Shown with the counts from the next update on.
  void detail(ProgressDetail detail) { detail_ = std::move(detail); }
  /// Shows the figures once more under the name of another phase, such as "sync" or "done".
  void enter(std::string_view phase);
  /// The same in words: "save: 45% of 1.00 GiB, 312 MiB/s, 2 s left".
  std::string line();

 private:
  enum class Form { None, Bar, Json };

  void show();
  void measure(vmstream::Clock::time_point now);
  std::optional<double> percent() const;
  std::optional<double> seconds_left() const;
  std::string figures(bool in_full) const;
  std::string bar() const;
  std::string json() const;

  Session& session_;
  Form form_ = Form::None;
  std::string phase_;
  bool begun_ = false;
  ProgressDetail detail_;
  vmstream::StreamCounts counts_;
  vmstream::Clock::time_point start_;
  vmstream::Clock::time_point shown_;
  // Smoothed over the last seconds, with what they were last measured from.
  double stream_bytes_per_second_ = 0;
  double page_bytes_per_second_ = 0;
  double file_bytes_per_second_ = 0;
  vmstream::StreamCounts measured_;
  std::function<uint64_t()> bytes_written_;  // empty: there is no file
  uint64_t file_bytes_ = 0;
};

}  // namespace vmtools
