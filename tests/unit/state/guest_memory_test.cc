// SPDX-License-Identifier: MIT
#include <vmstream/guest_memory.h>

#include <fstream>

#include <vmstream/indexing.h>
#include <vmstream/state_writer.h>
#include "state/seekable_state.h"
#include "support/catch.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

using namespace vmstream;

namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t kPage = 4096;

// Pages of 1, zeros, none and 4, and a second block.
Bytes stream() {
  testing::StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 4 * kPage}, {"rom", 2 * kPage}});
  stream.eos().footer().end(2).page("pc.ram", 0, 1).fill_page("", kPage).page("", 3 * kPage, 4);
  stream.page("rom", 0, 9).page("", kPage, 8).eos().footer().eof();
  return stream.bytes();
}

void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream(path).write(reinterpret_cast<const char*>(bytes.data()),
                            static_cast<std::streamsize>(bytes.size()));
}

void write_state(const std::string& path, Coding coding) {
  auto writer = StateWriter::create(path, Overwrite::Refuse, {.coding = coding});
  REQUIRE(writer);
  writer->set_index(testing::index_of(stream()));
  REQUIRE(writer->entrance().write(stream()));
  REQUIRE(writer->entrance().finish());
  REQUIRE(writer->publish());
}

// The memory of a file that the library has written.
GuestMemory written_memory(const testing::TempDir& folder, Coding coding) {
  std::string path = folder / "guest";
  write_state(path, coding);
  auto memory = GuestMemory::open(path);
  REQUIRE(memory);
  return std::move(*memory);
}

// As the guest has them.
Bytes memory_of_ram() {
  Bytes memory(4 * kPage);
  std::fill_n(memory.begin(), kPage, std::byte{1});
  std::fill_n(memory.begin() + 3 * kPage, kPage, std::byte{4});
  return memory;
}

}  // namespace

TEST_CASE("memory is read from any byte on, whatever the file is packed in", "[state]") {
  testing::TempDir folder;
  auto memory = written_memory(folder, GENERATE(Coding::None, Coding::Gzip, Coding::Zstd));
  REQUIRE(memory.blocks().size() == 2);
  CHECK(memory.page_size() == kPage);
  const Bytes whole = memory_of_ram();
  for (size_t from : {size_t{0}, size_t{1}, kPage - 1, kPage, 2 * kPage + 7, 4 * kPage}) {
    for (size_t length : {size_t{0}, size_t{1}, kPage - 1, kPage, kPage + 1, 3 * kPage}) {
      if (from + length > whole.size()) continue;
      CAPTURE(from, length);
      Bytes got(length, std::byte{0x55});
      REQUIRE(memory.read("pc.ram", from, got));
      auto first = whole.begin() + static_cast<std::ptrdiff_t>(from);
      CHECK(std::equal(got.begin(), got.end(), first));
    }
  }
}

TEST_CASE("pages that were never sent are counted, each once", "[state]") {
  testing::TempDir folder;
  auto memory = written_memory(folder, Coding::Zstd);
  Bytes all(4 * kPage);
  CHECK(*memory.read("pc.ram", 0, all) == 1);
  Bytes front(kPage);
  CHECK(*memory.read("pc.ram", 0, front) == 0);
  Bytes middle(16);
  CHECK(*memory.read("pc.ram", 2 * kPage + 100, middle) == 1);
}

TEST_CASE("what there is not cannot be read", "[state]") {
  testing::TempDir folder;
  auto memory = written_memory(folder, Coding::Gzip);
  Bytes bytes(kPage + 1);
  auto nowhere = memory.read("vga", 0, bytes);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == Errc::Usage);
  CHECK(nowhere.error().hint == "the stream has pc.ram, rom");
  auto past = memory.read("rom", kPage, bytes);
  REQUIRE_FALSE(past);
  CHECK(past.error().code == Errc::Usage);
  CHECK_FALSE(memory.read("rom", UINT64_MAX, bytes));
  bytes.pop_back();
  CHECK(memory.read("rom", kPage, bytes));
  CHECK(bytes.front() == std::byte{8});
}

TEST_CASE("a file that has to be read for its index says so", "[state]") {
  testing::TempDir folder;
  std::string path = folder / "guest";
  write_file(path, testing::pack(Coding::Zstd, stream()));
  std::string reason;
  auto memory = GuestMemory::open(
      path, {.observer = {.on_begin = [&](const std::string& why) { reason = why; }}});
  REQUIRE(memory);
  CHECK(reason == "it carries no index");
}

TEST_CASE("files without memory that can be read give a reason", "[state]") {
  testing::TempDir folder;
  Bytes cut = stream();
  cut.resize(cut.size() - 100);
  write_file(folder / "cut", cut);
  auto broken = GuestMemory::open(folder / "cut");
  REQUIRE_FALSE(broken);
  CHECK((broken.error().code == Errc::Truncated || broken.error().code == Errc::Malformed));
  write_file(folder / "bzip2", testing::pack(Coding::Bzip2, stream()));
  write_file(folder / "twice", testing::pack(Coding::Gzip, testing::pack(Coding::Zstd, stream())));
  for (const char* name : {"bzip2", "twice"}) {
    auto unreadable = GuestMemory::open(folder / name);
    REQUIRE_FALSE(unreadable);
    CHECK(unreadable.error().code == Errc::Unsupported);
    CHECK(unreadable.error().hint.find("extract stream FILE -o X") != std::string::npos);
  }
  testing::StreamBuilder devices;
  write_file(folder / "none", devices.header().device(3, "timer", "0123456789").eof().bytes());
  auto none = GuestMemory::open(folder / "none");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::Usage);
}
