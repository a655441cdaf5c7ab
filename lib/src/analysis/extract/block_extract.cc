// SPDX-License-Identifier: MIT
// The section "block": chunks of 1 MiB of several disks, in turns. The parser shows the head of a
// record in one piece and its chunk in pieces.
#include <vmstream/extract.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include <vmstream/text.h>
#include "analysis/extract/sparse_writer.h"
#include "base/byte_reader.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr uint64_t kSectorBits = 9;
constexpr size_t kMostDevices = 1024;  // names kept to tell of them

}  // namespace

struct DiskExtractor::State {
  State(OutputFile& output, std::optional<std::string> device)
      : out(output), writer(output), wanted(std::move(device)) {}

  OutputFile& out;
  SparseWriter writer;
  std::optional<std::string> wanted;
  std::set<std::string> devices;  // names as they are
  bool inside = false;
  bool ended = false;
  std::optional<Error> lost;  // a fault before the last chunk
  uint64_t length = 0;
  uint64_t chunk_left = 0;  // bytes of a chunk still to come
  uint64_t chunk_at = 0;
  bool taken = false;  // the chunk is of the device wanted

  Status begin_record(uint64_t offset, std::span<const std::byte> bytes);
  Status take_chunk(std::span<const std::byte> bytes);
  std::string known_devices() const;
};

Status DiskExtractor::State::begin_record(uint64_t offset, std::span<const std::byte> bytes) {
  ByteReader in(bytes, offset);
  auto word = in.be<uint64_t>("block record");
  if (in.ok() && (word & wire::kBlockDevice) == 0) return ok();
  std::string device(in.counted_string("block device name"));
  if (!in.ok()) return in.error();
  if (devices.size() < kMostDevices) devices.insert(device);
  taken = !wanted || device == *wanted || escape(device) == *wanted;
  chunk_at = (word & ~wire::kBlockFlagMask) >> kSectorBits << kSectorBits;
  if (taken && chunk_at > static_cast<uint64_t>(INT64_MAX) - wire::kBlockChunkBytes) {
    return Error{Errc::Malformed, fmt::format("a chunk at {:#x} of a disk", chunk_at), offset};
  }
  if (taken) length = std::max(length, chunk_at + wire::kBlockChunkBytes);
  bool zero = (word & wire::kBlockZero) != 0;
  chunk_left = zero ? 0 : wire::kBlockChunkBytes;
  return zero && taken ? writer.clear(chunk_at, wire::kBlockChunkBytes) : ok();
}

Status DiskExtractor::State::take_chunk(std::span<const std::byte> bytes) {
  uint64_t at = chunk_at + (wire::kBlockChunkBytes - chunk_left);
  chunk_left -= std::min<uint64_t>(chunk_left, bytes.size());
  constexpr size_t kHoleBytes = 4096;  // what file systems can leave out
  while (taken && !bytes.empty()) {
    size_t count = std::min(bytes.size(), kHoleBytes - static_cast<size_t>(at % kHoleBytes));
    if (auto written = writer.write(at, bytes.first(count)); !written) return written;
    bytes = bytes.subspan(count);
    at += count;
  }
  return ok();
}

std::string DiskExtractor::State::known_devices() const {
  std::string names;
  for (const std::string& device : devices) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", escape(device));
  }
  return names;
}

DiskExtractor::DiskExtractor(OutputFile& out, std::optional<std::string> device)
    : state_(std::make_unique<State>(out, std::move(device))) {}
DiskExtractor::~DiskExtractor() = default;

Status DiskExtractor::on_section(const SectionHeader& header) {
  state_->inside = header.idstr == "block" && header.type != SectionType::Full;
  state_->chunk_left = 0;
  return ok();
}

Status DiskExtractor::on_body(uint64_t offset, std::span<const std::byte> bytes) {
  if (!state_->inside) return ok();
  return state_->chunk_left > 0 ? state_->take_chunk(bytes) : state_->begin_record(offset, bytes);
}

Status DiskExtractor::on_section_end(const SectionHeader& header, const SectionEnd&) {
  if (state_->inside && header.type == SectionType::End) state_->ended = true;
  state_->inside = false;
  return ok();
}

Status DiskExtractor::on_gap(const StreamGap& gap) {
  if (!state_->ended && !state_->lost) state_->lost = gap.fault;
  state_->chunk_left = 0;
  return ok();
}

Result<uint64_t> DiskExtractor::finish() {
  State& state = *state_;
  if (state.lost) return *state.lost;
  if (!state.ended && !state.devices.empty()) {
    return Error{Errc::Truncated, "the stream ends before its last chunk of a disk"};
  }
  if (state.devices.empty()) return Error{Errc::Usage, "the stream holds no disk"};
  if (!state.wanted && state.devices.size() > 1) {
    return Error{Errc::Usage, fmt::format("which disk? there are {}", state.known_devices())};
  }
  if (state.length == 0) {
    return Error{Errc::Usage, fmt::format("there is no disk '{}'; there are {}",
                                          escape(*state.wanted), state.known_devices())};
  }
  if (auto flushed = state.writer.flush(); !flushed) return flushed.error();
  if (auto resized = state.out.resize(state.length); !resized) return resized.error();
  return state.length;
}

}  // namespace vmstream
