// SPDX-License-Identifier: MIT
#include <vmstream/capture.h>

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr std::array<std::pair<EndedBy, std::string_view>, 7> kNames{{
    {EndedBy::Stopped, "stopped"},
    {EndedBy::DirtyPages, "dirty-pages"},
    {EndedBy::Stalls, "stalls"},
    {EndedBy::Passes, "passes"},
    {EndedBy::Downtime, "downtime"},
    {EndedBy::Size, "size"},
    {EndedBy::Background, "background"},
}};

template <typename Number>
bool read_number(std::string_view text, Number& into) {
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), into);
  return failure == std::errc{} && end == text.data() + text.size();
}

bool read_rule(std::string_view name, std::string_view value, ConvergenceRules& rules) {
  if (name == "dirty-pages") return read_number(value, rules.dirty_pages);
  if (name == "stalls") return read_number(value, rules.stalls) && rules.stalls > 0;
  if (name == "passes") return read_number(value, rules.passes) && rules.passes > 0;
  return false;
}

}  // namespace

std::string_view name_of(EndedBy how) {
  for (const auto& [value, name] : kNames) {
    if (value == how) return name;
  }
  return "unknown";
}

Result<ConvergenceRules> ConvergenceRules::parse(std::string_view text) {
  ConvergenceRules rules;
  for (bool more = true; more;) {
    size_t comma = text.find(',');
    std::string_view rule = text.substr(0, comma);
    size_t equals = rule.find('=');
    if (equals == std::string_view::npos ||
        !read_rule(rule.substr(0, equals), rule.substr(equals + 1), rules)) {
      return Error{Errc::Usage,
                   fmt::format("'{}' is none of dirty-pages=N, stalls=N, passes=N", escape(rule))};
    }
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
  }
  return rules;
}

std::optional<EndedBy> Convergence::after(const CapturePass& pass) {
  if (pass.left <= rules_.dirty_pages) return EndedBy::DirtyPages;
  if (pass.pages == 0) return std::nullopt;  // QEMU has looked twice
  ++passes_;
  if (pass.dirtied > pass.pages) ++stalls_;
  if (stalls_ >= rules_.stalls) return EndedBy::Stalls;
  if (passes_ >= rules_.passes) return EndedBy::Passes;
  return std::nullopt;
}

std::optional<Shortfall> measure_shortfall(const CapturePass& pass) {
  if (pass.seconds <= 0 || pass.pages == 0) return std::nullopt;
  double sent = static_cast<double>(pass.pages) / pass.seconds;
  return Shortfall{.dirty_pages_per_second = static_cast<double>(pass.dirtied) / pass.seconds,
                   .sent_pages_per_second = sent,
                   .pause_seconds = static_cast<double>(pass.left) / sent};
}

}  // namespace vmstream
