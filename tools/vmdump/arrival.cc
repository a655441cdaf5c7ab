// SPDX-License-Identifier: MIT
#include "vmdump/arrival.h"

#include <fmt/format.h>
#include <unistd.h>

#include <vmstream/container.h>
#include <vmstream/text.h>
#include <vmstream/verification.h>
#include "common/around_file.h"
#include "common/terminal.h"

namespace vmdump {

using vmstream::Errc;
using vmstream::Error;
using vmstream::FileShare;
using vmstream::OpenOptions;
using vmstream::Result;
using vmstream::StateFacts;
using vmstream::StateFile;
using vmstream::WaitLimits;

namespace {

Result<std::unique_ptr<vmstream::ByteSource>> open_stdin(WaitLimits limits) {
  if (vmtools::is_terminal(STDIN_FILENO)) {
    return Error{Errc::Usage, "a terminal sends no migration stream"};
  }
  return vmstream::make_fd_source(STDIN_FILENO, limits);
}

Result<OpenOptions> open_options(const Options& options, const Passphrase& passphrase,
                                 WaitLimits limits) {
  OpenOptions how{.decode = {.threads = options.common.threads, .limits = limits},
                  .openpgp = {.passphrase = passphrase, .limits = limits}};
  if (!options.required_signer) return how;
  auto signer = vmstream::RequiredSigner::find(*options.required_signer, limits);
  if (!signer) return signer.error();
  how.required_signer = std::move(*signer);
  return how;
}

Result<StateFile> open_file(const std::string& name, OpenOptions how) {
  if (name != "-") return StateFile::open(name, std::move(how));
  auto bytes = open_stdin(how.decode.limits);
  if (!bytes) return bytes.error();
  return StateFile::open({.file = {}, .stream = std::move(*bytes)}, std::move(how));
}

std::optional<StateFacts> facts_of(StateFile& file) {
  const auto* index = file.index();
  if (!index) return std::nullopt;
  auto facts = index->read_facts();
  return facts ? std::optional(std::move(*facts)) : std::nullopt;
}

std::optional<std::string> domain_of(StateFile& file) {
  const auto* index = file.index();
  if (!index) return std::nullopt;
  auto xml = index->read_domain_xml();
  return xml ? std::move(*xml) : std::nullopt;
}

bool is_same_guest(const StateFacts& one, const StateFacts& other) {
  return one.machine == other.machine && one.ram_bytes == other.ram_bytes &&
         one.blocks.size() == other.blocks.size();
}

// A digest that is not there says nothing.
bool is_same_stream(const StateFacts& one, const StateFacts& other) {
  bool may_agree = one.sha256.empty() || other.sha256.empty() || one.sha256 == other.sha256;
  return one.stream_bytes == other.stream_bytes && may_agree;
}

// What holds the stream may be damaged or unfinished although the stream is whole.
vmstream::Status check_containers(const std::vector<vmstream::Container>& containers) {
  for (const auto& container : containers) {
    if (!container.problems.empty()) return Error{Errc::Malformed, container.problems.front()};
  }
  return vmstream::ok();
}

// Of a mapped-ram file another stream is made. What stands in the file beside its pages is not part
// of that, and only a reading of the file itself finds it damaged. What is converted afterwards is
// what was judged.
vmstream::Status judge_original(StateFile& file, SaveObserver& observer) {
  if (!file.is_mapped_ram()) return vmstream::ok();
  observer.enter("verify");
  return file.prove([&](vmstream::ByteSource& stream) {
    vmstream::Verifier verifier;
    verifier.set_stream_place(vmstream::stream_place(file.containers()));
    auto scan = vmstream::scan_stream(
        stream, verifier,
        {.on_progress = [&observer](const auto& counts) { observer.on_progress(counts); }});
    return scan.fault ? vmstream::Status(*scan.fault) : verifier.finish(scan).status();
  });
}

bool is_mapped(const StateFacts& facts) {
  return !facts.blocks.empty() && facts.blocks.front().block.mapped;
}

}  // namespace

std::string Arrival::name(const Options& options) {
  return options.from.value_or("-") == "-" ? "stdin" : *options.from;
}

Result<Arrival> Arrival::open(const Options& options, const Passphrase& passphrase,
                              SaveObserver& observer, WaitLimits limits) {
  Arrival arrival;
  if (!options.from) {
    auto bytes = open_stdin(limits);
    if (!bytes) return bytes.error();
    arrival.stream_ = std::move(*bytes);
    return arrival;
  }
  auto how = open_options(options, passphrase, limits);
  if (!how) return how.error();
  auto place = vmstream::StateName::parse(*options.from);
  auto share = FileShare::take(place.file == "-" ? "/proc/self/fd/0" : place.file);
  if (!share) return share.error();
  arrival.share_.emplace(std::move(*share));
  auto file = open_file(*options.from, std::move(*how));
  if (!file) return file.error();
  arrival.file_.emplace(std::move(*file));
  if (auto sound = judge_original(*arrival.file_, observer); !sound) {
    return sound.error();
  }
  observer.enter("convert");
  auto stream = arrival.file_->piped_stream();
  if (!stream) return stream.error();
  if (auto whole = check_containers(arrival.containers()); !whole) return whole.error();
  auto verified = std::make_unique<vmstream::VerifiedSource>(std::move(*stream));
  arrival.verified_ = verified.get();
  arrival.stream_ = std::move(verified);
  arrival.facts_ = facts_of(*arrival.file_);
  arrival.domain_xml_ = domain_of(*arrival.file_);
  return arrival;
}

std::vector<vmstream::Container> Arrival::containers() const {
  return file_ ? file_->containers() : std::vector<vmstream::Container>();
}

// A mapped-ram file is another stream of the same guest, and passes are those of a stream.
void Arrival::describe(vmstream::StateIndex& index) const {
  if (!facts_ || !is_same_guest(*facts_, index.facts)) return;
  bool same = is_same_stream(*facts_, index.facts);
  if (!same && !is_mapped(*facts_)) return;
  std::string maker = index.facts.capture.vmstream_version;
  index.facts.capture = facts_->capture;
  index.facts.capture.vmstream_version = maker;
  index.domain_xml = domain_xml_;
  if (same) index.facts.passes = facts_->passes;
}

void Arrival::tell_of_image(vmtools::Session& session, const std::string& name) {
  if (file_) vmtools::tell_of_image(session, name, *file_, true);
}

void Arrival::tell(vmtools::Session& session, const std::string& name) const {
  if (!file_) return;
  vmtools::tell_signatures(session, name, file_->containers());
  const auto& found = verified_->found();
  if (!found || found->trailing_bytes == 0) return;
  session.messages().warning(name, fmt::format("{} bytes behind the end of the stream are left out",
                                               found->trailing_bytes));
}

}  // namespace vmdump
