// SPDX-License-Identifier: MIT
// Options defined once: what is parsed is what --help shows, in the same order. And what a tool
// tells its caller in one number.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vmstream/result.h>

namespace vmtools {

enum class ExitStatus {
  Done = 0,         ///< and everything that was promised was checked
  Environment = 1,  ///< I/O, permission, memory, QMP, a pipeline stage, a time-out
  Usage = 2,
  Malformed = 3,    ///< the stream or file is malformed, cut, or fails verification
  Unsupported = 4,  ///< valid, but out of reach
  Refused = 5,      ///< for safety
  No = 6,           ///< the answer to what was asked
  Interrupted = 130,
};

ExitStatus exit_status_of(vmstream::Errc code);

/// The texts around the options in --help. Lines of at most 80 columns.
struct ToolText {
  std::string name;      ///< "vmdump"
  std::string purpose;   ///< one line
  std::string synopsis;  ///< one line a form, without indentation
  std::string examples;  ///< the same
};

/// A command line under construction, then parsed once.
///
/// Names are given as "-o,--output" or "--output". Help texts are plain sentences without full
/// stop; defaults stand in brackets at the end; long ones are wrapped. Everything passed by
/// reference is borrowed and must outlive parse(). -h, --help and --version are built in.
class CommandLine {
 public:
  explicit CommandLine(ToolText text);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// Starts a group of rows in --help.
  void group(std::string_view title);
  /// A row that is no option, such as a command.
  void row(std::string_view left, std::string_view help);

  void flag(std::string_view names, std::string_view help, std::function<void()> set);
  void flag(std::string_view names, bool& into, std::string_view help);

  /// An option with a value; `take` checks and keeps it. Its error is shown behind the name.
  using Take = std::function<vmstream::Status(const std::string&)>;
  void value(std::string_view names, std::string_view placeholder, std::string_view help,
             Take take);
  void text(std::string_view names, std::string_view placeholder, std::optional<std::string>& into,
            std::string_view help);
  /// The same, whose value may be left out and then is "": "--output[=FILE]". A value stands behind
  /// an equals sign.
  void text_or_none(std::string_view name, std::string_view placeholder,
                    std::optional<std::string>& into, std::string_view help);
  /// An option that may be given several times, with one value each.
  void texts(std::string_view names, std::string_view placeholder, std::vector<std::string>& into,
             std::string_view help);
  void size(std::string_view names, std::optional<uint64_t>& into, std::string_view help);
  void rate(std::string_view names, std::optional<uint64_t>& into, std::string_view help);
  void duration(std::string_view names, std::optional<std::chrono::milliseconds>& into,
                std::string_view help);

  /// An option whose value is one of some words.
  template <typename T>
  void choice(std::string_view names, T& into,
              std::initializer_list<std::pair<std::string, T>> words, std::string_view help) {
    std::vector<std::pair<std::string, T>> table(words);
    std::vector<std::string> known;
    known.reserve(table.size());
    for (const auto& [word, meaning] : table) known.push_back(word);
    add_choice(names, std::move(known), help,
               [&into, table = std::move(table)](size_t index) { into = table[index].second; });
  }

  /// Arguments that are no options, in order. `positionals` takes all that are left.
  void positional(std::string_view name, std::optional<std::string>& into);
  void positionals(std::vector<std::string>& into);
  /// Takes everything behind a lone "--". Without it, what stands there is no option but
  /// positional.
  void behind_dashes(std::vector<std::string>& into);

  /// The two options (long names) cannot be used together.
  void exclusive(std::string_view one, std::string_view other);

  /// Fills everything in. A status means that the tool is done: help or version has been printed.
  /// Errc::Usage for a command line that cannot be read.
  vmstream::Result<std::optional<ExitStatus>> parse(int argc, char** argv);

  /// Whether the option of this long name, such as "--output", was there. For after parse().
  bool given(std::string_view name) const;

  const ToolText& tool() const;

 private:
  void add_choice(std::string_view names, std::vector<std::string> words, std::string_view help,
                  std::function<void(size_t)> take);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmtools
