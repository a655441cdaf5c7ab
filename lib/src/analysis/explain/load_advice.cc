// SPDX-License-Identifier: MIT
// What a stream asks of the QEMU that is to load it, point by point.
#include <vmstream/load_advice.h>

#include <fmt/format.h>

#include <string>
#include <utility>

#include "analysis/explain/load_findings.h"
#include "analysis/scan/stream_checks.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr size_t kMostProblems = 20;  // told one by one: QEMU stops at the first

// A message of the library, which begins small and has no full stop.
std::string sentence(std::string message) {
  if (!message.empty() && message[0] >= 'a' && message[0] <= 'z') message[0] -= 'a' - 'A';
  message += '.';
  return message;
}

class Adviser {
 public:
  Adviser(const LoadFindings& found, std::optional<QemuVersion> qemu)
      : found_(found), summary_(found.summary), qemu_(qemu) {}

  std::vector<Advice> run() {
    for (const Problem& problem : summary_.problems.kept()) advise_problem(problem);
    for (const Problem& condition : found_.conditions.kept()) advise_condition(condition);
    advise_machine();
    advise_ram();
    advise_devices();
    advise_capabilities();
    advise_pages();
    advise_absent_pages();
    advise_commands();
    advise_age();
    advise_run_state();
    return std::move(advice_);
  }

 private:
  void fails(std::optional<uint64_t> at, std::string text) {
    advice_.push_back({AdviceKind::Fails, at, std::move(text)});
  }
  void needs(std::optional<uint64_t> at, std::string text) {
    advice_.push_back({AdviceKind::Needs, at, std::move(text)});
  }
  void note(std::optional<uint64_t> at, std::string text) {
    advice_.push_back({AdviceKind::Note, at, std::move(text)});
  }

  void advise_problem(const Problem& problem);
  void advise_condition(const Problem& condition);
  void advise_machine();
  void advise_ram();
  void advise_devices();
  void advise_options();
  void advise_capabilities();
  void advise_pages();
  void advise_absent_pages();
  void advise_commands();
  void advise_age();
  void advise_run_state();

  const LoadFindings& found_;
  const StreamSummary& summary_;
  std::optional<QemuVersion> qemu_;
  std::vector<Advice> advice_;
};

void Adviser::advise_problem(const Problem& problem) {
  if (problem.known_flaw) return;
  if (advice_.size() == kMostProblems) {
    return note(std::nullopt, "There is more that is wrong; verify shows all of it.");
  }
  if (advice_.size() > kMostProblems) return;
  bool is_end = found_.fault && found_.fault->offset.value_or(problem.offset) == problem.offset &&
                found_.fault->message == problem.message;
  switch (problem.effect) {
    case LoadEffect::Ignored:
      return note(
          problem.offset,
          fmt::format("The stream is damaged here, but QEMU does not mind: {}.", problem.message));
    case LoadEffect::Depends:
      return needs(problem.offset, sentence(problem.message));
    case LoadEffect::Refused:
      break;
  }
  if (is_end && found_.fault->code == Errc::Truncated) {
    return fails(problem.offset,
                 fmt::format("The stream is cut: {}. QEMU waits for more bytes, finds the end of "
                             "the input and gives up.",
                             problem.message));
  }
  if (is_end) {
    return fails(problem.offset,
                 fmt::format("Nothing behind this place can be read: {}.", problem.message));
  }
  fails(problem.offset,
        fmt::format("The stream is damaged here: {}. QEMU stops at this place.", problem.message));
}

void Adviser::advise_condition(const Problem& condition) {
  if (condition.effect == LoadEffect::Refused) {
    fails(condition.offset, sentence(condition.message));
  } else if (condition.effect == LoadEffect::Depends) {
    needs(condition.offset, sentence(condition.message));
  }
}

void Adviser::advise_machine() {
  const auto& configuration = summary_.configuration;
  if (!configuration) {
    note(std::nullopt,
         "The stream does not say which machine it is of. The destination needs the machine type "
         "and the devices of the source, and a machine type or options that make it expect no "
         "configuration (-global migration.send-configuration=off).");
    return;
  }
  needs(configuration->offset,
        fmt::format("The destination must be started with -machine {} and the devices of the "
                    "source, in the same places. It refuses another type: \"Machine type received "
                    "is '{}' and local is ...\".",
                    escape(configuration->machine), escape(configuration->machine)));
  if (configuration->target_page_bits) {
    needs(configuration->offset, fmt::format("The destination's target pages must have {} bytes.",
                                             uint64_t{1} << *configuration->target_page_bits));
  }
  if (configuration->uuid) {
    needs(configuration->offset,
          "The destination must be started with the -uuid of the source or with none: another is "
          "refused with \"UUID received is ... and local is ...\".");
  }
}

