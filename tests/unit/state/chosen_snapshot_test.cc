// SPDX-License-Identifier: MIT
#include <fstream>

#include <vmstream/guest_memory.h>
#include <vmstream/indexing.h>
#include <vmstream/state_file.h>
#include "support/catch.h"
#include "support/qcow2_builder.h"
#include "support/read_all.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using testing::pack;
using testing::peek;
using testing::poke;
using testing::Qcow2Image;
using Bytes = std::vector<std::byte>;

constexpr size_t kPage = 4096;

Bytes stream_of(uint8_t first, uint8_t second) {
  testing::StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 2 * kPage}}).eos().footer();
  stream.end(2).page("pc.ram", 0, first).page("", kPage, second).eos().footer();
  return stream.device(3, "timer", "tick").eof().bytes();
}

struct ImageFixture {
  void write(const std::string& name, const Bytes& content) const {
    std::ofstream(folder / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
  }
  StateFile open(const std::string& name) const {
    auto file = StateFile::open(folder / name);
    REQUIRE(file);
    return std::move(*file);
  }
  static Result<Bytes> read(StateFile& file) {
    auto stream = file.stream();
    if (!stream) return stream.error();
    return testing::read_all(**stream, kPage);
  }

  testing::TempDir folder;
};

Qcow2Image two_snapshots() {
  Qcow2Image image;
  image.snapshots = {{"1", "a", stream_of(1, 2)}, {"2", "b", stream_of(3, 4)}};
  return image;
}

TEST_CASE_METHOD(ImageFixture, "a snapshot of an image is a state file", "[state]") {
  write("disk", two_snapshots().bytes());
  for (std::string name : {"disk#b", "disk#2"}) {
    auto file = open(name);
    CHECK((*read(file) == stream_of(3, 4)));
    REQUIRE(file.containers().size() == 2);
    CHECK(file.containers()[0].type == "qcow2");
    CHECK(file.containers()[0].snapshot->id == "2");
    CHECK(file.containers()[1].type == "qevm");
    auto by_position = open(name);
    REQUIRE(by_position.random());
    CHECK((*by_position.random())->length() == stream_of(3, 4).size());
    CHECK(by_position.containers().size() == 2);
    CHECK_FALSE(by_position.is_packed());
    auto memory = GuestMemory::open(folder / name);
    REQUIRE(memory);
    Bytes page(kPage);
    REQUIRE(memory->read("pc.ram", kPage, page));
    CHECK(page[0] == std::byte{4});
  }
  auto file = open("disk");
  CHECK(file.stream().error().code == Errc::Usage);
  CHECK(file.random().error().code == Errc::Usage);
  CHECK(file.make_index().error().code == Errc::Usage);
  CHECK(file.prove([](ByteSource&) { return ok(); }).error().code == Errc::Usage);
  CHECK_FALSE(file.chosen_snapshot());
  CHECK((*file.snapshots())->list.size() == 2);
  CHECK(open("disk#a").again({.snapshot = "b"}).error().code == Errc::Usage);
}

TEST_CASE_METHOD(ImageFixture, "a snapshot may hold a packed state", "[state]") {
  Qcow2Image image;
  image.snapshots = {{"1", "packed", pack(Coding::Gzip, stream_of(1, 2))}};
  write("disk", image.bytes());
  auto file = open("disk#packed");
  CHECK((*read(file) == stream_of(1, 2)));
  CHECK(file.containers().size() == 3);
  CHECK(file.random());
}

TEST_CASE_METHOD(ImageFixture, "names of files go before names of snapshots", "[state]") {
  write("disk", {});
  write("disk#a", {});
  std::string path = folder / "disk";
  CHECK(StateName::parse(path + "#a").file == path + "#a");
  CHECK_FALSE(StateName::parse(path + "#a").snapshot);
  CHECK(StateName::parse(path + "#b#c").file == path);
  CHECK(StateName::parse(path + "#b#c").snapshot == "b#c");
  CHECK(StateName::parse(path + "#a#c").file == path + "#a");
  CHECK(StateName::parse(path + "#").snapshot == "");
  CHECK_FALSE(StateName::parse(folder / "none#x").snapshot);
  CHECK_FALSE(StateName::parse("#x").snapshot);
}

TEST_CASE_METHOD(ImageFixture, "what was proved of a snapshot is all that is read", "[state]") {
  Bytes image = two_snapshots().bytes();
  write("disk", image);
  auto drain = [](ByteSource& stream) -> Status {
    auto all = testing::read_all(stream, kPage);
    return all ? ok() : Status(all.error());
  };
  auto file = open("disk#a");
  REQUIRE(file.prove(drain));
  CHECK((*read(file) == stream_of(1, 2)));
  auto lazy = open("disk#a");
  REQUIRE(lazy.make_index({.prove = true}));

  // Bytes change; or they stay, and another table leads to others.
  uint64_t l1 = 0x200;
  while (peek(image, l1, 8) == 0) l1 += 8;
  uint64_t l2 = peek(image, l1, 8) & 0x00fffffffffffe00;
  Bytes moved = image;
  poke(moved, l2 + 8, peek(image, l2 + 96, 8), 8);  // of the other page
  Bytes changed = image;
  changed[peek(image, l2 + 8, 8) + 50] ^= std::byte{1};
  for (const Bytes& other : {moved, changed}) {
    write("disk", other);
    CHECK_FALSE(read(file));
    CHECK_FALSE(read(lazy));
  }
  // A table of snapshots that leads elsewhere changes nothing: it was read.
  Bytes renamed = image;
  uint64_t table = peek(image, 64, 8);
  for (uint64_t at = table; at + 1 < image.size(); ++at) {
    if (renamed[at] == std::byte{'1'}) renamed[at + 1] = std::byte{'z'};
  }
  write("disk", renamed);
  CHECK((*read(file) == stream_of(1, 2)));
}

TEST_CASE_METHOD(ImageFixture, "the index of a snapshot outlives writes to the disk", "[state]") {
  Bytes image = two_snapshots().bytes();
  write("disk", image);
  std::string beside = sidecar_path(folder / "disk#a");
  auto file = open("disk#a");
  auto made = file.make_index();
  REQUIRE(made);
  CHECK(made->by_position);
  REQUIRE(publish_sidecar(beside, *made->bytes, Overwrite::Refuse));
  image.resize(image.size() + 100'000, std::byte{9});
  write("disk", image);
  CHECK(open("disk#a").index());
  CHECK_FALSE(open("disk#b").index());
}

TEST_CASE_METHOD(ImageFixture, "what should be known of an image is told", "[state]") {
  Qcow2Image image = two_snapshots();
  image.incompatible = 3;
  write("disk", image.bytes());
  CHECK(open("disk#a").warnings().size() == 2);
  CHECK(open("disk").warnings().size() == 2);  // of a list, too
  write("plain", stream_of(1, 2));
  CHECK(open("plain").warnings().empty());
  CHECK_FALSE(*open("plain").snapshots());
}

}  // namespace
}  // namespace vmstream
