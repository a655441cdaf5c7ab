// SPDX-License-Identifier: MIT
#include "vmrestore/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <vector>

#include <vmstream/command.h>
#include <vmstream/load_advice.h>
#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/json_text.h"

namespace vmrestore {

using nlohmann::ordered_json;
using vmstream::Advice;
using vmstream::AdviceKind;
using vmstream::LazyCounts;
using vmstream::LazySummary;
using vmstream::OpenPgpSignature;
using vmstream::RestoreSummary;
using vmtools::kMicroseconds;
using vmtools::or_null;
using vmtools::rounded;

std::string summary_line(const Options& options, const RestoreSummary& summary) {
  std::string name = vmstream::escape(options.exec ? "command" : input_name(options));
  auto line = fmt::format("{}: {} of RAM restored, {:.2f} s", name,
                          vmstream::format_size(summary.counts.guest_bytes), summary.total_seconds);
  if (!summary.run_state.empty()) {
    line += fmt::format(", guest is {}", vmstream::escape(summary.run_state));
  }
  return line;
}

ordered_json summary_json(const Options& options,
                          const std::vector<vmstream::Container>& containers,
                          const RestoreSummary& summary, bool clock_set) {
  const auto& counts = summary.counts;
  ordered_json json;
  json["schema"] = "vmstream.restore/1";
  json["file"] = or_null(options.file);
  json["containers"] = vmtools::containers_json(containers);
  json["output"] = or_null(options.output);
  if (options.into) json["into"] = vmstream::escape(*options.into);
  json["machine"] = or_null(summary.machine);
  json["uuid"] = summary.uuid ? or_null(vmstream::uuid_text(*summary.uuid)) : nullptr;
  json["guest_bytes"] = counts.guest_bytes;
  json["stream_bytes"] = counts.stream_bytes;
  json["pages"] = counts.pages;
  json["zero_pages"] = counts.zero_pages;
  json["device_sections"] = counts.device_sections;
  json["run_state"] = or_null(summary.run_state);
  if (options.set_clock) json["clock_set"] = clock_set;
  json["rebuilt"] = summary.rebuilt;
  json["without_description"] = summary.without_description;
  json["total_seconds"] = rounded(summary.total_seconds);
  return json;
}

std::string lazy_summary_line(const Options& options, const LazySummary& summary) {
  const LazyCounts& counts = summary.counts;
  return fmt::format(
      "{}: {} sent, {} pages of them asked for (median {:.2f} ms, worst {:.1f} ms), {:.2f} s, "
      "guest is {}; the file is no longer needed",
      vmstream::escape(input_name(options)), vmstream::format_size(counts.sent_bytes),
      counts.served_pages, 1e3 * counts.median_service_seconds, 1e3 * counts.worst_service_seconds,
      summary.total_seconds, vmstream::escape(summary.run_state));
}

ordered_json lazy_summary_json(const Options& options, const vmstream::LazyFile& file,
                               const LazySummary& summary, bool clock_set) {
  const LazyCounts& counts = summary.counts;
  const auto& facts = file.index().facts;
  ordered_json json;
  json["schema"] = "vmstream.restore/1";
  json["file"] = or_null(options.file);
  json["containers"] = vmtools::containers_json(file.containers());
  json["machine"] = or_null(facts.machine);
  json["guest_bytes"] = facts.ram_bytes;
  json["run_state"] = or_null(summary.run_state);
  if (options.set_clock) json["clock_set"] = clock_set;
  json["total_seconds"] = rounded(summary.total_seconds);
  json["lazy"] = {{"loaded_seconds", rounded(summary.loaded_seconds, kMicroseconds)},
                  {"requests", counts.requests},
                  {"requests_already_sent", counts.requests_already_sent},
                  {"served_pages", counts.served_pages},
                  {"pushed_pages", counts.pushed_pages},
                  {"absent_pages", counts.absent_pages},
                  {"sent_bytes", counts.sent_bytes},
                  {"median_service_seconds", rounded(counts.median_service_seconds, kMicroseconds)},
                  {"p99_service_seconds", rounded(counts.p99_service_seconds, kMicroseconds)},
                  {"worst_service_seconds", rounded(counts.worst_service_seconds, kMicroseconds)}};
  return json;
}

std::string mapped_summary_line(const Options& options, const RestoreSummary& summary,
                                const MappedMemory& memory) {
  return fmt::format("{}: guest is {} after {:.3f} s, {} of its memory are mapped{}",
                     vmstream::escape(input_name(options)), vmstream::escape(summary.run_state),
                     summary.total_seconds, vmstream::format_size(memory.bytes),
                     memory.view.is_copy() ? " from a copy" : "");
}

ordered_json mapped_summary_json(const Options& options, const vmstream::LazyFile& file,
                                 const RestoreSummary& summary, const MappedMemory& memory,
                                 bool clock_set) {
  auto json = summary_json(options, file.containers(), summary, clock_set);
  const auto& view = memory.view;
  json["map"] = {{"way", view.is_copy() ? "copy" : "view"},
                 {"mapped_bytes", memory.bytes},
                 {"joined", view.is_joined()},
                 {"server_pid", view.is_copy() ? ordered_json() : ordered_json(view.server_pid())},
                 {"reads_before", memory.before.reads},
                 {"reads", memory.after.reads - memory.before.reads},
                 {"read_bytes", memory.after.bytes - memory.before.bytes}};
  return json;
}

namespace {

// "signed by Jo <jo@example.org> (ABCD...) on 2026-11-21 10:00:00 UTC as 'guest.zst.gpg'"
std::string words(const OpenPgpSignature& signature) {
  std::string text = "signed by " + signature.fingerprint;
  if (!signature.user_id.empty()) {
    text = fmt::format("signed by {} ({})", signature.user_id, signature.fingerprint);
  }
  if (signature.created != 0) {
    text += fmt::format(" on {:%Y-%m-%d %H:%M:%S} UTC",
                        fmt::gmtime(static_cast<std::time_t>(signature.created)));
  }
  if (!signature.file_name.empty()) text += fmt::format(" as '{}'", signature.file_name);
  return text;
}

// Null only where the restore would have failed.
const OpenPgpSignature* find_signature(const std::vector<vmstream::Container>& containers,
                                       const vmstream::RequiredSigner& signer) {
  for (const auto& container : containers) {
    if (!container.openpgp) continue;
    for (const auto& signature : container.openpgp->signatures) {
      if (signer.made(signature)) return &signature;
    }
  }
  return nullptr;
}

// A file on stdin or from a command has no name to compare.
bool is_called_otherwise(const Options& options, const OpenPgpSignature& signature) {
  if (!options.file || *options.file == "-" || signature.file_name.empty()) return false;
  std::string name = options.file->substr(options.file->rfind('/') + 1);
  return vmstream::escape(name) != signature.file_name;
}

}  // namespace

void tell_signer(const Options& options, const vmstream::RequiredSigner& signer,
                 const std::vector<vmstream::Container>& containers,
                 const vmstream::RestoreSummary& summary, vmtools::Session& session) {
  const auto* signature = find_signature(containers, signer);
  if (!signature) return;
  std::string text = words(*signature);
  if (summary.uuid) text += ", guest " + vmstream::uuid_text(*summary.uuid);
  session.messages().note(input_name(options), text);
  if (!is_called_otherwise(options, *signature)) return;
  session.messages().warning(input_name(options),
                             fmt::format("its signer called it '{}'", signature->file_name));
}

namespace {

constexpr size_t kMostLines = 3;
constexpr auto kPatience = std::chrono::seconds(3);

std::vector<Advice> of_kind(const std::vector<Advice>& advice, AdviceKind kind) {
  std::vector<Advice> found;
  std::ranges::copy_if(advice, std::back_inserter(found),
                       [kind](const Advice& one) { return one.kind == kind; });
  return found;
}

// What QEMU's words speak of says most, what every load meets says more than what one needs.
std::vector<Advice> most_telling(const vmstream::LoadAdviser& adviser,
                                 const std::vector<Advice>& advice, const std::string& refusal) {
  auto told = adviser.explain(refusal);
  if (told.empty()) told = of_kind(advice, AdviceKind::Fails);
  if (told.empty()) told = of_kind(advice, AdviceKind::Needs);
  if (told.size() > kMostLines) told.resize(kMostLines);
  return told;
}

// A list of many blocks or devices is cut between two of them.
std::string shortened(std::string text) {
  constexpr size_t kMost = 160;
  size_t comma = text.rfind(", ", kMost);
  if (text.size() > kMost && comma != std::string::npos)
    text.replace(comma, std::string::npos, ", ...");
  return text;
}

std::string first_sentence(const std::string& text) {
  return text.substr(0, std::min(text.find(". "), text.size() - (text.ends_with('.') ? 1 : 0)));
}

std::string line_of(const Advice& advice) {
  bool has_place = advice.offset && advice.kind != AdviceKind::Needs;
  std::string place = has_place ? fmt::format("offset {:#x}: ", *advice.offset) : "";
  return place + shortened(first_sentence(advice.text));
}

}  // namespace

void advise(vmtools::Session& session, const std::string& file, const Input& input,
            const std::string& refusal) {
  auto plain = input.open_again(session.limits(kPatience));
  if (!plain) return;
  vmstream::LoadAdviser adviser;
  auto scan = vmstream::scan_stream(*plain, adviser);
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) return;
  auto advice = adviser.finish(scan);
  for (const Advice& one : most_telling(adviser, advice, refusal)) {
    session.messages().note(file, line_of(one));
  }
  session.messages().note(
      file, fmt::format("all of it: vmstream-inspect explain {} --error \"QEMU'S WORDS\"",
                        vmstream::quote_for_shell(file)));
}

}  // namespace vmrestore
