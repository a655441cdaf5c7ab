// SPDX-License-Identifier: MIT
#include <vmstream/load_check.h>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <vmstream/byte_sink.h>
#include <vmstream/restore.h>
#include <vmstream/text.h>
#include "base/unique_fd.h"
#include "guest/check/harmless_command.h"
#include "guest/check/start_words.h"
#include "guest/lazy/lazy_reader.h"
#include "guest/mapped/memory_arguments.h"
#include "guest/monitor/query.h"
#include "guest/restore/incoming_guest.h"
#include "state/pageless_stream.h"

namespace vmstream {
namespace {

constexpr auto kLongestCheck = std::chrono::minutes(1);
constexpr size_t kCheckCacheBytes = 16u << 20;
constexpr size_t kMostWordsBytes = 1u << 20;
constexpr QemuRelease kOldestChecked{5, 0};
// What QEMU says of the byte behind the last section.
constexpr std::string_view kAllTaken = ": Unknown savevm section type 85";

// The output of a QEMU, kept in memory.
class Output {
 public:
  static Result<Output> open() {
    UniqueFd file(::memfd_create("vmstream-check", MFD_CLOEXEC));
    if (!file.is_open()) return system_error("memfd_create", errno);
    return Output(std::move(file));
  }

  int descriptor() const { return file_.get(); }

  // Lines so far, escaped, without empty ones.
  std::vector<std::string> lines() const {
    std::string text(kMostWordsBytes, '\0');
    ssize_t count = ::pread(file_.get(), text.data(), text.size(), 0);
    text.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
    std::vector<std::string> lines;
    std::string_view rest = text;
    while (!rest.empty()) {
      auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (!line.empty()) lines.push_back(escape(line));
    }
    return lines;
  }

