// SPDX-License-Identifier: MIT
#include <vmstream/random_source.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "base/unique_fd.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using testing::TempDir;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string read_text(RandomSource& source, uint64_t offset, size_t count) {
  std::string text(count, '?');
  auto got = source.read_at(offset, std::as_writable_bytes(std::span(text)));
  if (!got) return got.error().code == Errc::Truncated ? "truncated" : got.error().message;
  return text;
}

TEST_CASE("a random source reads any stretch and nothing behind the end", "[io]") {
  TempDir folder;
  std::ofstream(folder / "file") << "0123456789";
  auto file = open_random_file(folder / "file");
  REQUIRE(file);
  auto memory = make_random_memory(bytes_of("0123456789"));
  for (RandomSource* source : {file->get(), memory.get()}) {
    CHECK(source->length() == 10);
    CHECK(read_text(*source, 3, 4) == "3456");
    CHECK(read_text(*source, 0, 10) == "0123456789");
    CHECK(read_text(*source, 10, 0).empty());
    CHECK(read_text(*source, 9, 2) == "truncated");
    CHECK(read_text(*source, UINT64_MAX, 2) == "truncated");
    CHECK(read_text(*source, 0, 1) == "0");  // an error ends nothing
  }
}

TEST_CASE("a reader by position ends with its limits", "[io]") {
  TempDir folder;
  std::ofstream(folder / "file") << "0123456789";
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  auto file = open_random_file(folder / "file", {.cancellation = &*cancellation});
  REQUIRE(file);
  CHECK(read_text(**file, 0, 4) == "0123");
  cancellation->request();
  std::byte byte{};
  auto got = (*file)->read_at(0, std::span(&byte, 1));
  REQUIRE_FALSE(got);
  CHECK(got.error().code == Errc::Interrupted);
}

TEST_CASE("a file that shrinks under its reader is an error", "[io]") {
  TempDir folder;
  std::ofstream(folder / "file") << "0123456789";
  auto file = open_random_file(folder / "file");
  REQUIRE(file);
  std::filesystem::resize_file(folder / "file", 4);
  CHECK(read_text(**file, 0, 4) == "0123");
  CHECK(read_text(**file, 2, 4) == "truncated");
}

TEST_CASE("what cannot be read by position is refused without waiting", "[io]") {
  TempDir folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  for (const std::string& path : {folder / "fifo", std::string("/dev/null")}) {
    auto file = open_random_file(path);
    REQUIRE_FALSE(file);
    CHECK(file.error().code == Errc::Unsupported);
  }
  auto listed = open_random_file(folder.path());
  REQUIRE_FALSE(listed);
  CHECK(listed.error().message == "open: Is a directory");
  auto nowhere = open_random_file(folder / "nowhere");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().message == "open: No such file or directory");
}

TEST_CASE("all readers of a file read what was opened, whatever its name leads to", "[io]") {
  TempDir folder;
  std::ofstream(folder / "file") << "0123456789";
  std::ofstream(folder / "other") << "something else";
  auto file = OpenedFile::open(folder / "file");
  REQUIRE(file);
  auto before = file->reader();
  std::filesystem::rename(folder / "other", folder / "file");
  auto after = file->reader();
  auto copy = std::make_unique<OpenedFile>(*file);
  auto last = copy->reader();
  copy.reset();
  for (RandomSource* reader : {before.get(), after.get(), last.get()}) {
    CHECK(reader->length() == 10);
    CHECK(read_text(*reader, 3, 4) == "3456");
  }
}

TEST_CASE("a reader ends when it is told to", "[io]") {
  TempDir folder;
  std::ofstream(folder / "file") << "0123456789";
  auto file = OpenedFile::open(folder / "file");
  REQUIRE(file);
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  auto reader = file->reader({.cancellation = &*cancellation});
  CHECK(read_text(*reader, 3, 4) == "3456");
  cancellation->request();
  CHECK(read_text(*reader, 3, 4) == "interrupted");
  auto late = file->reader({.deadline = Clock::now()});
  CHECK(read_text(*late, 3, 4).starts_with("timed out"));
}

TEST_CASE("an input is read by position where it can be", "[io]") {
  TempDir folder;
  std::ofstream(folder / "file") << "0123456789";
  auto regular = open_input(folder / "file");
  REQUIRE(regular);
  REQUIRE(regular->file);
  CHECK_FALSE(regular->stream);
  auto whole = make_whole_source(regular->file->reader());
  std::string text(12, '?');
  CHECK(*read_fully(*whole, std::as_writable_bytes(std::span(text))) == 10);
  CHECK(text == "0123456789??");
  auto device = open_input("/dev/null");
  REQUIRE(device);
  CHECK_FALSE(device->file);
  REQUIRE(device->stream);
  CHECK(*device->stream->read(std::as_writable_bytes(std::span(text))) == 0);
  CHECK(open_input(folder.path()).error().message == "open: Is a directory");
  CHECK(open_input(folder / "nowhere").error().message == "open: No such file or directory");
}

TEST_CASE("a stretch source ends with its stretch", "[io]") {
  auto memory = make_random_memory(bytes_of("0123456789"));
  auto stretch = make_stretch_source(*memory, 2, 5);
  std::string text(3, '?');
  auto into = std::as_writable_bytes(std::span(text));
  REQUIRE(*stretch->read(into) == 3);
  CHECK(text == "234");
  REQUIRE(*stretch->read(into) == 2);
  CHECK(text.substr(0, 2) == "56");
  CHECK(*stretch->read(into) == 0);
  auto beyond = make_stretch_source(*memory, 8, 5);
  CHECK_FALSE(read_fully(*beyond, into));
}

// As block/file-posix.c of QEMU locks an image: shared, by the open file.
TEST_CASE("who writes to an image by QEMU's locks is seen, and others are not", "[io]") {
  TempDir folder;
  std::ofstream(folder / "disk") << "image";
  auto file = OpenedFile::open(folder / "disk");
  REQUIRE(file);
  CHECK_FALSE(file->is_written_by_qemu());
  struct Use {
    off_t byte;
    bool writes;
  };
  for (Use use : {Use{100, false}, Use{101, true}, Use{103, true}, Use{201, false}}) {
    CAPTURE(use.byte);
    UniqueFd other(::open((folder / "disk").c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = use.byte;
    lock.l_len = 1;
    REQUIRE(::fcntl(other.get(), F_OFD_SETLK, &lock) == 0);
    CHECK(file->is_written_by_qemu() == use.writes);
  }
  CHECK_FALSE(file->is_written_by_qemu());
}

}  // namespace
}  // namespace vmstream
