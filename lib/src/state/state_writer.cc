// SPDX-License-Identifier: MIT
#include <vmstream/state_writer.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include <vmstream/command.h>
#include <vmstream/file_digest.h>
#include <vmstream/indexing.h>
#include <vmstream/text.h>
#include "codec/indexed_encoder.h"
#include "container/libvirt/libvirt_front.h"
#include "container/libvirt/libvirt_image.h"
#include "pipeline/digesting_sink.h"
#include "state/index_tables.h"
#include "state/libvirt_sink.h"
#include "state/mapped_ram_sink.h"

namespace vmstream {
namespace {

// Counts what goes to the far end, and bounds it; lends the far end's memory on.
class CountingSink final : public ByteSink {
 public:
  CountingSink(ByteSink& next, std::optional<uint64_t> most) : next_(next), most_(most) {}

  Status write(std::span<const std::byte> bytes) override {
    if (auto fits = take(bytes.size()); !fits) return fits;
    return next_.write(bytes);
  }
  Status finish() override { return next_.finish(); }
  std::span<std::byte> lend() override { return next_.lend(); }
  Status commit(size_t count) override {
    if (auto fits = take(count); !fits) return fits;
    return next_.commit(count);
  }

  uint64_t count() const { return count_; }

 private:
  Status take(size_t count) {
    count_ += count;
    if (!most_ || count_ <= *most_) return ok();
    return Error{Errc::Environment,
                 fmt::format("the file would become larger than {}", format_size(*most_))};
  }

  ByteSink& next_;
  std::optional<uint64_t> most_;
  uint64_t count_ = 0;
};

// Where the stream comes in: remembers whether all of it has gone through.
class Entrance final : public ByteSink {
 public:
  /// `afterwards` is called when all of the stages have finished well.
  explicit Entrance(ByteSink& next, std::function<Status()> afterwards = {})
      : next_(next), afterwards_(std::move(afterwards)) {}

  Status write(std::span<const std::byte> bytes) override { return note(next_.write(bytes)); }
  std::span<std::byte> lend() override { return next_.lend(); }
  Status commit(size_t count) override { return note(next_.commit(count)); }
  Status finish() override {
    if (finished_) return Error{Errc::Usage, "the stream has been finished already"};
    finished_ = true;
    if (auto done = note(next_.finish()); !done || !afterwards_) return done;
    return note(afterwards_());
  }

  bool is_untouched() const { return !used_; }
  /// All of the stream was written, and nothing of it failed.
  bool is_done() const { return finished_ && !failed_; }

 private:
  Status note(Status done) {
    used_ = true;
    if (!done) failed_ = true;
    return done;
  }

  ByteSink& next_;
  std::function<Status()> afterwards_;
  bool used_ = false;
  bool finished_ = false;
  bool failed_ = false;
};

// Of a file that is written but for its front.
Result<std::string> digest_with_front(const OutputFile& file, std::span<const std::byte> front,
                                      WaitLimits limits) {
  auto written = open_random_file(fmt::format("/proc/self/fd/{}", file.descriptor()), limits);
  if (!written) return written.error();
  auto rest = make_stretch_source(**written, front.size(), (*written)->length() - front.size());
  return FileDigest(make_prefixed_source({front.begin(), front.end()}, std::move(rest))).finish();
}

}  // namespace

// entrance -> coder -> OpenPGP -> counted -> digest -> file or another sink
// entrance -> libvirt -> coder -> counted -> file
// entrance -> mapped -> file, by position
struct StateWriter::State {
  WriteOptions options;
  std::optional<StateIndex> index = {};  // the encoder asks for it
  std::string sha256 = {};               // of a file whose front is written last
  // Each stage writes into the one before it in this list, and so is destroyed before it. A command
  // that still waits for the rest of its input is ended then, and does not take it for whole.
  std::unique_ptr<OutputFile> file = nullptr;
  std::unique_ptr<ByteSink> elsewhere = nullptr;
  std::unique_ptr<DigestingSink> digest = nullptr;
  std::unique_ptr<CountingSink> counted = nullptr;
  std::unique_ptr<ByteSink> openpgp = nullptr;
  std::unique_ptr<ByteSink> coder = nullptr;
  std::unique_ptr<LibvirtSink> libvirt = nullptr;
  std::unique_ptr<MappedRamSink> mapped = nullptr;
  std::unique_ptr<Entrance> entrance = nullptr;

  bool has_place_for_index() const {
    bool coded = options.coding == Coding::Gzip || options.coding == Coding::Zstd;
    return options.indexed && !options.filter && coded;
  }
  ByteSink& last_stage() {
    if (coder) return *coder;
    if (openpgp) return *openpgp;
    return *counted;
  }

