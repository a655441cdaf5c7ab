// SPDX-License-Identifier: MIT
#include "common/command_line.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <iterator>

#include <vmstream/text.h>
#include "common/help.h"
#include "common/nearest.h"
#include "common/output.h"

namespace vmtools {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Status;

ExitStatus exit_status_of(Errc code) {
  switch (code) {
    case Errc::Environment:
    case Errc::TimedOut:
      return ExitStatus::Environment;
    case Errc::Usage:
      return ExitStatus::Usage;
    case Errc::Malformed:
    case Errc::Truncated:
      return ExitStatus::Malformed;
    case Errc::Unsupported:
      return ExitStatus::Unsupported;
    case Errc::Refused:
      return ExitStatus::Refused;
    case Errc::Interrupted:
      return ExitStatus::Interrupted;
  }
  return ExitStatus::Environment;
}

struct CommandLine::State {
  ToolText tool;
  CLI::App app;
  std::vector<HelpGroup> groups;
  std::vector<std::string>* behind_dashes = nullptr;
  std::vector<std::function<void()>> when_read;

  HelpGroup& last_group() {
    if (groups.empty()) groups.push_back({"Options", {}});
    return groups.back();
  }

  // "-o,--output" and "FILE" become "-o, --output FILE".
  void add_row(std::string_view names, std::string_view placeholder, std::string_view help) {
    std::string left(names);
    if (size_t comma = left.find(','); comma != std::string::npos) left.insert(comma + 1, " ");
    if (!placeholder.empty()) left += fmt::format(" {}", placeholder);
    last_group().rows.push_back({left, std::string(help)});
  }

  std::vector<std::string> option_names() const {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    return names;
  }

  Status read(std::vector<std::string> words);
};

namespace {

// What the user typed last, for messages: "--output" of "-o,--output".
std::string long_name(std::string_view names) {
  size_t comma = names.rfind(',');
  return std::string(comma == std::string_view::npos ? names : names.substr(comma + 1));
}

// CLI11 begins its messages in upper case and may quote what was typed.
std::string tidy(std::string message) {
  if (message.size() > 1 && std::islower(static_cast<unsigned char>(message[1])) != 0) {
    message[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[0])));
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  while (message.ends_with(' ') || message.ends_with('.')) message.pop_back();
  return vmstream::escape(message);
}

template <typename T>
CommandLine::Take keep(std::optional<T>& into, vmstream::Result<T> (*parse)(std::string_view)) {
  return [&into, parse](const std::string& typed) -> Status {
    auto parsed = parse(typed);
    if (!parsed) return parsed.error();
    into = *parsed;
    return vmstream::ok();
  };
}

}  // namespace

Status CommandLine::State::read(std::vector<std::string> words) {
  auto wrong = [this](std::string message) {
    return Error{.code = Errc::Usage,
                 .message = std::move(message),
                 .hint = fmt::format("{} --help lists the options", tool.name)};
  };
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(std::move(words));
  } catch (const CLI::ArgumentMismatch& mismatch) {
    // "--option: …" of one with a value, "option was given …" of a flag.
    std::string_view message = mismatch.what();
    bool is_flag = !message.starts_with('-');
    if (is_flag)
      return wrong(fmt::format("--{} takes no value", message.substr(0, message.find(' '))));
    return wrong(fmt::format("{}: wanted exactly one value", message.substr(0, message.find(':'))));
  } catch (const CLI::ParseError& error) {
    return wrong(tidy(error.what()));
  }
  for (const auto& take : when_read) take();
  auto unknown = app.remaining();
  if (unknown.empty()) return vmstream::ok();
  bool is_option = unknown[0].starts_with('-');
  Error error = wrong(fmt::format("{} '{}'", is_option ? "unknown option" : "unexpected argument",
                                  vmstream::escape(unknown[0])));
  std::string meant = unknown[0].substr(0, unknown[0].find('='));
  std::string near = is_option ? did_you_mean(meant, option_names()) : "";
  if (!near.empty()) error.hint = near + " " + error.hint;
  return error;
}

CommandLine::CommandLine(ToolText text) : state_(std::make_unique<State>()) {
  state_->tool = std::move(text);
  state_->app.set_help_flag();  // ours is laid out differently
  state_->app.allow_extras();   // and so is the message about what nobody wants
}
CommandLine::~CommandLine() = default;

const ToolText& CommandLine::tool() const {
  return state_->tool;
}

void CommandLine::group(std::string_view title) {
  state_->groups.push_back({std::string(title), {}});
}

void CommandLine::row(std::string_view left, std::string_view help) {
  state_->last_group().rows.push_back({std::string(left), std::string(help)});
}

void CommandLine::flag(std::string_view names, std::string_view help, std::function<void()> set) {
  state_->add_row(names, "", help);
  state_->app.add_flag_callback(std::string(names), std::move(set))->disable_flag_override();
}

void CommandLine::flag(std::string_view names, bool& into, std::string_view help) {
  flag(names, help, [&into] { into = true; });
}

