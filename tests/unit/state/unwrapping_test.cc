// SPDX-License-Identifier: MIT
#include "state/unwrapping.h"

#include <algorithm>
#include <fstream>

#include "state/seekable_state.h"
#include "support/temp_dir.h"
#include "unit/codec/codec_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

Bytes bytes_of(std::string_view text) {
  auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

// A stream is recognised by its magic alone.
Bytes stream_bytes() {
  return concatenated({bytes_of("QEVM"), sample(100'000)});
}

Result<UnwrappedStream> open(const Bytes& file, OpenOptions options = {}) {
  return unwrap(make_memory_source(file), options);
}

std::string types_of(const UnwrappedStream& state) {
  std::string types;
  for (const Container& container : state.containers) types += container.type + " ";
  return types;
}

void check_refused(const Bytes& file, Errc code, const std::string& message) {
  auto state = open(file);
  REQUIRE_FALSE(state);
  CHECK(state.error().message == message);
  CHECK(state.error().code == code);
}

}  // namespace

TEST_CASE("a plain stream is opened as it is", "[state]") {
  Bytes stream = stream_bytes();
  auto state = open(stream);
  REQUIRE(state);
  CHECK(types_of(*state) == "qevm ");
  CHECK((drain(*state->plain).bytes == stream));
}

TEST_CASE("codings are unwrapped, whatever their number", "[state]") {
  Bytes stream = stream_bytes();
  for (Coding coding : kPackingCodings) {
    Bytes file = encode(coding, stream);
    auto state = open(file);
    REQUIRE(state);
    CHECK(types_of(*state) == std::string(traits_of(coding).name) + " qevm ");
    CHECK((drain(*state->plain).bytes == stream));
  }
  Bytes nested = encode(Coding::Bzip2, encode(Coding::Zstd, encode(Coding::Gzip, stream)));
  auto state = open(nested);
  REQUIRE(state);
  CHECK(types_of(*state) == "bzip2 zstd gzip qevm ");
  CHECK((drain(*state->plain).bytes == stream));
}

TEST_CASE("codings that are only read are unwrapped", "[state]") {
  Bytes stream = stream_bytes();
  auto state = open(run("xz -c | lz4 -qc | lzop -c | xz -0c", stream));
  REQUIRE(state);
  CHECK(types_of(*state) == "xz lzop lz4 xz qevm ");
  CHECK((drain(*state->plain).bytes == stream));
}

TEST_CASE("a zstd file that begins with a skippable frame is opened", "[state]") {
  Bytes skippable = bytes_of(std::string_view("\x50\x2a\x4d\x18\x02\0\0\0ab", 10));
  Bytes file = concatenated({skippable, encode(Coding::Zstd, stream_bytes())});
  auto state = open(file);
  REQUIRE(state);
  CHECK((drain(*state->plain).bytes == stream_bytes()));
}

TEST_CASE("unwrapping ends at the limit", "[state]") {
  Bytes file = stream_bytes();
  for (int i = 0; i < 3; ++i) file = encode(Coding::Gzip, file);
  CHECK(open(file, {.nesting = 3}));
  auto state = open(file, {.nesting = 2});
  REQUIRE_FALSE(state);
  CHECK(state.error().code == Errc::Unsupported);
  CHECK(state.error().message ==
        "gzip holds gzip holds gzip, more than 2 containers within each other");
}

TEST_CASE("what is no state file is named", "[state]") {
  check_refused({}, Errc::Truncated, "the file is empty");
  check_refused(bytes_of("QEV"), Errc::Truncated, "ends after 3 bytes (51 45 56)");
  check_refused(bytes_of("\x1f\x8b"), Errc::Truncated, "ends after 2 bytes (1f 8b)");
  check_refused(
      bytes_of("\x7f\x45LF\x02\x01\x01"), Errc::Malformed,
      "not a state file: begins with 7f 45 4c 46 (an ELF file), "
      "want QEVM, gzip, bzip2, zstd, xz, lz4, lzop or OpenPGP, or a container: libvirt save image, "
      "qcow2, tar, VMA, Xen");
  check_refused(
      bytes_of("hello world"), Errc::Malformed,
      "not a state file: begins with 68 65 6c 6c, "
      "want QEVM, gzip, bzip2, zstd, xz, lz4, lzop or OpenPGP, or a container: libvirt save image, "
      "qcow2, tar, VMA, Xen");
}

TEST_CASE("what holds a state in a way that is not read is named", "[state]") {
  auto check = [](std::string_view file, const std::string& name, const std::string& hint) {
    auto state = open(bytes_of(file));
    REQUIRE_FALSE(state);
    CHECK(state.error().code == Errc::Unsupported);
    CHECK(state.error().message == name + ", which is not read");
    CHECK(state.error().hint == hint);
  };
  using namespace std::string_view_literals;
  check("QFI\xfb\0\0\0\3"sv, "a qcow2 image",
        "a snapshot is read by position: put the image into a file, and read FILE#SNAPSHOT");
  check(
      "\x11\x22\x33\x44\0\0\0\1"sv, "a multifd channel with pages only",
      "the stream proper went through the first connection: give both with --multifd, or a folder");
}

TEST_CASE("what a container holds is said", "[state]") {
  check_refused(encode(Coding::Gzip, {}), Errc::Truncated, "gzip holds nothing");
  check_refused(
      encode(Coding::Zstd, encode(Coding::Gzip, bytes_of("hello"))), Errc::Malformed,
      "zstd holds gzip holds not a state file: begins with 68 65 6c 6c, "
      "want QEVM, gzip, bzip2, zstd, xz, lz4, lzop or OpenPGP, or a container: libvirt save image, "
      "qcow2, tar, VMA, Xen");
  check_refused(encode(Coding::Bzip2, bytes_of("QFI\xfb....")), Errc::Unsupported,
                "bzip2 holds a qcow2 image, which is not read");
}

TEST_CASE("damage in the first block is found when the file is opened", "[state]") {
  Bytes file = encode(Coding::Zstd, stream_bytes());
  file.resize(file.size() - 1);
  auto state = open(file);
  REQUIRE_FALSE(state);
  CHECK(state.error().code == Errc::Truncated);
}

namespace {

// A configuration, which is what makes it look like a stream.
Bytes convincing_stream() {
  return concatenated({bytes_of(std::string_view("QEVM\0\0\0\3\7\0\0\0\2pc", 15)), sample(5000)});
}

}  // namespace

TEST_CASE("a page channel is taken where one is asked for", "[state]") {
  using namespace std::string_view_literals;
  auto channel = bytes_of("\x11\x22\x33\x44\0\0\0\1 and packets"sv);
  auto state = unwrap(make_memory_source(channel), {.page_channels = true});
  REQUIRE(state);
  CHECK(types_of(*state) == "multifd ");
  CHECK((drain(*state->plain).bytes == channel));
  auto stream = convincing_stream();
  state = unwrap(make_memory_source(stream), {.page_channels = true});
  REQUIRE(state);
  CHECK(types_of(*state) == "qevm ");
}

TEST_CASE("a stream behind the bytes of another owner is found", "[state]") {
  size_t offset = GENERATE(512u, 4096u, 65536u, (1u << 20) + 512, (16u << 20) - 512);
  Bytes file(offset, std::byte{'.'});
  std::ranges::copy(bytes_of("QEVM is here, not a stream"), file.begin() + 300);
  file = concatenated({file, convincing_stream()});
  auto state = open(file);
  REQUIRE(state);
  CHECK(types_of(*state) == "offset qevm ");
  CHECK(state->containers[0].content_offset == offset);
  CHECK((drain(*state->plain).bytes == convincing_stream()));

  TempDir folder;
  std::ofstream(folder / "file")
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  auto seekable = open_seekable_state(std::move(*open_random_file(folder / "file")));
  REQUIRE(seekable);
  CHECK(seekable->containers[0].content_offset == offset);
  CHECK(seekable->plain()->length() == convincing_stream().size());
  Bytes plain(convincing_stream().size());
  REQUIRE(seekable->plain()->read_at(0, plain));
  CHECK((plain == convincing_stream()));
  CHECK_FALSE(seekable->plain()->read_at(plain.size(), plain));
  CHECK_FALSE(seekable->plain()->read_at(UINT64_MAX, plain));
}

TEST_CASE("a stream further in is found only where one may stand", "[state]") {
  std::string message =
      "not a state file: begins with 2e 2e 2e 2e, "
      "want QEVM, gzip, bzip2, zstd, xz, lz4, lzop or OpenPGP, or a container: libvirt save image, "
      "qcow2, tar, VMA, Xen";
  auto behind = [](size_t offset, const Bytes& stream) {
    return concatenated({Bytes(offset, std::byte{'.'}), stream});
  };
  SECTION("not between the sectors") {
    check_refused(behind(1000, convincing_stream()), Errc::Malformed, message);
  }
  SECTION("not by its magic alone") {
    check_refused(behind(512, bytes_of(std::string_view("QEVM\0\0\0\3rest", 12))), Errc::Malformed,
                  message);
    check_refused(behind(512, bytes_of(std::string_view("QEVM\0\0\0\3\7\0\0\0\2p\n", 15))),
                  Errc::Malformed, message);
  }
  SECTION("not beyond what is searched") {
    check_refused(behind(16 << 20, convincing_stream()), Errc::Malformed, message);
  }
  SECTION("not in a file of a known kind") {
    Bytes file = behind(512, convincing_stream());
    std::ranges::copy(bytes_of("\x7f\x45\x4c\x46"), file.begin());
    auto state = open(file);
    REQUIRE_FALSE(state);
    CHECK(state.error().message.find("an ELF file") != std::string::npos);
  }
}
