// SPDX-License-Identifier: MIT
// A state lies in the image's addresses behind the end of the disk, at the next one for which a new
// L2 table begins: the disk as it was when the snapshot was made, not as it is now.
#include "container/qcow2/snapshot_source.h"

#include <algorithm>

#include "container/qcow2/cluster_map.h"
#include "container/qcow2/cluster_unpacker.h"
#include "container/qcow2/in_image.h"

namespace vmstream {
namespace {

class SnapshotSource final : public RandomSource {
 public:
  SnapshotSource(std::unique_ptr<RandomSource> file, LocatedState state)
      : file_(std::move(file)),
        state_(std::move(state)),
        map_(*file_, state_.header, state_.snapshot) {}

  uint64_t length() const override { return state_.snapshot.facts.state_bytes; }
  std::optional<uint32_t> owner() const override { return file_->owner(); }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (offset > length() || into.size() > length() - offset) {
      return Error{Errc::Truncated, fmt::format("{} bytes wanted at {:#x}, the end is at {:#x}",
                                                into.size(), offset, length())};
    }
    for (uint64_t address = state_.begin + offset; !into.empty();) {
      auto run = map_.find(address, into.size());
      if (!run) return run.error();
      auto part = into.first(static_cast<size_t>(std::min<uint64_t>(run->length, into.size())));
      if (auto got = read_run(*run, address, part); !got) return got;
      into = into.subspan(part.size());
      address += part.size();
    }
    return ok();
  }

 private:
  Status read_run(const ClusterRun& run, uint64_t address, std::span<std::byte> into) {
    switch (run.kind) {
      case ClusterRun::Kind::Zeros:
        std::ranges::fill(into, std::byte{0});
        return ok();
      case ClusterRun::Kind::Plain:
        return read_plain(run.place, into);
      case ClusterRun::Kind::Packed:
        break;
    }
    if (auto unpacked = unpack(run.place); !unpacked) return unpacked;
    auto within = static_cast<size_t>(address % state_.header.cluster_bytes());
    std::ranges::copy(std::span(cluster_).subspan(within, into.size()), into.begin());
    return ok();
  }

  Status read_plain(uint64_t place, std::span<std::byte> into) {
    if (into.size() <= file_->length() && place <= file_->length() - into.size()) {
      return file_->read_at(place, into);
    }
    return damage(Errc::Truncated, place, "{} bytes of the state lie here, the file ends at {:#x}",
                  into.size(), file_->length());
  }

  // Leaves in cluster_ what the entry leads to.
  Status unpack(uint64_t entry) {
    if (cluster_entry_ == entry) return ok();
    cluster_entry_.reset();
    auto [place, most] = packed_cluster(state_.header, entry);
    if (place >= file_->length()) {
      return damage(Errc::Truncated, place,
                    "a compressed cluster lies here, the file ends at {:#x}", file_->length());
    }
    packed_.resize(static_cast<size_t>(std::min(most, file_->length() - place)));
    if (auto got = file_->read_at(place, packed_); !got) return got;
    if (!unpacker_) unpacker_ = make_cluster_unpacker(state_.header.compression);
    if (!unpacker_) return Error{Errc::Environment, "no memory to decompress with"};
    cluster_.resize(static_cast<size_t>(state_.header.cluster_bytes()));
    if (!unpacker_->unpack(packed_, cluster_)) {
      return damage(Errc::Malformed, place, "a compressed cluster is damaged");
    }
    cluster_entry_ = entry;
    return ok();
  }

  std::unique_ptr<RandomSource> file_;
  LocatedState state_;
  ClusterMap map_;  // reads file_
  std::unique_ptr<ClusterUnpacker> unpacker_;
  std::vector<std::byte> packed_;
  std::vector<std::byte> cluster_;
  std::optional<uint64_t> cluster_entry_;  // that cluster_ is of
};

// The whole of it, of which `low_bits` are known: the clusters of the others are there too.
Result<uint64_t> find_length(ClusterMap& map, uint64_t begin, uint64_t low_bits) {
  constexpr uint64_t kStep = uint64_t{1} << 32;
  constexpr uint64_t kMost = uint64_t{1} << 44;  // no guest is larger; bounds the search
  uint64_t length = low_bits;
  uint64_t room = std::min(map.end() - begin, kMost);
  while (kStep <= room && length <= room - kStep) {
    auto last = map.find(begin + length + kStep - 1, 1);
    if (!last) return last.error();
    if (last->kind == ClusterRun::Kind::Zeros) break;
    length += kStep;
  }
  return length;
}

}  // namespace

Result<LocatedState> locate_state(RandomSource& file, const Qcow2Header& header,
                                  const Qcow2Snapshot& snapshot) {
  ClusterMap map(file, header, snapshot);
  if (auto there = map.check(); !there) return there.error();
  LocatedState state{header, snapshot};
  uint64_t& length = state.snapshot.facts.state_bytes;
  uint64_t disk = snapshot.facts.disk_bytes.value_or(header.disk_bytes);
  uint64_t covers = header.table_covers();
  bool has_room = disk <= map.end();
  if (has_room) state.begin = (disk + covers - 1) / covers * covers;
  if (!has_room || state.begin > map.end() || length > map.end() - state.begin) {
    return damage(Errc::Malformed, header.snapshots_offset,
                  "snapshot '{}': a state of {} bytes behind a disk of {}, but the {} entries of "
                  "its L1 table are for {} bytes",
                  shortened(snapshot.facts.name), length, disk, snapshot.l1_entries, map.end());
  }
  if (snapshot.low_bits_only) {
    auto found = find_length(map, state.begin, length);
    if (!found) return found.error();
    length = *found;
  }
  return state;
}

std::unique_ptr<RandomSource> make_snapshot_source(std::unique_ptr<RandomSource> file,
                                                   LocatedState state) {
  return std::make_unique<SnapshotSource>(std::move(file), std::move(state));
}

}  // namespace vmstream
