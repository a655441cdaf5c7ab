// SPDX-License-Identifier: MIT
#include <vmstream/memory_view.h>
#include "guest/mapped/view_messages.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "guest/lazy/lazy_reader.h"
#include "support/catch.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

using namespace vmstream;

namespace {

using Bytes = std::vector<std::byte>;

struct SavedGuest {
  testing::TempDir dir;
  std::string path = dir / "guest";

  Result<LazyFile> open() const {
    auto plain = testing::small_stream().bytes();
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(plain.data()),
               static_cast<std::streamsize>(plain.size()));
    auto file = StateFile::open(path);
    if (!file) return file.error();
    return LazyFile::open(std::move(*file));
  }
};

// All of a block, as the file says and as the view gives it.
void check_block(const LazyFile& file, const MemoryView& view, size_t number) {
  const auto& entry = file.index().facts.blocks[number];
  auto reader = file.open_reader(LazyCache::kScattered);
  REQUIRE(reader);
  Bytes expected(static_cast<size_t>(reader->image.page_count(number)) * reader->image.page_size());
  REQUIRE(reader->image.read(number, 0, expected));
  expected.resize(static_cast<size_t>(entry.block.used_length));
  auto where = view.path_of(entry.block.name);
  REQUIRE(where);
  UniqueFd opened(::open(where->c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(opened.is_open());
  Bytes found(expected.size() + 1);
  CHECK(::pread(opened.get(), found.data(), found.size(), 0) ==
        static_cast<ssize_t>(expected.size()));
  found.resize(expected.size());
  CHECK(found == expected);
  // Nothing that could be done to it is done.
  CHECK(::pwrite(opened.get(), "x", 1, 0) == -1);
  CHECK(::ftruncate(opened.get(), 0) == -1);
  CHECK(::fallocate(opened.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == -1);
}

bool has_fuse() {
  return has_memory_views() && ::access("/dev/fuse", R_OK | W_OK) == 0;
}

}  // namespace

TEST_CASE("a copy of a guest's memory is whole and sealed") {
  SavedGuest guest;
  auto file = guest.open();
  REQUIRE(file);
  uint64_t done = 0;
  auto copy = MemoryView::copy(*file, {.threads = 2}, [&](uint64_t bytes) { done = bytes; });
  REQUIRE(copy);
  CHECK(done == file->index().facts.ram_bytes);
  CHECK(copy->is_copy());
  CHECK_FALSE(copy->path_of("no such block"));
  for (size_t block = 0; block < file->index().facts.blocks.size(); ++block) {
    check_block(*file, *copy, block);
  }
}

TEST_CASE("a view is shared by those of one identity, and ends with the last") {
  if (!has_fuse()) {
    WARN("no FUSE here");
    return;
  }
  SavedGuest guest;
  auto file = guest.open();
  REQUIRE(file);
  auto identity = identify_file(guest.path);
  REQUIRE(identity);
  int server = 0;
  {
    auto first = MemoryView::open(*file, {.identity = *identity});
    REQUIRE(first);
    CHECK_FALSE(first->is_joined());
    server = first->server_pid();
    auto second = MemoryView::open(*file, {.identity = *identity});
    REQUIRE(second);
    CHECK(second->is_joined());
    CHECK(second->server_pid() == server);
    auto apart = MemoryView::open(*file);
    REQUIRE(apart);
    CHECK(apart->server_pid() != server);
    for (size_t block = 0; block < file->index().facts.blocks.size(); ++block) {
      check_block(*file, *second, block);
    }
    auto counts = first->counts();
    REQUIRE(counts);
    CHECK(counts->reads > 0);
    auto lost = first->lost_pages();
    REQUIRE(lost);
    CHECK(lost->empty());
  }
  int status = 0;
  CHECK(::waitpid(server, &status, 0) == server);  // hangs where it does not end
  CHECK(status == 0);
}

TEST_CASE("what a view says comes through, and nothing else") {
  LostNote note{3,
                0x5000,
                true,
                {.code = Errc::Malformed, .message = "bad\\x01 sum", .offset = 17, .hint = "look"}};
  auto heard = parse_lost(lost_text(note));
  REQUIRE(heard);
  CHECK(heard->block == 3);
  CHECK(heard->offset == 0x5000);
  CHECK(heard->is_old);
  CHECK(heard->error.code == Errc::Malformed);
  CHECK(heard->error.message == note.error.message);
  CHECK(heard->error.offset == 17);
  CHECK_FALSE(heard->error.file_offset);
  CHECK(heard->error.hint == "look");
  auto counts = parse_counts(counts_text({.reads = 5, .bytes = 1u << 20}));
  REQUIRE(counts);
  CHECK(counts->bytes == 1u << 20);
  auto welcome = parse_welcome(welcome_text("abc", {.pid = 7, .others = true}), "abc");
  REQUIRE(welcome);
  CHECK(welcome->pid == 7);
  CHECK(welcome->others);
  CHECK(parse_welcome(welcome_text("abc", {}), "abd").error().code == Errc::Refused);
  Error refusal{.code = Errc::Unsupported, .message = "no FUSE", .hint = "copy"};
  auto failed = parse_welcome(failure_text(refusal), "abc");
  CHECK(failed.error().code == Errc::Unsupported);
  CHECK(failed.error().hint == "copy");
  for (const char* text : {"", "lost", "lost x", "lost 1 2", "lost 1 2 0 99 0 0 x", "counts 1"}) {
    INFO(text);
    CHECK_FALSE(parse_lost(text));
    CHECK_FALSE(parse_counts(text));
  }
}