void CommandLine::value(std::string_view names, std::string_view placeholder, std::string_view help,
                        Take take) {
  state_->add_row(names, placeholder, help);
  auto check = [take = std::move(take), name = long_name(names)](const std::string& typed) {
    if (auto taken = take(typed); !taken) throw CLI::ValidationError(name, taken.error().message);
  };
  state_->app.add_option_function<std::string>(std::string(names), check);
}

void CommandLine::text(std::string_view names, std::string_view placeholder,
                       std::optional<std::string>& into, std::string_view help) {
  value(names, placeholder, help, [&into](const std::string& typed) -> Status {
    if (typed.empty()) return Error{Errc::Usage, "the value is empty"};
    into = typed;
    return vmstream::ok();
  });
}

// To CLI11 it is a flag, which may have a value and is "true" without one.
void CommandLine::text_or_none(std::string_view name, std::string_view placeholder,
                               std::optional<std::string>& into, std::string_view help) {
  state_->add_row(fmt::format("{}[={}]", name, placeholder), "", help);
  auto typed = std::make_shared<std::string>();
  const CLI::Option* flag = state_->app.add_flag(std::string(name), *typed);
  state_->when_read.emplace_back([flag, typed, &into] {
    if (flag->count() > 0) into = *typed == "true" ? "" : *typed;
  });
}

void CommandLine::texts(std::string_view names, std::string_view placeholder,
                        std::vector<std::string>& into, std::string_view help) {
  state_->add_row(names, placeholder, help);
  auto take = [&into, name = long_name(names)](const std::vector<std::string>& typed) {
    if (std::ranges::find(typed, "") != typed.end()) {
      throw CLI::ValidationError(name, "the value is empty");
    }
    into = typed;
  };
  state_->app.add_option_function<std::vector<std::string>>(std::string(names), take)
      ->allow_extra_args(false);
}

void CommandLine::size(std::string_view names, std::optional<uint64_t>& into,
                       std::string_view help) {
  value(names, "SIZE", help, keep(into, vmstream::parse_size));
}

void CommandLine::rate(std::string_view names, std::optional<uint64_t>& into,
                       std::string_view help) {
  value(names, "RATE", help, keep(into, vmstream::parse_rate));
}

void CommandLine::duration(std::string_view names, std::optional<std::chrono::milliseconds>& into,
                           std::string_view help) {
  value(names, "TIME", help, keep(into, vmstream::parse_duration));
}

void CommandLine::add_choice(std::string_view names, std::vector<std::string> words,
                             std::string_view help, std::function<void(size_t)> take) {
  auto placeholder = fmt::format("{}", fmt::join(words, "|"));
  value(names, placeholder, help,
        [words = std::move(words), take = std::move(take)](const std::string& typed) -> Status {
          auto found = std::find(words.begin(), words.end(), typed);
          if (found == words.end()) {
            return Error{Errc::Usage,
                         fmt::format("'{}' is not one of {}", typed, fmt::join(words, ", "))};
          }
          take(static_cast<size_t>(std::distance(words.begin(), found)));
          return vmstream::ok();
        });
}

void CommandLine::positional(std::string_view name, std::optional<std::string>& into) {
  state_->app.add_option_function<std::string>(std::string(name),
                                               [&into](const std::string& typed) { into = typed; });
}

void CommandLine::positionals(std::vector<std::string>& into) {
  state_->app.add_option("arguments", into);  // CLI11 wants a name that is one plain word
}

void CommandLine::behind_dashes(std::vector<std::string>& into) {
  state_->behind_dashes = &into;
}

void CommandLine::exclusive(std::string_view one, std::string_view other) {
  state_->app.get_option(std::string(one))->excludes(state_->app.get_option(std::string(other)));
}

bool CommandLine::given(std::string_view name) const {
  return state_->app.get_option(std::string(name))->count() > 0;
}

vmstream::Result<std::optional<ExitStatus>> CommandLine::parse(int argc, char** argv) {
  bool short_help = false;
  bool help = false;
  bool version = false;
  flag("-h", short_help, "print a short help");
  flag("--help", help, "print this help");
  flag("--version", version, "print the version, codecs and engines built in");
  std::vector<std::string> words(argv + 1, argv + argc);
  auto dashes = std::find(words.begin(), words.end(), "--");
  if (state_->behind_dashes && dashes != words.end()) {
    state_->behind_dashes->assign(std::next(dashes), words.end());
    words.erase(dashes, words.end());
    if (state_->behind_dashes->empty()) words.emplace_back("--");  // nobody wants it: an error
  }
  if (auto read = state_->read(std::move(words)); !read) return read.error();
  if (!short_help && !help && !version) return std::optional<ExitStatus>();
  print(help         ? render_help(tool(), state_->groups)
        : short_help ? render_short_help(tool(), state_->groups)
                     : render_version(tool()));
  return std::optional(flush_output() ? ExitStatus::Done : ExitStatus::Environment);
}

}  // namespace vmtools
