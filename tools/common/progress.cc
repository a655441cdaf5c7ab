// SPDX-License-Identifier: MIT
#include "common/progress.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/json_text.h"

namespace vmtools {
namespace {

using vmstream::Clock;
using vmstream::format_size;
using Seconds = std::chrono::duration<double>;

constexpr auto kInterval = std::chrono::milliseconds(100);
// A rate reflects about this much of the past: steady to read, quick to follow a stall.
constexpr double kSmoothingSeconds = 3;
constexpr size_t kWidestPicture = 30;
constexpr size_t kNarrowestPicture = 8;

// Progress that nobody reads must not hold up the work: what does not fit now is left out.
void write_line(int fd, std::string_view line) {
  pollfd out{fd, POLLOUT, 0};
  if (::poll(&out, 1, 0) <= 0 || (out.revents & POLLOUT) == 0) return;
  [[maybe_unused]] ssize_t written = ::write(fd, line.data(), line.size());
}

double smoothed(double rate, double bytes, double seconds, double elapsed) {
  double weight = 1 - std::exp(-seconds / std::min(kSmoothingSeconds, elapsed));
  return rate + weight * (bytes / seconds - rate);
}

// "[=====     ] " as wide as the other `columns` of the line leave room for, or nothing.
std::string picture(double percent, size_t columns) {
  size_t room = terminal_width(STDERR_FILENO);
  size_t width = std::min(kWidestPicture, room - std::min(room, columns + 4));
  if (width < kNarrowestPicture) return "";
  auto filled = static_cast<size_t>(percent / 100 * static_cast<double>(width));
  return fmt::format("[{}{}] ", std::string(filled, '='), std::string(width - filled, ' '));
}

// No figure is shown in half where there is room for some.
std::string cut_to_terminal(std::string text) {
  size_t room = terminal_width(STDERR_FILENO) - 1;
  if (text.size() <= room) return text;
  size_t comma = text.rfind(',', room);
  if (comma != std::string::npos) text.resize(comma);
  return text;
}

std::string format_rate(double bytes_per_second) {
  return format_size(whole(bytes_per_second)) + "/s";
}

nlohmann::ordered_json tenths_or_null(std::optional<double> value) {
  if (!value) return nullptr;
  return std::round(*value * 10) / 10;
}

}  // namespace

Progress::Progress(Session& session, std::string_view phase)
    : session_(session), phase_(phase), start_(Clock::now()), shown_(start_) {
  const CommonOptions& options = session.options();
  bool quiet = options.verbosity == Verbosity::Quiet;
  switch (options.progress) {
    case ProgressMode::Auto:
      form_ = !quiet && is_terminal(STDERR_FILENO) ? Form::Bar : Form::None;
      break;
    case ProgressMode::Always:
      form_ = Form::Bar;
      break;
    case ProgressMode::Never:
      form_ = Form::None;
      break;
    case ProgressMode::Json:
      form_ = Form::Json;
      break;
  }
}

Progress::~Progress() {
  if (form_ == Form::Bar) session_.messages().erase_bar();
}

void Progress::update(const vmstream::StreamCounts& counts) {
  counts_ = counts;
  begun_ = true;
  refresh();
}

void Progress::refresh() {
  if (form_ == Form::None || !begun_) return;
  if (Clock::now() - shown_ >= kInterval) show();
}

void Progress::enter(std::string_view phase) {
  phase_ = phase;
  detail_.words.clear();
  detail_.bytes_left.reset();
  show();
}

void Progress::show() {
  measure(Clock::now());
  if (form_ == Form::Bar) session_.messages().draw_bar(bar());
  if (form_ == Form::Json) write_line(session_.options().progress_fd, json());
}

void Progress::measure(Clock::time_point now) {
  double seconds = Seconds(now - shown_).count();
  if (seconds <= 0) return;
  double elapsed = Seconds(now - start_).count();
  // A phase that reads what was written begins at zero again.
  auto grown = [](uint64_t to, uint64_t from) {
    return static_cast<double>(to < from ? to : to - from);
  };
  stream_bytes_per_second_ =
      smoothed(stream_bytes_per_second_, grown(counts_.stream_bytes, measured_.stream_bytes),
               seconds, elapsed);
  page_bytes_per_second_ = smoothed(
      page_bytes_per_second_, grown(counts_.page_bytes, measured_.page_bytes), seconds, elapsed);
  measured_ = counts_;
  uint64_t written = bytes_written_ ? bytes_written_() : 0;
  file_bytes_per_second_ =
      smoothed(file_bytes_per_second_, grown(written, file_bytes_), seconds, elapsed);
  file_bytes_ = written;
  shown_ = now;
}

std::optional<double> Progress::percent() const {
  if (counts_.guest_bytes == 0) return std::nullopt;
  auto all = static_cast<double>(counts_.guest_bytes);
  auto done = static_cast<double>(counts_.page_bytes);
  if (detail_.bytes_left) done = all - static_cast<double>(*detail_.bytes_left);
  return std::clamp(100 * done / all, 0.0, 100.0);
}

std::optional<double> Progress::seconds_left() const {
  bool can_tell = counts_.guest_bytes > 0 && page_bytes_per_second_ >= 1 && !detail_.bytes_left;
  if (!can_tell) return std::nullopt;
  uint64_t left = counts_.guest_bytes - std::min(counts_.guest_bytes, counts_.page_bytes);
  return static_cast<double>(left) / page_bytes_per_second_;
}

std::string Progress::figures(bool in_full) const {
  std::string text = format_rate(stream_bytes_per_second_);
  if (bytes_written_ && in_full) text += ", written " + format_rate(file_bytes_per_second_);
  if (auto left = seconds_left()) {
    auto whole = std::chrono::seconds(static_cast<int64_t>(std::min(std::ceil(*left), 1e9)));
    text += fmt::format(", {} left", vmstream::format_duration(whole));
  }
  if (!detail_.words.empty()) text += ", " + detail_.words;
  auto part = percent();
  if (!part) return text;
  return fmt::format("{:3.0f}% of {}, {}", std::floor(*part), format_size(counts_.guest_bytes),
                     text);
}

std::string Progress::line() {
  measure(Clock::now());
  return fmt::format("{}: {}", phase_, figures(true));
}

std::string Progress::bar() const {
  std::string head = fmt::format("{}: {}: ", session_.tool().name, phase_);
  auto part = percent();
  if (!part) return head + figures(true);
  for (bool in_full : {true, false}) {
    std::string text = figures(in_full);
    std::string drawn = picture(*part, head.size() + text.size());
    if (!drawn.empty()) return head.append(drawn).append(text);
  }
  return cut_to_terminal(head + figures(false));
}

std::string Progress::json() const {
  nlohmann::ordered_json line;
  line["tool"] = session_.tool().name;
  line["phase"] = phase_;
  line["stream_bytes"] = counts_.stream_bytes;
  line["page_bytes"] = counts_.page_bytes;
  line["guest_bytes"] = counts_.guest_bytes;
  line["percent"] = tenths_or_null(percent());
  line["bytes_per_second"] = std::llround(stream_bytes_per_second_);
  if (bytes_written_) {
    line["file_bytes"] = file_bytes_;
    line["file_bytes_per_second"] = std::llround(file_bytes_per_second_);
  }
  line["seconds_left"] = tenths_or_null(seconds_left());
  line["elapsed_seconds"] = std::round(Seconds(shown_ - start_).count() * 1000) / 1000;
  for (const auto& [key, figure] : detail_.figures) {
    std::visit([&line, name = std::string(key)](auto value) { line[name] = value; }, figure);
  }
  return json_text(line) + "\n";
}

}  // namespace vmtools
