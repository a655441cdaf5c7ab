// SPDX-License-Identifier: MIT
// Words go to stderr: lines of one shape, and below them the bar, which steps aside for a line.
#pragma once

#include <string>
#include <string_view>

#include <vmstream/result.h>

namespace vmtools {

enum class Verbosity { Quiet, Normal, Verbose };

/// Writes to stderr. Used by one thread at a time.
///
///   tool: SUBJECT: offset 0x…: what is wrong
///   hint: what to try
///
/// A subject is the file, address or command a line speaks of, as the user gave it; it may be
/// empty. It is escaped here, whereas texts must be safe to show already.
class Messages {
 public:
  Messages(std::string tool, Verbosity verbosity, bool color);
  ~Messages();
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  /// Shown always.
  void error(std::string_view subject, const vmstream::Error& error);
  /// Shown unless quiet.
  void warning(std::string_view subject, std::string_view text);
  /// A result for people: shown on a terminal unless quiet, and always when verbose.
  void summary(std::string_view text);
  /// What a person should know of a success: shown unless quiet.
  void note(std::string_view subject, std::string_view text);
  /// What a person has just asked for: shown always.
  void answer(std::string_view text);
  /// Shown when verbose.
  void detail(std::string_view text);

  /// Draws `text`, cut to the terminal's width, in place of the bar before.
  void draw_bar(std::string_view text);
  void erase_bar();

 private:
  void line(std::string_view subject, std::string_view severity, std::string_view text);

  std::string tool_;
  Verbosity verbosity_;
  bool color_;
  bool bar_drawn_ = false;
};

}  // namespace vmtools
