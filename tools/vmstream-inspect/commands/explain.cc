// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <span>

#include <vmstream/byte_source.h>
#include <vmstream/load_advice.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "common/progress.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/print/printer.h"

namespace vminspect {

using vmstream::Advice;
using vmtools::ExitStatus;
using vmtools::print;
using vmtools::print_json;
using vmtools::Progress;
using vmtools::Session;

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
  // Machine types end in the same form; a third number is of a stable release, which writes the
  // same.
  std::string series =
      text->substr(0, text->find('.', std::min(text->find('.'), text->size()) + 1));
  auto is_in_number = [](char letter) {
    return letter == '.' || std::isdigit(static_cast<unsigned char>(letter)) != 0;
  };
  bool begins_well = !text->empty() && text->front() != '.' && text->back() != '.';
  bool is_release = begins_well && std::ranges::all_of(*text, is_in_number) &&
                    std::ranges::count(*text, '.') <= 2;
  auto version = vmstream::version_of_machine("qemu-" + series);
  if (version && is_release) return version;
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

// What QEMU said, as given or from stdin; empty without --error.
vmstream::Result<std::string> read_error(Session& session, const InspectOptions& options) {
  constexpr size_t kMostBytes = 1u << 20;
  if (options.error != "-") return options.error.value_or("");
  auto source = vmstream::make_fd_source(STDIN_FILENO, session.limits());
  std::string text(kMostBytes + 1, '\0');
  auto length = vmstream::read_fully(*source, std::as_writable_bytes(std::span(text)));
  if (!length) return length.error();
  if (*length > kMostBytes) {
    return vmstream::Error{vmstream::Errc::Usage,
                           fmt::format("--error -: more than {} bytes of messages", kMostBytes),
                           {},
                           {},
                           "the last lines of a log tell why a load failed: tail -n 100 LOG"};
  }
  text.resize(*length);
  return text;
}

struct MessageAnswer {
  std::vector<Advice> places;
  std::vector<std::string> not_understood;
};

void print_message(const MessageAnswer& answer) {
  bool known = !answer.places.empty();
  print_advice(answer.places);
  if (!answer.not_understood.empty()) {
    print(known ? "Not understood:\n" : "This message of QEMU is not known here:\n");
  }
  for (const std::string& line : answer.not_understood) print(wrapped(fmt::format("\"{}\"", line)));
  if (!known) print("What can be said of the file:\n");
}

void print_containers(const std::vector<vmstream::Problem>& problems) {
  if (!problems.empty()) print("What is around the stream is not as it should be:\n");
  for (const vmstream::Problem& problem : problems) print(wrapped(problem.message));
}

void print_text(const InspectOptions& options, const MessageAnswer& message,
                const std::vector<Advice>& advice, vmstream::Verdict verdict) {
  if (options.error) print_message(message);
  if (!options.error) print(answer(verdict));
  bool refused = verdict == vmstream::Verdict::Refused;
  if (!options.error || message.places.empty() || refused) print_advice(advice);
}

}  // namespace

ExitStatus explain(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                   vmstream::ByteSource& stream) {
  auto release = wanted_release(options.qemu);
  if (!release) return session.fail("", release.error());
  auto error = read_error(session, options);
  if (!error) return session.fail("", error.error());
  Progress progress(session, "read");
  vmstream::LoadAdviser adviser(*release);
  auto scan = vmstream::scan_stream(
      stream, adviser,
      {.on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session.fail(shown_name(options), *scan.fault);
  }
  auto advice = adviser.finish(scan);
  MessageAnswer message;
  if (options.error) {
    message = {adviser.explain(*error), vmstream::lines_not_understood(*error)};
    // Single words between messages are left out, but here there is nothing else.
    bool nothing = message.places.empty() && message.not_understood.empty();
    if (nothing && !error->empty())
      message.not_understood = {vmstream::escape(error->substr(0, 200))};
  }
  if (options.common.json) {
    auto json = opening_json("vmstream.explain/1", {options.file, file.containers()});
    json["complete"] = scan.complete();
    json["verdict"] = name_of(adviser.verdict().verdict);
    if (options.error) {
      json["message"] = advice_json(message.places);
      json["not_understood"] = message.not_understood;
    }
    json["advice"] = advice_json(advice);
    auto problems = adviser.summary().problems;
    for (auto& problem : file.container_problems()) problems.add(std::move(problem));
    json["problems"] = problems_json(problems);
    print_json(json);
  } else {
    print_containers(file.container_problems());
    print_text(options, message, advice, adviser.verdict().verdict);
  }
  return status_of(session, options, scan, adviser.verdict());
}

}  // namespace vminspect
