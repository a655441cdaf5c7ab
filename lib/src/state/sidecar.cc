// SPDX-License-Identifier: MIT
#include <vmstream/sidecar.h>

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include <vmstream/seekable_state.h>
#include <vmstream/text.h>
#include "codec/gzip/resume_points.h"
#include "codec/random_decoder.h"
#include "state/recognise.h"

namespace vmstream {
struct SidecarMaker::State {
  std::unique_ptr<RandomSource> file;
  FileMark mark;
  std::optional<BlockTable> blocks;
  ResumePoints points;  // filled while `stream` is read
  StateFile stream;

  bool has_points() const { return !points.points.empty(); }
};

SidecarMaker::SidecarMaker(std::unique_ptr<State> state) : state_(std::move(state)) {}
SidecarMaker::SidecarMaker(SidecarMaker&&) noexcept = default;
SidecarMaker::~SidecarMaker() = default;

Result<SidecarMaker> SidecarMaker::open(const std::string& path, OpenOptions options) {
  auto file = open_random_file(path, options.decode.limits);
  if (!file) return file.error();
  return open(std::move(*file), std::move(options));
}

Result<SidecarMaker> SidecarMaker::open(std::unique_ptr<RandomSource> file, OpenOptions options) {
  auto state = std::make_unique<State>();
  state->file = std::move(file);
  auto mark = FileMark::of(*state->file);
  if (!mark) return mark.error();
  state->mark = *mark;
  std::vector<std::byte> head(
      static_cast<size_t>(std::min<uint64_t>(mark->bytes, kRecogniseBytes)));
  if (auto read = state->file->read_at(0, head); !read) return read.error();
  auto source = make_stretch_source(*state->file, 0, mark->bytes);
  auto coding = recognise_coding(head);
  if (coding) {
    auto blocks = find_blocks(*coding, *state->file);
    if (blocks) state->blocks = std::move(*blocks);
  }
  bool note = coding == Coding::Gzip && !state->blocks;
  if (note) {
    source =
        make_noting_decoder(std::move(source), state->points, {.limits = options.decode.limits});
  }
  auto stream = open_state(std::move(source), std::move(options));
  if (!stream) return stream.error();
  state->stream = std::move(*stream);
  if (note) state->stream.containers.insert(state->stream.containers.begin(), {"gzip"});
  return SidecarMaker(std::move(state));
}

const std::vector<Container>& SidecarMaker::containers() const {
  return state_->stream.containers;
}

ByteSource& SidecarMaker::plain() {
  return *state_->stream.plain;
}

bool SidecarMaker::allows_positions() const {
  const auto& containers = state_->stream.containers;
  if (containers.size() > 2) return false;  // one within another
  bool is_plain = containers.size() == 1 || containers.front().type == "offset";
  return is_plain || state_->blocks || state_->has_points();
}

Result<std::vector<std::byte>> SidecarMaker::finish(const StateIndex& index) {
  return serialise(index, {.blocks = state_->blocks ? &*state_->blocks : nullptr,
                           .points = state_->has_points() ? &state_->points : nullptr,
                           .mark = &state_->mark});
}

namespace {

bool is_index(const std::string& path) {
  auto file = open_random_file(path);
  return file && IndexReader::open(**file);
}

}  // namespace

// Left to OutputFile, a link would be followed, and a device or a FIFO of that name written into.
Status publish_sidecar(const std::string& path, std::span<const std::byte> bytes,
                       Overwrite overwrite, WaitLimits limits) {
  struct stat status {};
  bool is_there = ::lstat(path.c_str(), &status) == 0;
  bool may_go = overwrite == Overwrite::Replace && S_ISREG(status.st_mode) && is_index(path);
  if (is_there && !may_go) {
    return Error{Errc::Refused, fmt::format("{} exists already and stays", escape(path))};
  }
  auto file = OutputFile::create(path, overwrite, limits);
  if (!file) return file.error();
  if (auto written = (*file)->write(bytes); !written) return written;
  return (*file)->commit_file();
}

bool has_stale_sidecar(const std::string& file) {
  auto beside = open_random_file(sidecar_path(file));
  auto index = beside ? IndexReader::open(**beside) : Result<IndexReader>(beside.error());
  if (!index) return false;
  auto mark = index->read_mark();
  auto content = open_random_file(file);
  auto found = content ? FileMark::of(**content) : Result<FileMark>(content.error());
  return mark && *mark && found && **mark != *found;
}

}  // namespace vmstream