  Status check_form() const;
  LibvirtFront libvirt_front() const;
  Status open_libvirt();
  Status finish_libvirt();
  Result<std::unique_ptr<ByteSource>> check_libvirt_front(std::unique_ptr<ByteSource> file) const;
  Status open_file();
  Status open_stages(ByteSink& far_end);
  Status open_mapped();
  Status open_openpgp();
  Status open_coder();
  Result<std::vector<std::byte>> make_index(const BlockTable& blocks) const;
};

Status StateWriter::State::open_file() {
  if (options.form == FileForm::Libvirt) return open_libvirt();
  return options.form == FileForm::MappedRam ? open_mapped() : open_stages(*file);
}

Status StateWriter::State::open_stages(ByteSink& far_end) {
  if (options.digest) digest = std::make_unique<DigestingSink>(far_end, options.threads);
  ByteSink& next = digest ? static_cast<ByteSink&>(*digest) : far_end;
  counted = std::make_unique<CountingSink>(next, options.most_bytes);
  if (auto opened = open_openpgp(); !opened) return opened;
  if (auto opened = open_coder(); !opened) return opened;
  entrance = std::make_unique<Entrance>(last_stage());
  return ok();
}

// Both forms are finished by position, and neither has room for more layers.
Status StateWriter::State::check_form() const {
  auto usage = [this](std::string_view what) {
    return Error{Errc::Usage, fmt::format("the form {} {}", name_of(options.form), what)};
  };
  if ((options.form == FileForm::Libvirt) != options.libvirt.has_value()) {
    return usage(options.libvirt ? "has no domain" : "needs the domain's XML");
  }
  if (options.form == FileForm::Qevm) return ok();
  if (options.filter || options.openpgp) return usage("does not go with filters or encryption");
  if (!file || file->is_in_place()) return usage("needs a regular file");
  if (options.form == FileForm::Libvirt) return check_texts(libvirt_front());
  if (options.coding != Coding::None) return usage("is not packed");
  return options.most_bytes ? Status(usage("has no limit of its size")) : ok();
}

// What is packed by libvirt's own programs is packed by ours as well.
LibvirtFront StateWriter::State::libvirt_front() const {
  auto format = std::ranges::find(
      libvirt::kFormats, options.coding == Coding::None ? "raw" : traits_of(options.coding).name,
      &libvirt::Format::name);
  return {.xml = options.libvirt->xml,
          .cookie = options.libvirt->cookie,
          .format = static_cast<uint32_t>(format - libvirt::kFormats.begin())};
}

Status StateWriter::State::open_libvirt() {
  counted = std::make_unique<CountingSink>(*file, options.most_bytes);
  if (auto written = counted->write(make_libvirt_front(libvirt_front())); !written) return written;
  if (auto opened = open_coder(); !opened) return opened;
  libvirt = std::make_unique<LibvirtSink>(last_stage());
  entrance = std::make_unique<Entrance>(*libvirt, [this] { return finish_libvirt(); });
  return ok();
}

// What the file will be once it has its name.
Status StateWriter::State::finish_libvirt() {
  LibvirtFront front = libvirt_front();
  front.is_finished = true;
  front.runs = options.libvirt->runs.value_or(libvirt->starts_guest());
  auto header = make_libvirt_header(front);
  if (options.digest) {
    auto digest = digest_with_front(*file, header, options.limits);
    if (!digest) return digest.error();
    sha256 = std::move(*digest);
  }
  return file->replace_front(std::move(header));
}

// Of the file as it has been read back: the front, or all of it again.
Result<std::unique_ptr<ByteSource>> StateWriter::State::check_libvirt_front(
    std::unique_ptr<ByteSource> file) const {
  auto wanted = make_libvirt_front(libvirt_front());
  std::vector<std::byte> found(wanted.size());
  auto count = read_fully(*file, found);
  if (!count) return count.error();
  if (*count == wanted.size() && found == wanted) {
    return make_prefixed_source(std::move(found), std::move(file));
  }
  return Error{Errc::Malformed, "the header and the domain's XML are not what was written"};
}

Status StateWriter::State::open_mapped() {
  mapped = std::make_unique<MappedRamSink>(*file, options.digest, options.limits);
  entrance = std::make_unique<Entrance>(*mapped);
  return ok();
}

Status StateWriter::State::open_openpgp() {
  if (!options.openpgp) return ok();
  auto message = make_openpgp_sink(*counted, *options.openpgp);
  if (!message) return message.error();
  openpgp = std::move(*message);
  return options.must_read_back ? check_readable(*options.openpgp) : ok();
}

Status StateWriter::State::open_coder() {
  if (options.coding == Coding::None && !options.filter) return ok();
  IndexMaker maker;
  if (has_place_for_index()) {
    maker = [this](const BlockTable& blocks) { return make_index(blocks); };
  }
  EncodeOptions encode{
      .level = options.level, .threads = options.threads, .limits = options.limits};
  auto opened = options.filter ? make_filter_sink(*options.filter, last_stage(), options.limits)
                               : make_indexed_encoder(options.coding, last_stage(), encode, maker);
  if (!opened) return opened.error();
  coder = std::move(*opened);
  return ok();
}

// A zstd file tells its blocks by its seek table.
Result<std::vector<std::byte>> StateWriter::State::make_index(const BlockTable& blocks) const {
  if (!index) return Error{Errc::Usage, "the file was finished before its index was known"};
  return serialise(*index, {.blocks = options.coding == Coding::Gzip ? &blocks : nullptr});
}

std::string_view name_of(FileForm form) {
  switch (form) {
    case FileForm::Qevm:
      return "qevm";
    case FileForm::Libvirt:
      return "libvirt";
    case FileForm::MappedRam:
      return "mapped-ram";
  }
  return "qevm";
}

StateWriter::StateWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
StateWriter::StateWriter(StateWriter&&) noexcept = default;
StateWriter::~StateWriter() = default;

Result<StateWriter> StateWriter::create(const std::string& path, Overwrite overwrite,
                                        WriteOptions options) {
  auto file = OutputFile::create(path, overwrite, options.limits);
  if (!file) return file.error();
  return create(std::move(*file), std::move(options));
}

Result<StateWriter> StateWriter::create(std::unique_ptr<OutputFile> file, WriteOptions options) {
  auto state = std::make_unique<State>(State{.options = std::move(options)});
  state->file = std::move(file);
  if (auto possible = state->check_form(); !possible) return possible.error();
  if (auto opened = state->open_file(); !opened) return opened.error();
  return StateWriter(std::move(state));
}

Result<StateWriter> StateWriter::create(std::unique_ptr<ByteSink> target, WriteOptions options) {
  auto state = std::make_unique<State>(State{.options = std::move(options)});
  state->elsewhere = std::move(target);
  if (auto possible = state->check_form(); !possible) return possible.error();
  if (auto opened = state->open_stages(*state->elsewhere); !opened) return opened.error();
  return StateWriter(std::move(state));
}

ByteSink& StateWriter::entrance() {
  return *state_->entrance;
}
OutputFile* StateWriter::file() {
  return state_->file.get();
}
bool StateWriter::wants_index() const {
  return state_->has_place_for_index();
}
bool StateWriter::is_for_positions() const {
  const WriteOptions& options = state_->options;
  return !options.openpgp && !options.filter && options.coding != Coding::Bzip2;
}

void StateWriter::set_index(StateIndex index) {
  state_->index = std::move(index);
}

Status StateWriter::leave_index_beside(Overwrite overwrite) const {
  if (!state_->index || !state_->file) return ok();
  const std::string& path = state_->file->path();
  auto written = open_random_file(path);
  if (!written) return written.error();
  auto mark = FileMark::of(**written);
  if (!mark) return mark.error();
  Result<StateIndex> index = *state_->index;
  if (state_->mapped) index = index_of_mapped(**written, *state_->index, sha256());
  if (!index) return index.error();
  auto bytes = serialise(*index, {.mark = &*mark});
  if (!bytes) return bytes.error();
  return publish_sidecar(sidecar_path(path), *bytes, overwrite);
}

Result<StateFile> StateWriter::read_back() {
  if (!state_->file) return Error{Errc::Unsupported, "there is no file to read back"};
  auto bytes = state_->file->read_back();
  if (!bytes) return bytes.error();
  const WriteOptions& options = state_->options;
  OpenOptions how{.decode = {.threads = options.threads, .limits = options.limits}};
  if (state_->libvirt) {
    auto checked = state_->check_libvirt_front(std::move(*bytes));
    if (!checked) return checked.error();
    *bytes = std::move(*checked);
  }
  if (options.openpgp) how.openpgp = {options.openpgp->passphrase, options.limits};
  return StateFile::open({.stream = std::move(*bytes)}, std::move(how));
}

// A file may also have been written by who took file(), past the entrance.
Status StateWriter::publish() {
  if (!state_->file) return ok();
  const Entrance& entrance = *state_->entrance;
  bool by_other_way = state_->options.form == FileForm::Qevm && entrance.is_untouched() &&
                      state_->file->disk_bytes() > 0;
  if (!entrance.is_done() && !by_other_way) {
    return Error{Errc::Usage, "what is not finished gets no name"};
  }
  return state_->file->commit_file();
}
uint64_t StateWriter::bytes_written() const {
  return state_->mapped ? state_->mapped->length() : state_->counted->count();
}
std::string StateWriter::sha256() const {
  if (state_->mapped) return state_->mapped->sha256();
  if (state_->libvirt) return state_->sha256;
  return state_->digest ? state_->digest->sha256() : std::string();
}

}  // namespace vmstream