void Adviser::advise_ram() {
  std::string sizes;
  for (const auto& block : summary_.blocks) {
    sizes += fmt::format("{}{} of {} bytes", sizes.empty() ? "" : ", ", escape(block.block.name),
                         block.block.used_length);
  }
  if (sizes.empty()) return;
  needs(summary_.blocks.front().block.offset,
        fmt::format("The destination must have these RAM blocks: {}. Give it the same -m; for "
                    "another length it says \"Size mismatch: {}: {:#x} != ...\".",
                    sizes, escape(summary_.blocks.front().block.name),
                    summary_.blocks.front().block.used_length));
  for (const auto& block : summary_.blocks) {
    if (!block.block.page_size) continue;
    needs(block.block.offset, fmt::format("RAM block {} must be backed by pages of {} bytes.",
                                          escape(block.block.name), *block.block.page_size));
  }
}

// Every section must find its device. Those on a bus have a path in front of their name.
void Adviser::advise_devices() {
  uint64_t vcpus = 0;
  std::optional<uint64_t> first;
  std::string paths;
  for (const auto& device : found_.devices.devices()) {
    const SectionHeader& header = device.header;
    if (header.idstr == "cpu_common") ++vcpus;
    if (header.idstr.find(':') == std::string::npos || header.idstr.ends_with("/")) continue;
    if (!first) first = header.offset;
    paths += fmt::format("{}{}", paths.empty() ? "" : ", ", escape(header.idstr));
  }
  if (first) {
    needs(first, fmt::format("These devices must be in these places: {}. Where one is missing, the "
                             "destination says \"Unknown savevm section or instance\".",
                             paths));
  }
  advise_options();
  if (vcpus > 1) needs(std::nullopt, fmt::format("The destination needs -smp {}.", vcpus));
}

// What the machine does not have of itself.
void Adviser::advise_options() {
  std::string options;
  for (const StartDevice& device : summary_.start.devices) {
    if (device.argument.empty()) continue;
    options += fmt::format("{}{} ({})", options.empty() ? "" : ", ", escape(device.idstr),
                           escape(device.argument));
  }
  if (options.empty()) return;
  needs(std::nullopt, fmt::format("These come by an option, beside what their backends want: {}. "
                                  "Other types of devices may have the same sections.",
                                  options));
}

void Adviser::advise_capabilities() {
  const auto& configuration = summary_.configuration;
  if (!configuration || !configuration->capabilities) return;
  for (const auto& name : *configuration->capabilities) {
    needs(
        configuration->offset,
        fmt::format("The destination needs the capability {}, set before the load.", escape(name)));
  }
}

void Adviser::advise_pages() {
  auto first = [&](PageKind kind) -> std::optional<uint64_t> {
    auto place = found_.pages.find(kind);
    return place == found_.pages.end() ? std::nullopt : std::optional(place->second);
  };
  if (auto at = first(PageKind::Xbzrle)) {
    needs(at,
          "Pages are sent as XBZRLE deltas. Current releases decode them as they are; those of "
          "the 1.x series need the capability xbzrle.");
  }
  if (auto at = first(PageKind::Compressed)) {
    needs(at,
          "Pages are compressed one by one: the destination needs the capability compress, "
          "which exists from 2.4 to 9.0 only.");
  }
}

// A channel of multifd looks whole without the others.
void Adviser::advise_absent_pages() {
  if (!summary_.complete || !summary_.target_page_size) return;
  uint64_t page_size = *summary_.target_page_size;
  std::string blocks;
  for (const RamBlockSummary& summed : summary_.blocks) {
    uint64_t absent = count_absent_pages(summed, page_size);
    if (absent == 0) continue;
    blocks += fmt::format("{}{} ({} of {})", blocks.empty() ? "" : ", ", escape(summed.block.name),
                          absent, summed.block.used_length / page_size);
  }
  if (blocks.empty()) return;
  needs(std::nullopt,
        fmt::format("Not all pages of RAM are in this stream; missing are those of {}. They went "
                    "through other channels (multifd) or stayed in shared memory "
                    "(x-ignore-shared), and the destination must get them from there; or it is "
                    "memory that was not plugged in (virtio-mem).",
                    blocks));
}

