// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>

#include "container/qcow2/image.h"
#include "container/qcow2/snapshot_source.h"
#include "support/catch.h"
#include "support/every.h"
#include "support/qcow2_builder.h"

namespace vmstream {
namespace {

using Bytes = std::vector<std::byte>;
using testing::ClusterForm;
using testing::peek;
using testing::poke;
using Builder = testing::Qcow2Image;

// Runs of bytes, runs of zeros, and an end within a cluster.
Bytes some_state(size_t bytes = 70'001) {
  Bytes state(bytes);
  for (size_t i = 0; i < bytes; ++i) {
    bool is_zero = i / 3000 % 4 == 3;
    state[i] = is_zero ? std::byte{0} : static_cast<std::byte>(i * 7 + i / 251);
  }
  return state;
}

Builder one_snapshot(Bytes state = some_state()) {
  Builder image;
  image.snapshots = {{"1", "before", std::move(state)}};
  return image;
}

// Counts what is read, so that a small question can be seen to cost little.
class CountingSource final : public RandomSource {
 public:
  CountingSource(const Bytes& bytes, uint64_t& count)
      : memory_(make_random_memory(bytes)), count_(count) {}
  uint64_t length() const override { return memory_->length(); }
  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    count_ += into.size();
    return memory_->read_at(offset, into);
  }