 private:
  explicit Output(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

struct CheckCommand {
  std::vector<std::string> argv;
  std::vector<std::string> mapped;
  std::vector<std::string> not_checked;
  QemuRelease release;
  bool lacks_tap = false;
};

std::vector<RamBlock> blocks_of(const StateIndex& index) {
  std::vector<RamBlock> blocks;
  for (const IndexedBlock& entry : index.facts.blocks) blocks.push_back(entry.block);
  return blocks;
}

Error own_incoming() {
  return Error{.code = Errc::Usage,
               .message = "the command for QEMU has an -incoming of its own",
               .hint = "leave it out: it is added"};
}

Result<CheckCommand> make_command(const LazyFile& file, const LoadCheckOptions& options,
                                  const WaitLimits& limits) {
  if (options.argv.empty()) return Error{Errc::Usage, "no command for QEMU"};
  auto program = find_qemu_program(options.argv[0], options.search_path);
  if (!program) return program.error();
  auto given = read_qemu_options(options.argv);
  if (!given) return given.error();
  for (const QemuOption& option : *given) {
    if (option.is("incoming")) return own_incoming();
  }
  auto alone = wants_tap(*given) ? words_for_own_network(limits) : std::nullopt;
  auto harmless = make_harmless(*given, alone.has_value());
  if (!harmless) return harmless.error();
  auto release = query_release(*program, limits);
  if (!release) return release.error();
  if (*release < kOldestChecked) {
    return Error{Errc::Unsupported, fmt::format("QEMU {}.{} cannot be asked, 5.0 and later can",
                                                release->major, release->minor)};
  }
  auto memory = complete_memory(std::move(harmless->options), blocks_of(file.index()), *release,
                                options.memory.path_of, MemoryUse::Check);
  if (!memory) return memory.error();
  CheckCommand command{.argv = to_words(*program, memory->options),
                       .mapped = std::move(memory->mapped),
                       .not_checked = std::move(harmless->not_checked),
                       .release = *release,
                       .lacks_tap = harmless->lacks_tap};
  auto end = words_for_common_end();
  command.argv.insert(command.argv.begin(), end.begin(), end.end());
  if (alone) command.argv.insert(command.argv.begin(), alone->begin(), alone->end());
  for (std::string& words : memory->without) command.not_checked.push_back(std::move(words));
  return command;
}

Error did_not_start(const Error& error, const std::vector<std::string>& lines) {
  if (error.code != Errc::Environment || lines.empty()) return error;
  Error told{.code = Errc::Environment, .message = "this QEMU does not start"};
  for (const std::string& line : lines) told.message += (&line == &lines[0] ? ": " : "; ") + line;
  return told;
}

// Feeds all there is. A QEMU that stops reading has its reason, which is the answer.
Status feed(ByteSource& source, QmpClient& qmp, const WaitLimits& limits) {
  MonitorWatch watch(qmp, limits, {});
  IncomingSink sink(qmp, watch, false);
  auto moved = pump(source, sink);
  bool is_refused = !moved && sink.broken() && moved.error().code == Errc::Environment;
  auto finished = sink.finish();
  if (!moved && !is_refused) return moved.error();
  return finished;
}

// Whether the load is over, as it must be: nothing was sent that could end it well.
Status await_answer(QmpClient& qmp, const WaitLimits& limits) {
  auto status = await_load_end(qmp, limits);
  if (!status) return status.error().code == Errc::Environment ? ok() : status.error();
  if (status->name != "completed") return ok();
  return Error{Errc::Malformed,
               "QEMU has loaded a guest of a stream without end, of a file made to deceive it"};
}

bool says_all_taken(const std::vector<std::string>& lines) {
  return std::ranges::any_of(lines,
                             [](const std::string& line) { return line.ends_with(kAllTaken); });
}

// Whether a refusal may come from the network that stands in for a tap.
bool may_miss_tap(const std::vector<std::string>& lines) {
  return std::ranges::any_of(lines, [](const std::string& line) {
    return line.find("virtio-net") != std::string::npos ||
           line.find("vnet_hdr") != std::string::npos ||
           line.find("Features 0x") != std::string::npos;
  });
}

Error not_without_tap(const std::vector<std::string>& lines) {
  Error error{
      .code = Errc::Unsupported,
      .message = "cannot be told here: virtio-net has no tap in this check, and was refused",
      .hint = "check as a user who may open /dev/net/tun and make network namespaces"};
  for (const std::string& line : lines) error.message += "; " + line;
  return error;
}

}  // namespace

Result<LoadAnswer> check_load(const LazyFile& file, const LoadCheckOptions& options) {
  auto start = Clock::now();
  WaitLimits limits = options.limits;
  if (!limits.deadline) limits.deadline = start + kLongestCheck;
  auto command = make_command(file, options, limits);
  if (!command) return command.error();
  auto output = Output::open();
  if (!output) return output.error();
  auto qemu = QemuProcess::start(
      command->argv, limits,
      {.kept_fds = options.memory.descriptors, .output_fd = output->descriptor()});
  if (!qemu) return did_not_start(qemu.error(), output->lines());
  auto reader = file.open_reader(kCheckCacheBytes, limits);
  if (!reader) return reader.error();
  auto source = make_pageless_source(reader->plain(), file.shared_index(),
                                     {.left_out = command->mapped, .is_cut = true});
  if (!source) return source.error();
  if (auto waits = require_waiting(qemu->qmp()); !waits) return waits.error();
  if (auto fed = feed(**source, qemu->qmp(), limits); !fed) return fed.error();
  if (auto over = await_answer(qemu->qmp(), limits); !over) return over.error();
  LoadAnswer answer{.version = fmt::format("{}.{}", command->release.major, command->release.minor),
                    .words = output->lines(),
                    .not_checked = std::move(command->not_checked),
                    .mapped = std::move(command->mapped),
                    .seconds = std::chrono::duration<double>(Clock::now() - start).count()};
  answer.loads = says_all_taken(answer.words);
  if (!answer.loads && command->lacks_tap && may_miss_tap(answer.words)) {
    return not_without_tap(answer.words);
  }
  if (answer.loads) answer.words.clear();
  return answer;
}

}  // namespace vmstream