void Adviser::advise_commands() {
  for (const auto& [type, at] : found_.commands) {
    switch (type) {
      case CommandType::PostcopyAdvise:
        needs(at,
              "The source announces postcopy: the destination needs the capability "
              "postcopy-ram, and a host that can serve page faults (userfaultfd).");
        break;
      case CommandType::PostcopyRun:
        note(at,
             "The guest was switched over here, before all of its RAM had been sent; what "
             "follows can be loaded over a two-way connection only.");
        break;
      case CommandType::OpenReturnPath:
        needs(at, "The source wants answers: the stream must come over a two-way connection.");
        break;
      case CommandType::SwitchoverStart:
        needs(at, "The command SWITCHOVER_START needs QEMU 10.0 or later.");
        break;
      default:
        break;
    }
  }
}

void Adviser::advise_age() {
  for (const auto& iterable : summary_.iterables) {
    if (iterable.start.idstr != "block") continue;
    needs(iterable.start.offset,
          "Disks are in the stream (block migration): the destination needs "
          "the same disks, and a release up to 9.0.");
  }
  const auto& lowest = summary_.qemu.lowest();
  if (!qemu_ || !lowest || *lowest <= *qemu_) return;
  auto clues = summary_.qemu.because();
  note(std::nullopt,
       fmt::format("The stream looks newer ({} or later: {}) than QEMU {}; devices may have "
                   "sections or versions that it does not know.",
                   to_string(*lowest), clues.empty() ? "" : clues.front(), to_string(*qemu_)));
}

void Adviser::advise_run_state() {
  if (!summary_.run_state) return;
  bool runs = *summary_.run_state == "running";
  note(std::nullopt, fmt::format("The guest was {} when it was saved; after the load it {}.",
                                 escape(*summary_.run_state),
                                 runs ? "runs, unless QEMU was started with -S"
                                      : "does not run until it is told to (cont)"));
}

// Where what a load or a message of QEMU may speak of stands.
class PlaceFinder final : public StreamVisitor {
 public:
  explicit PlaceFinder(LoadFindings& found) : found_(found) {}

  Status on_page(const Page& page) override {
    found_.pages.try_emplace(page.kind, page.offset);
    return ok();
  }
  Status on_ram_mark(RamMark mark, uint64_t offset) override {
    if (mark == RamMark::MultifdFlush && !found_.multifd_flush) found_.multifd_flush = offset;
    if (mark == RamMark::Hook && !found_.hook) found_.hook = offset;
    return ok();
  }
  Status on_command(const Command& command) override {
    found_.commands.try_emplace(command.type, command.offset);
    if (found_.command_list.size() < FoundCommand::kMostKept) {
      found_.command_list.push_back({command.type, command.offset, command.payload.size()});
    }
    return ok();
  }
  Status on_eof(uint64_t offset) override {
    if (!found_.eof_offset) found_.eof_offset = offset;
    return ok();
  }
  Status on_vmdesc(const VmdescRecord& record) override {
    found_.vmdesc = record.description;
    found_.vmdesc_offset = record.offset;
    return ok();
  }
  Status on_cut_vmdesc(const VmdescRecord& record) override { return on_vmdesc(record); }

 private:
  LoadFindings& found_;
};

}  // namespace

std::string_view name_of(AdviceKind kind) {
  switch (kind) {
    case AdviceKind::Fails:
      return "fails";
    case AdviceKind::Needs:
      return "needs";
    case AdviceKind::Note:
      return "note";
  }
  return "note";
}

struct LoadAdviser::State {
  explicit State(std::optional<QemuVersion> loader) : qemu(loader), checks(loader) {}

  std::optional<QemuVersion> qemu;
  SummaryCollector collector;
  StreamChecks checks;
  LoadFindings found{checks.devices()};
  PlaceFinder places{found};
  LoadVerdict verdict;
};

LoadAdviser::LoadAdviser(std::optional<QemuVersion> qemu)
    : VisitorList({}), state_(std::make_unique<State>(qemu)) {
  add(&state_->checks);
  add(&state_->collector);
  add(&state_->places);
}

LoadAdviser::~LoadAdviser() = default;

std::vector<Advice> LoadAdviser::finish(const ScanResult& scan) {
  auto& found = state_->found;
  found.summary = state_->collector.finish(scan);
  found.gaps = scan.gaps;
  found.fault = scan.fault;
  auto checked = state_->checks.finish(scan);
  found.summary.problems = std::move(checked.problems);
  found.conditions = std::move(checked.conditions);
  state_->verdict = std::move(checked.verdict);
  return Adviser(found, state_->qemu).run();
}

const LoadVerdict& LoadAdviser::verdict() const {
  return state_->verdict;
}

std::vector<Advice> LoadAdviser::explain(std::string_view message) const {
  return explain_message(state_->found, message);
}

const StreamSummary& LoadAdviser::summary() const {
  return state_->found.summary;
}

}  // namespace vmstream
