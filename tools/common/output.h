// SPDX-License-Identifier: MIT
// Results on stdout.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmtools {

/// While it lives, a reader of stdout who takes nothing more is waited for until `cancellation`
/// (borrowed) is requested. At most one object at a time.
class InterruptibleOutput {
 public:
  explicit InterruptibleOutput(const vmstream::Cancellation& cancellation);
  ~InterruptibleOutput();
  InterruptibleOutput(const InterruptibleOutput&) = delete;
  InterruptibleOutput& operator=(const InterruptibleOutput&) = delete;
};

/// While it lives, what is printed is kept here and goes nowhere. At most one object at a time.
class CapturedOutput {
 public:
  explicit CapturedOutput(size_t most_bytes);
  ~CapturedOutput();
  CapturedOutput(const CapturedOutput&) = delete;
  CapturedOutput& operator=(const CapturedOutput&) = delete;

  /// Empty where there was more than may be.
  std::optional<std::string> take();

 private:
  friend void print(std::string_view text);
  std::string text_;
  size_t most_bytes_;
  bool is_whole_ = true;
};

/// Appends to stdout. The first error is kept, nothing is printed after it.
void print(std::string_view text);

/// Prints `value` as indented JSON, see json_text(), and a newline.
void print_json(const nlohmann::ordered_json& value);

/// Whether `path` leads to where stdout goes. Devices without content, such as /dev/null, do not
/// count: they take anything.
bool is_stdout(const std::string& path);

/// Whether anything was printed.
bool has_printed();

/// That error, if there was one: who goes on to print does so for nobody.
vmstream::Status output_status();

/// Success means that everything printed has been written. A reader that closed the pipe, such as
/// head(1), has seen what it wanted: no error.
vmstream::Status flush_output();

}  // namespace vmtools
