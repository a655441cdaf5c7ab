// SPDX-License-Identifier: MIT
#include <vmstream/sidecar.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <vmstream/random_decoder.h>
#include <vmstream/resume_points.h>
#include <vmstream/seekable_state.h>
#include "state/recognise.h"

namespace vmstream {
namespace {

void remove_if_index(const std::string& path) {
  auto file = open_random_file(path);
  if (file && IndexReader::open(**file)) ::unlink(path.c_str());
}

}  // namespace

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
  auto file = open_random_file(path);
  if (!file) return file.error();
  auto state = std::make_unique<State>();
  state->file = std::move(*file);
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
  if (note) source = make_noting_decoder(std::move(source), state->points);
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

void discard_sidecar(const std::string& file) {
  remove_if_index(sidecar_path(file));
  std::error_code unresolved;
  auto target = std::filesystem::canonical(file, unresolved);
  if (!unresolved) remove_if_index(sidecar_path(target.string()));
}

}  // namespace vmstream
