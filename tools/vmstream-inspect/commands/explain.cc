// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include <vmstream/load_advice.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "common/progress.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/print/printer.h"

namespace vmtools {

using vmstream::Advice;
using vmstream::AdviceKind;

namespace {

// Lines of at most 80 columns, set in by two.
std::string wrapped(std::string_view text) {
  constexpr size_t kColumns = 78;
  std::string lines;
  while (!text.empty()) {
    size_t end = text.size() <= kColumns ? text.size() : text.rfind(' ', kColumns);
    if (end == std::string_view::npos || end == 0) end = std::min(text.find(' '), text.size());
    lines += fmt::format("  {}\n", text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void print_advice(const std::vector<Advice>& list) {
  for (const Advice& advice : list) {
    std::string place = advice.offset ? fmt::format("offset {:#x}", *advice.offset) : "";
    print(fmt::format("{}{}{}\n", name_of(advice.kind), place.empty() ? "" : ", ", place));
    print(wrapped(advice.text));
  }
}

nlohmann::ordered_json advice_json(const std::vector<Advice>& list) {
  auto json = nlohmann::ordered_json::array();
  for (const Advice& advice : list) {
    json.push_back({{"kind", name_of(advice.kind)},
                    {"offset", advice.offset ? nlohmann::ordered_json(*advice.offset) : nullptr},
                    {"text", advice.text}});
  }
  return json;
}

vmstream::Result<std::optional<vmstream::QemuVersion>> wanted_release(
    const std::optional<std::string>& text) {
  if (!text) return std::optional<vmstream::QemuVersion>();
  // The form is that of the end of a machine type's name.
  auto version = vmstream::version_of_machine("qemu-" + *text);
  if (version) return version;
  return vmstream::Error{
      vmstream::Errc::Usage,
      fmt::format("--qemu: '{}' is no release, such as 7.2", vmstream::escape(*text))};
}

std::string_view answer(vmstream::Verdict verdict) {
  switch (verdict) {
    case vmstream::Verdict::Loads:
      return "Nothing in the stream stops a load, if the destination is made for it:\n";
    case vmstream::Verdict::Depends:
      return "Whether it loads depends on the destination:\n";
    case vmstream::Verdict::Refused:
      break;
  }
  return "A load fails.\n";
}

// A flaw that QEMU does not mind is none here.
ExitStatus status_of(Session& session, const InspectOptions& options,
                     const vmstream::ScanResult& scan, const vmstream::LoadVerdict& verdict) {
  if (verdict.verdict != vmstream::Verdict::Refused) return ExitStatus::Done;
  if (scan.fault) return session.fail(shown_name(options), *scan.fault);
  const auto& because = *verdict.because;
  return session.fail(shown_name(options),
                      {vmstream::Errc::Malformed, because.message, because.offset});
}

void print_text(const InspectOptions& options, const std::vector<Advice>& message,
                const std::vector<Advice>& advice, vmstream::Verdict verdict) {
  if (options.error && message.empty()) {
    print("This message of QEMU is not known here; what can be said of the file:\n");
  }
  print_advice(message);
  if (!options.error) print(answer(verdict));
  bool refused = verdict == vmstream::Verdict::Refused;
  if (!options.error || message.empty() || refused) print_advice(advice);
}

}  // namespace

ExitStatus explain(Session& session, const InspectOptions& options, vmstream::StateFile& state) {
  auto release = wanted_release(options.qemu);
  if (!release) return session.fail("", release.error());
  Progress progress(session, "read");
  vmstream::LoadAdviser adviser(*release);
  auto scan = vmstream::scan_stream(
      *state.plain, adviser,
      {.on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session.fail(shown_name(options), *scan.fault);
  }
  auto advice = adviser.finish(scan);
  auto message = options.error ? adviser.explain(*options.error) : std::vector<Advice>{};
  if (options.common.json) {
    auto json = opening_json("vmstream.explain/1", {options.file, state.containers});
    json["complete"] = scan.complete();
    json["verdict"] = name_of(adviser.verdict().verdict);
    if (options.error) json["message"] = advice_json(message);
    json["advice"] = advice_json(advice);
    json["problems"] = problems_json(adviser.summary().problems);
    print_json(json);
  } else {
    print_text(options, message, advice, adviser.verdict().verdict);
  }
  return status_of(session, options, scan, adviser.verdict());
}

}  // namespace vmtools
