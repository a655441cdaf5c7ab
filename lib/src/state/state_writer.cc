// SPDX-License-Identifier: MIT
#include <vmstream/state_writer.h>

#include <fmt/format.h>

#include <utility>

#include <vmstream/command.h>
#include <vmstream/indexing.h>
#include <vmstream/text.h>
#include "codec/indexed_encoder.h"
#include "pipeline/digesting_sink.h"

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
  explicit Entrance(ByteSink& next) : next_(next) {}

  Status write(std::span<const std::byte> bytes) override { return note(next_.write(bytes)); }
  std::span<std::byte> lend() override { return next_.lend(); }
  Status commit(size_t count) override { return note(next_.commit(count)); }
  Status finish() override {
    if (finished_) return Error{Errc::Usage, "the stream has been finished already"};
    finished_ = true;
    return note(next_.finish());
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
  bool used_ = false;
  bool finished_ = false;
  bool failed_ = false;
};

}  // namespace

// entrance -> coder -> OpenPGP -> counted -> digest -> file or another sink
struct StateWriter::State {
  WriteOptions options;
  std::optional<StateIndex> index = {};  // the encoder asks for it
  // Each stage writes into the one before it in this list, and so is destroyed before it. A command
  // that still waits for the rest of its input is ended then, and does not take it for whole.
  std::unique_ptr<OutputFile> file = nullptr;
  std::unique_ptr<ByteSink> elsewhere = nullptr;
  std::unique_ptr<DigestingSink> digest = nullptr;
  std::unique_ptr<CountingSink> counted = nullptr;
  std::unique_ptr<ByteSink> openpgp = nullptr;
  std::unique_ptr<ByteSink> coder = nullptr;
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

  Status open_stages(ByteSink& far_end);
  Status open_openpgp();
  Status open_coder();
  Result<std::vector<std::byte>> make_index(const BlockTable& blocks) const;
};

Status StateWriter::State::open_stages(ByteSink& far_end) {
  if (options.digest) digest = std::make_unique<DigestingSink>(far_end, options.threads);
  ByteSink& next = digest ? static_cast<ByteSink&>(*digest) : far_end;
  counted = std::make_unique<CountingSink>(next, options.most_bytes);
  if (auto opened = open_openpgp(); !opened) return opened;
  if (auto opened = open_coder(); !opened) return opened;
  entrance = std::make_unique<Entrance>(last_stage());
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
  if (auto opened = state->open_stages(*state->file); !opened) return opened.error();
  return StateWriter(std::move(state));
}

Result<StateWriter> StateWriter::create(std::unique_ptr<ByteSink> target, WriteOptions options) {
  auto state = std::make_unique<State>(State{.options = std::move(options)});
  state->elsewhere = std::move(target);
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
  auto bytes = serialise(*state_->index, {.mark = &*mark});
  if (!bytes) return bytes.error();
  return publish_sidecar(sidecar_path(path), *bytes, overwrite);
}

Result<StateFile> StateWriter::read_back() {
  if (!state_->file) return Error{Errc::Unsupported, "there is no file to read back"};
  auto bytes = state_->file->read_back();
  if (!bytes) return bytes.error();
  const WriteOptions& options = state_->options;
  OpenOptions how{.decode = {.threads = options.threads, .limits = options.limits}};
  if (options.openpgp) how.openpgp = {options.openpgp->passphrase, options.limits};
  return StateFile::open({.stream = std::move(*bytes)}, std::move(how));
}

// A file may also have been written by who took file(), past the entrance.
Status StateWriter::publish() {
  if (!state_->file) return ok();
  const Entrance& entrance = *state_->entrance;
  bool by_other_way = entrance.is_untouched() && state_->file->disk_bytes() > 0;
  if (!entrance.is_done() && !by_other_way) {
    return Error{Errc::Usage, "what is not finished gets no name"};
  }
  return state_->file->commit_file();
}
uint64_t StateWriter::bytes_written() const {
  return state_->counted->count();
}
std::string StateWriter::sha256() const {
  return state_->digest ? state_->digest->sha256() : std::string();
}

}  // namespace vmstream
