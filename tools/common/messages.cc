// SPDX-License-Identifier: MIT
#include "common/messages.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include <vmstream/text.h>
#include "common/terminal.h"

namespace vmtools {
namespace {

constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::string_view kEraseLine = "\r\x1b[K";

// A stderr that cannot be written to leaves nobody to tell.
void write_stderr(std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
  (void)std::fflush(stderr);
}

}  // namespace

Messages::Messages(std::string tool, Verbosity verbosity, bool color)
    : tool_(std::move(tool)), verbosity_(verbosity), color_(color) {}

Messages::~Messages() {
  erase_bar();
}

void Messages::line(std::string_view subject, std::string_view severity, std::string_view text) {
  erase_bar();
  std::string place = subject.empty() ? "" : vmstream::escape(subject) + ": ";
  write_stderr(fmt::format("{}{}:{} {}{}\n", color_ ? severity : "", tool_,
                           color_ && !severity.empty() ? kPlain : "", place, text));
}

void Messages::error(std::string_view subject, const vmstream::Error& error) {
  line(subject, kRed, vmstream::describe(error));
  if (!error.hint.empty()) write_stderr(fmt::format("hint: {}\n", error.hint));
}

void Messages::warning(std::string_view subject, std::string_view text) {
  if (verbosity_ != Verbosity::Quiet) line(subject, kYellow, fmt::format("warning: {}", text));
}

void Messages::summary(std::string_view text) {
  bool wanted = verbosity_ == Verbosity::Verbose ||
                (verbosity_ == Verbosity::Normal && is_terminal(STDERR_FILENO));
  if (wanted) line("", "", text);
}

void Messages::note(std::string_view subject, std::string_view text) {
  if (verbosity_ != Verbosity::Quiet) line(subject, "", text);
}

void Messages::answer(std::string_view text) {
  line("", "", text);
}

void Messages::detail(std::string_view text) {
  if (verbosity_ == Verbosity::Verbose) line("", "", text);
}

void Messages::draw_bar(std::string_view text) {
  // The last column stays free: many terminals wrap as soon as it is written.
  auto room = terminal_width(STDERR_FILENO) - 1;
  write_stderr(fmt::format("\r{}\x1b[K", text.substr(0, room)));
  bar_drawn_ = true;
}

void Messages::erase_bar() {
  if (bar_drawn_) write_stderr(kEraseLine);
  bar_drawn_ = false;
}

}  // namespace vmtools
