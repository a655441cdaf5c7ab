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

void print_text(const InspectOptions& options, const std::vector<Advice>& message,
                const std::vector<Advice>& advice) {
  if (options.error && message.empty()) {
    print("This message of QEMU is not known here; what can be said of the file:\n");
  }
  print_advice(message);
  bool fails =
      std::ranges::any_of(advice, [](const Advice& one) { return one.kind == AdviceKind::Fails; });
  if (!options.error) {
    print(fails ? "A load fails.\n"
                : "Nothing in the stream stops a load, if the destination is made for it:\n");
  }
  if (!options.error || message.empty() || fails) print_advice(advice);
}

}  // namespace

ExitStatus explain(Session& session, const InspectOptions& options, vmstream::StateFile& state) {
  auto release = wanted_release(options.qemu);
  if (!release) return session.fail("", release.error());
  Progress progress(session, "read");
  vmstream::LoadAdviser adviser;
  auto scan = vmstream::scan_stream(
      *state.plain, adviser,
      {.on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session.fail(shown_name(options), *scan.fault);
  }
  auto advice = adviser.finish(scan, *release);
  auto message = options.error ? adviser.explain(*options.error) : std::vector<Advice>{};
  if (options.common.json) {
    auto json = opening_json("vmstream.explain/1", {options.file, state.containers});
    json["complete"] = scan.complete();
    if (options.error) json["message"] = advice_json(message);
    json["advice"] = advice_json(advice);
    json["problems"] = problems_json(adviser.summary().problems);
    print_json(json);
  } else {
    print_text(options, message, advice);
  }
  return judge(session, options, scan, adviser.summary().problems);
}

}  // namespace vmtools