 private:
  std::unique_ptr<RandomSource> memory_;
  uint64_t& count_;
};

Result<std::unique_ptr<RandomSource>> open(const Bytes& image,
                                           const std::optional<std::string>& name = {}) {
  auto file = make_random_memory(image);
  auto read = Qcow2Image::read(*file);
  if (!read) return read.error();
  auto snapshot = read->find(name);
  if (!snapshot) return snapshot.error();
  auto located = locate_state(*file, read->header(), **snapshot);
  if (!located) return located.error();
  return make_snapshot_source(std::move(file), std::move(*located));
}

Result<Bytes> read_state(const Bytes& image, const std::optional<std::string>& name = {}) {
  auto source = open(image, name);
  if (!source) return source.error();
  Bytes state(static_cast<size_t>((*source)->length()));
  if (auto got = (*source)->read_at(0, state); !got) return got.error();
  return state;
}

void check_fails(const Bytes& image, Errc code, std::optional<uint64_t> place,
                 const std::string& words) {
  auto state = read_state(image);
  REQUIRE_FALSE(state);
  INFO(state.error().message);
  CHECK(state.error().code == code);
  CHECK(state.error().file_offset == place);
  CHECK_FALSE(state.error().offset);
  CHECK(state.error().message.find(words) != std::string::npos);
}

constexpr uint64_t kL1 = 0x200;  // of the first snapshot, in images of 512-byte clusters
constexpr uint64_t kTable = 64;  // where the header says that the snapshot table is

// Of the first L2 table, which is behind the L1 table.
uint64_t first_l2(const Bytes& image) {
  uint64_t at = kL1;
  while (peek(image, at, 8) == 0) at += 8;
  return at;
}
uint64_t first_cluster(const Bytes& image) {
  return peek(image, first_l2(image), 8) & 0x00fffffffffffe00;
}

TEST_CASE("a state in a snapshot is read wherever its clusters lie", "[container]") {
  Bytes state = some_state();
  for (uint32_t version : {2u, 3u}) {
    for (unsigned bits : {9u, 12u, 14u, 16u}) {
      for (bool extended : {false, true}) {
        if (extended && (version == 2 || bits < 14)) continue;
        for (ClusterForm form : {ClusterForm::Plain, ClusterForm::Deflate, ClusterForm::Zstd}) {
          if (version == 2 && form == ClusterForm::Zstd) continue;
          CAPTURE(version, bits, extended, form);
          Builder image = one_snapshot(state);
          image.version = version;
          image.cluster_bits = bits;
          image.extended_l2 = extended;
          image.form = form;
          auto read = read_state(image.bytes());
          REQUIRE(read);
          CHECK((*read == state));
        }
      }
    }
  }
}

TEST_CASE("a state can be read in any pieces and at any place", "[container]") {
  Bytes state = some_state(20'000);
  for (ClusterForm form : {ClusterForm::Plain, ClusterForm::Deflate}) {
    Builder builder = one_snapshot(state);
    builder.form = form;
    Bytes image = builder.bytes();
    auto source = open(image);
    REQUIRE(source);
    for (size_t piece : {size_t{1}, size_t{511}, size_t{4097}}) {
      Bytes read(piece);
      size_t step = piece == 1 ? 97 : piece;
      for (size_t at = 0; at + piece <= state.size(); at += step) {
        REQUIRE((*source)->read_at(at, read));
        CHECK(std::equal(read.begin(), read.end(), state.begin() + static_cast<ptrdiff_t>(at)));
      }
    }
    std::byte one;
    CHECK((*source)->read_at(state.size(), {}));
    auto behind = (*source)->read_at(state.size(), {&one, 1});
    REQUIRE_FALSE(behind);
    CHECK(behind.error().code == Errc::Truncated);
    CHECK_FALSE((*source)->read_at(UINT64_MAX, {&one, 1}));
  }
}

TEST_CASE("few bytes of a state cost few bytes of the image", "[container]") {
  Builder builder = one_snapshot(some_state(4 << 20));
  builder.cluster_bits = 16;
  Bytes image = builder.bytes();
  uint64_t count = 0;
  auto file = std::make_unique<CountingSource>(image, count);
  auto read = Qcow2Image::read(*file);
  REQUIRE(read);
  auto located = locate_state(*file, read->header(), read->snapshots()[0]);
  REQUIRE(located);
  auto source = make_snapshot_source(std::move(file), *located);
  Bytes part(100);
  REQUIRE(source->read_at(3'000'000, part));
  CHECK(count < 10'000);
  count = 0;
  Bytes whole(static_cast<size_t>(source->length()));
  REQUIRE(source->read_at(0, whole));
  CHECK(count < whole.size() + 50'000);
}

TEST_CASE("the state begins behind the disk as it was", "[container]") {
  for (uint64_t disk : {uint64_t{1}, uint64_t{32'768}, uint64_t{32'769}, uint64_t{5'000'000}}) {
    CAPTURE(disk);
    Builder image = one_snapshot();
    image.snapshots[0].disk_bytes = disk;
    auto read = read_state(image.bytes());
    REQUIRE(read);
    CHECK((*read == some_state()));
  }
}

TEST_CASE("old tables lack sizes", "[container]") {
  for (uint32_t extra : {0u, 8u, 16u, 24u, 1000u}) {
    CAPTURE(extra);
    Builder image = one_snapshot();
    image.extra_bytes = extra;
    Bytes bytes = image.bytes();
    auto read = read_state(bytes);
    REQUIRE(read);
    CHECK((*read == some_state()));
    auto listed = Qcow2Image::read(*make_random_memory(bytes));
    REQUIRE(listed);
    CHECK(listed->snapshots()[0].low_bits_only == (extra == 0));
    CHECK(listed->snapshots()[0].facts.disk_bytes.has_value() == (extra >= 16));
  }
}

// An L1 table of 4 GiB and one byte; only the first and the last cluster are there.
TEST_CASE("a length of 32 bits is made whole by the clusters that are there", "[container]") {
  Builder builder = one_snapshot(Bytes(1, std::byte{'x'}));
  builder.cluster_bits = 16;
  builder.extra_bytes = 0;
  builder.snapshots[0].disk_bytes = 1 << 20;
  Bytes image = builder.bytes();
  constexpr uint64_t kCovers = uint64_t{512} << 20;
  uint64_t table = peek(image, kTable, 8);
  uint64_t l1 = 0x10000;
  CHECK(open(image).operator*()->length() == 1);
  uint64_t l2 = peek(image, l1 + 8, 8);
  for (uint64_t i = 2; i < 20; ++i) poke(image, l1 + i * 8, 0, 8);
  poke(image, l1 + (1 + (uint64_t{4} << 30) / kCovers) * 8, l2, 8);  // the same cluster once more
  poke(image, table + 8, 1 + (uint64_t{4} << 30) / kCovers + 1, 4);
  auto source = open(image);
  REQUIRE(source);
  CHECK((*source)->length() == (uint64_t{4} << 30) + 1);
  std::byte last{};
  REQUIRE((*source)->read_at((uint64_t{4} << 30), {&last, 1}));
  CHECK(last == std::byte{'x'});
}

TEST_CASE("a snapshot is found by name, by id, or because it is alone", "[container]") {
  Builder image;
  image.snapshots = {{"1", "a", some_state(100)},
                     {"2", "before-update", some_state(200)},
                     {"3", "disk", {}},
                     {"4", "twice", some_state(400)},
                     {"5", "twice", some_state(500)},
                     {"6", "1", some_state(600)},
                     {"7", "\x1b[31mred", some_state(700)}};
  Bytes bytes = image.bytes();
  auto length = [&](const char* name) { return read_state(bytes, name).operator*().size(); };
  CHECK(length("before-update") == 200);
  CHECK(length("2") == 200);
  CHECK(length("1") == 600);  // a name goes before an id
  CHECK(length("\x1b[31mred") == 700);

  auto fails = [&](std::optional<std::string> name) {
    auto state = read_state(bytes, name);
    REQUIRE_FALSE(state);
    CHECK(state.error().code == Errc::Usage);
    return state.error().message + "\n" + state.error().hint;
  };
  CHECK(fails("befor-update") ==
        "qcow2: there is no snapshot 'befor-update'\ndid you mean 'before-update'?");
  CHECK(fails("\x1b[m").find('\x1b') == std::string::npos);
  CHECK(fails("disk").starts_with("qcow2: snapshot 'disk' (id 3) is of the disk alone"));
  CHECK(fails("twice") ==
        "qcow2: 2 snapshots are called 'twice'\n"
        "their ids tell them apart: 'twice' (id 4), 'twice' (id 5)");
  CHECK(fails({}).starts_with("qcow2: 6 snapshots hold a state\nsay which, as FILE#NAME"));
  CHECK(fails({}).find('\x1b') == std::string::npos);
  image.snapshots.erase(image.snapshots.begin() + 3, image.snapshots.end());
  image.snapshots.erase(image.snapshots.begin());
  CHECK((*read_state(image.bytes()) == some_state(200)));
  for (size_t count : {size_t{1}, size_t{0}}) {
    image.snapshots.resize(count + 1);
    image.snapshots.erase(image.snapshots.begin());
    check_fails(image.bytes(), Errc::Unsupported, {}, "no guest was saved in this image");
  }
}

TEST_CASE("images of other kinds are told by name, with a way out", "[container]") {
  Bytes image = one_snapshot().bytes();
  auto with = [&](uint64_t offset, uint64_t value, size_t width) {
    Bytes changed = image;
    poke(changed, offset, value, width);
    return changed;
  };
  check_fails(with(4, 1, 4), Errc::Unsupported, {}, "version 1, want 2 or 3");
  check_fails(with(4, 4, 4), Errc::Unsupported, {}, "version 4, want 2 or 3");
  check_fails(with(32, 1, 4), Errc::Unsupported, {}, "encrypted (method 1, AES)");
  check_fails(with(32, 2, 4), Errc::Unsupported, {}, "encrypted (method 2, LUKS)");
  check_fails(with(32, 77, 4), Errc::Unsupported, {}, "encrypted (method 77, unknown)");
  check_fails(with(72, 4, 8), Errc::Unsupported, {}, "its data is in another file");
  check_fails(with(72, 0x8000000000000020, 8), Errc::Unsupported, {},
              "incompatible features 0x8000000000000020 are not known");
  check_fails(with(104, 2, 1), Errc::Unsupported, {}, "compression type 2, want 0 or 1");
  auto luks = read_state(with(32, 2, 4));
  CHECK(luks.error().hint.find("qemu-io") != std::string::npos);
  for (uint64_t said : {uint64_t{1}, uint64_t{2}}) {  // dirty, corrupt
    auto state = read_state(with(72, said, 8));
    REQUIRE(state);
    CHECK((*state == some_state()));
  }
}

TEST_CASE("damage in a qcow2 header is told with its place", "[container]") {
  Bytes image = one_snapshot().bytes();
  uint64_t end = image.size();
  auto with = [&](uint64_t offset, uint64_t value, size_t width) {
    Bytes changed = image;
    poke(changed, offset, value, width);
    return changed;
  };
  check_fails(with(20, 8, 4), Errc::Malformed, 20, "cluster_bits is 8, want 9 to 21");
  check_fails(with(20, 0xffffffff, 4), Errc::Malformed, 20, "cluster_bits is 4294967295");
  check_fails(with(72, 16, 8), Errc::Malformed, 20, "extended L2 entries want 14 to 21");
  check_fails(with(100, 71, 4), Errc::Malformed, 100, "header length is 71, want 104 or more");
  check_fails(with(60, 0xffffffff, 4), Errc::Malformed, 60, "4294967295 snapshots, want 65536");
  check_fails(with(64, 1, 8), Errc::Malformed, 64, "at 0x1, want a multiple of 0x200");
  check_fails(with(64, uint64_t{1} << 62, 8), Errc::Truncated, 64, "the file ends at");
  uint64_t table = peek(image, kTable, 8);
  check_fails(with(60, 2, 4), Errc::Truncated, end + (table - end) % 8,
              "the snapshot table goes on");
  check_fails(with(table + 36, 1025, 4), Errc::Malformed, table + 36, "1025 bytes of extra data");
  check_fails(with(table + 14, 0xffff, 2), Errc::Truncated, table + 40, "left");
  check_fails(with(table, 0x201, 8), Errc::Malformed, table, "L1 table is at 0x201");
  check_fails(with(table, uint64_t{1} << 60, 8), Errc::Truncated, table, "L1 table of");
  check_fails(with(table + 8, 0xffffffff, 4), Errc::Malformed, table, "want 4194304 at most");
  check_fails(with(table + 8, 33, 4), Errc::Malformed, table, "entries of its L1 table are for");
  check_fails(with(table + 40, UINT64_MAX, 8), Errc::Malformed, table, "a state of 18446744073709");
  check_fails(with(table + 48, UINT64_MAX, 8), Errc::Malformed, table, "behind a disk of 184467");
  for (size_t length = 4; length < 112; ++length) {
    Bytes cut(image.begin(), image.begin() + static_cast<ptrdiff_t>(length));
    auto state = read_state(cut);
    REQUIRE_FALSE(state);
    CHECK(state.error().code == Errc::Truncated);
    CHECK(state.error().file_offset);
  }
}

TEST_CASE("the snapshots before damage in the table are still there", "[container]") {
  Builder builder;
  builder.snapshots = {{"1", "a", some_state(100)}, {"2", "b", some_state(200)}};
  Bytes image = builder.bytes();
  uint64_t second = peek(image, kTable, 8) + 40 + 24 + 2;
  second = (second + 7) / 8 * 8;
  poke(image, second + 36, 0xffffffff, 4);
  CHECK((*read_state(image, "a") == some_state(100)));
  auto read = Qcow2Image::read(*make_random_memory(image));
  REQUIRE(read);
  CHECK(read->snapshots().size() == 1);
  REQUIRE(read->fault());
  CHECK(read->fault()->file_offset == second + 36);
  // Which of them it is that is alone, and whether there is another one: nobody knows.
  for (std::optional<std::string> name :
       {std::optional<std::string>(), std::optional<std::string>("b")}) {
    auto state = read_state(image, name);
    REQUIRE_FALSE(state);
    CHECK(state.error().code == Errc::Malformed);
  }
}

TEST_CASE("tables that lead out of the image are told with their place", "[container]") {
  Bytes image = one_snapshot().bytes();
  uint64_t l1 = first_l2(image);
  uint64_t l2 = first_cluster(image);
  auto with = [&](uint64_t offset, uint64_t value) {
    Bytes changed = image;
    poke(changed, offset, value, 8);
    return changed;
  };
  uint64_t far = uint64_t{1} << 50;
  check_fails(with(l1, far), Errc::Truncated, far, "a table reaches past the end");
  check_fails(with(l2, far), Errc::Truncated, l2, "a cluster is at 0x4000000000000");
  check_fails(with(l2, uint64_t{1} << 62 | far), Errc::Truncated, far, "a compressed cluster lies");
  uint64_t within = uint64_t{1} << 62 | 0x10;  // the header, which is no deflate stream
  check_fails(with(l2, within), Errc::Malformed, 0x10, "a compressed cluster is damaged");
  uint64_t last = image.size() / 512 * 512;
  check_fails(with(l2, last), Errc::Truncated, last, "lie here, the file ends at");

  Builder larger = one_snapshot();
  larger.cluster_bits = 12;
  Bytes aligned = larger.bytes();
  uint64_t at = 0x1000;
  while (peek(aligned, at, 8) == 0) at += 8;
  uint64_t table = peek(aligned, at, 8) & 0x00fffffffffffe00;
  Bytes changed = aligned;
  poke(changed, at, table + 512, 8);
  check_fails(changed, Errc::Malformed, at, "want a multiple of 0x1000");
  changed = aligned;
  poke(changed, table, peek(aligned, table, 8) + 512, 8);
  check_fails(changed, Errc::Malformed, table, "want a multiple of 0x1000");
}

TEST_CASE("tables in circles end, and clusters of zeros belong to version 3", "[container]") {
  Bytes image = one_snapshot().bytes();
  Bytes circle = image;
  poke(circle, first_l2(image), kL1, 8);  // the L1 table as an L2 table
  auto state = read_state(circle);
  if (state) CHECK(state->size() == some_state().size());
  Bytes zeros = image;
  poke(zeros, first_cluster(image), 1, 8);
  CHECK(read_state(zeros));
  poke(zeros, 4, 2, 4);
  check_fails(zeros, Errc::Malformed, first_cluster(image), "version 2 knows no clusters of zeros");
}

TEST_CASE("parts of a cluster are there, zeros or nothing, and not two of these", "[container]") {
  Builder builder = one_snapshot(Bytes(40'000, std::byte{7}));
  builder.cluster_bits = 14;
  builder.extended_l2 = true;
  Bytes image = builder.bytes();
  uint64_t at = 0x4000;
  while (peek(image, at, 8) == 0) at += 8;
  uint64_t bitmap = (peek(image, at, 8) & 0x00fffffffffffe00) + 8;
  Bytes changed = image;
  poke(changed, bitmap, 0x0000'0002'ffff'fff5, 8);  // part 1 is zeros, part 3 is nowhere
  auto state = read_state(changed);
  REQUIRE(state);
  for (size_t part = 0; part < 5; ++part) {
    CHECK((*state)[part * 512 + 100] ==
          std::byte{part == 1 || part == 3 ? uint8_t{0} : uint8_t{7}});
  }
  poke(changed, bitmap, 0x0000'0002'ffff'ffff, 8);
  check_fails(changed, Errc::Malformed, bitmap, "part 1 of a cluster is there and is zeros");
  changed = image;
  poke(changed, bitmap - 8, 0, 8);
  check_fails(changed, Errc::Malformed, bitmap, "part 0 of a cluster is there and is nowhere");
}

TEST_CASE("flipped bytes of an image give a state or a message", "[container]") {
  for (ClusterForm form : {ClusterForm::Plain, ClusterForm::Deflate, ClusterForm::Zstd}) {
    Builder builder = one_snapshot(some_state(3000));
    builder.form = form;
    builder.snapshots[0].disk_bytes = 30'000;
    Bytes image = builder.bytes();
    for (size_t at = 0; at < image.size(); at += testing::every()) {
      Bytes changed = image;
      changed[at] ^= std::byte{0xff};
      auto source = open(changed);
      if (!source || (*source)->length() > 1 << 20) continue;
      Bytes state(static_cast<size_t>((*source)->length()));
      if (auto got = (*source)->read_at(0, state); !got) CHECK_FALSE(got.error().message.empty());
    }
  }
}

}  // namespace
}  // namespace vmstream
