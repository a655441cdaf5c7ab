// SPDX-License-Identifier: MIT
// Streams that are written as mapped-ram files.
#include "state/mapped_ram_sink.h"

#include <sys/stat.h>

#include <filesystem>

#include <vmstream/ram_image.h>
#include <vmstream/state_writer.h>
#include "state/unmapped.h"
#include "support/catch.h"
#include "support/read_all.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using testing::StreamBuilder;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMib = 1u << 20;

StreamBuilder begin(std::string_view machine = "pc-q35-10.0", uint64_t page_count = 4) {
  StreamBuilder stream;
  stream.header().configuration(machine).device(1, "early", "abcd").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", page_count * kPage}, {"vga", 2 * kPage}}).eos().footer();
  return stream;
}

Bytes end(StreamBuilder& stream) {
  stream.part(2).eos().footer().end(2).eos().footer().device(3, "timer", "tick").eof();
  return stream.vmdesc(testing::make_vmdesc({{"early", 4}, {"timer", 4}})).bytes();
}

// A pass, and a second one that sends pages again.
Bytes live_stream() {
  StreamBuilder stream = begin();
  stream.part(2).page("pc.ram", 0, 7).page("", kPage, 8).fill_page("", 2 * kPage);
  stream.page("", 3 * kPage, 9).page("vga", 0, 1).fill_page("", kPage).eos().footer();
  stream.part(2).fill_page("pc.ram", kPage).page("", 2 * kPage, 6).page("", 0, 5);
  stream.page("", 3 * kPage, 0).page("vga", kPage, 4).eos().footer();
  return end(stream);
}

// The same, each page once and as it was last.
Bytes last_pages() {
  StreamBuilder stream = begin();
  stream.part(2).page("pc.ram", 0, 5).fill_page("", kPage).page("", 2 * kPage, 6);
  stream.fill_page("", 3 * kPage).page("vga", 0, 1).page("", kPage, 4).eos().footer();
  stream.part(2).eos().footer().part(2).eos().footer();  // those that had them
  return end(stream);
}

class MappedFile {
 public:
  Status write(std::span<const std::byte> stream, size_t piece = 1 << 16) {
    path_ = folder_ / ("guest" + std::to_string(++files_));
    auto writer =
        StateWriter::create(path_, Overwrite::Refuse,
                            {.form = FileForm::MappedRam, .coding = Coding::None, .digest = true});
    if (!writer) return writer.error();
    for (; !stream.empty(); stream = stream.subspan(std::min(piece, stream.size()))) {
      auto written = writer->entrance().write(stream.first(std::min(piece, stream.size())));
      if (!written) return written;
    }
    if (auto finished = writer->entrance().finish(); !finished) return finished;
    CHECK(writer->sha256().size() == 64);
    if (auto published = writer->publish(); !published) return published;
    CHECK(std::filesystem::file_size(path_) == writer->bytes_written());
    return ok();
  }
  std::string fault(std::span<const std::byte> stream) {
    auto written = write(stream);
    CHECK_FALSE(std::filesystem::exists(path_));
    return written ? "" : written.error().message;
  }

  /// What a reader finds in the file.
  Bytes read() const {
    auto file = open_random_file(path_);
    REQUIRE(file);
    CHECK(is_mapped_ram(**file));
    auto stream = make_unmapped_source(**file);
    REQUIRE(stream);
    auto bytes = testing::read_all(**stream, 1 << 16);
    REQUIRE(bytes);
    return *bytes;
  }
  const std::string& path() const { return path_; }

 private:
  testing::TempDir folder_;
  std::string path_;
  int files_ = 0;
};

}  // namespace

TEST_CASE_METHOD(MappedFile, "each page is in the file as it was sent last", "[mapped]") {
  REQUIRE(write(live_stream(), GENERATE(1u, 100u, 1u << 16)));
  CHECK(read() == last_pages());
}

TEST_CASE_METHOD(MappedFile, "pages are at whole MiB, and take room only where they hold something",
                 "[mapped]") {
  constexpr uint64_t kManyPages = 4096;
  StreamBuilder stream = begin("pc-q35-10.0", kManyPages);
  stream.part(2).page("pc.ram", 0, 7);
  for (uint64_t page = 1; page < kManyPages; ++page) stream.page("", page * kPage, 0);
  stream.page("", 5 * kPage, 3).fill_page("", 5 * kPage).eos().footer();
  REQUIRE(write(end(stream)));
  auto file = open_random_file(path());
  REQUIRE(file);
  Bytes page(kPage);
  REQUIRE((*file)->read_at(kMib, page));
  CHECK(page == Bytes(kPage, std::byte{7}));
  REQUIRE((*file)->read_at(kMib + 5 * kPage, page));
  CHECK(page == Bytes(kPage));
  CHECK(std::filesystem::file_size(path()) > 17 * kMib);
  struct stat status {};
  REQUIRE(::stat(path().c_str(), &status) == 0);
  CHECK(status.st_blocks * 512 < 256 * 1024);
}

TEST_CASE_METHOD(MappedFile, "a page size that nothing tells is taken from the pages", "[mapped]") {
  auto make = [](uint64_t bytes, bool once_more) {
    StreamBuilder stream;
    stream.header().configuration("virt-10.0").start(2, "ram", 4);
    stream.ram_blocks({{"mach-virt.ram", 4 * bytes}}).eos().footer().part(2);
    stream.fill_page("mach-virt.ram", 0).page("", bytes, 7, bytes).fill_page("", 2 * bytes);
    stream.fill_page("", 3 * bytes).eos().footer();
    if (once_more) stream.part(2).eos().footer();  // the PART that had the pages
    stream.end(2).eos().footer().eof();
    return stream.vmdesc(testing::make_vmdesc({}, static_cast<uint32_t>(bytes))).bytes();
  };
  for (uint64_t bytes : {1024u, 4096u}) {
    REQUIRE(write(make(bytes, false)));
    CHECK(read() == make(bytes, true));
  }
}

TEST_CASE_METHOD(MappedFile, "a guest whose memory is all zero", "[mapped]") {
  StreamBuilder stream;
  stream.header().configuration("virt-10.0").start(2, "ram", 4);
  stream.ram_blocks({{"mach-virt.ram", 2 * kPage}}).eos().footer().part(2);
  stream.fill_page("mach-virt.ram", 0).fill_page("", kPage).eos().footer();
  REQUIRE(write(stream.end(2).eos().footer().eof().vmdesc(testing::make_vmdesc({})).bytes()));
}

TEST_CASE_METHOD(MappedFile, "what a file has no place for is refused", "[mapped]") {
  SECTION("a machine type before 2.4") {
    StreamBuilder stream;
    stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", kPage}}).eos().footer();
    CHECK(fault(end(stream)).find("without a configuration") != std::string::npos);
  }
  SECTION("memory that stays outside") {
    StreamBuilder stream;
    stream.header().configuration("pc-q35-10.0").capabilities({"x-ignore-shared"});
    CHECK(fault(end(stream.start(2, "ram", 4).be64(4).eos().footer())).find("x-ignore-shared") !=
          std::string::npos);
  }
  SECTION("a postcopy stream") {
    CHECK(fault(testing::postcopy_stream().bytes()).find("the command POSTCOPY_ADVISE") !=
          std::string::npos);
  }
  SECTION("pages that went over other connections") {
    auto stream = begin();
    CHECK(fault(end(stream)).find("multifd") != std::string::npos);
  }
  SECTION("more memory than bitmaps are kept for") {
    StreamBuilder stream = begin("pc-q35-10.0", (1ull << 41) / kPage);
    CHECK(fault(end(stream.part(2).page("pc.ram", 0, 1).eos().footer())).find("at most") !=
          std::string::npos);
  }
  SECTION("half a page") {
    StreamBuilder stream;
    stream.header().configuration("pc-q35-10.0").start(2, "ram", 4);
    stream.ram_blocks({{"pc.ram", kPage + 1024}}).eos().footer().part(2).page("pc.ram", 0, 1).eos();
    CHECK(fault(end(stream.footer())).find("no whole pages") != std::string::npos);
  }
}

TEST_CASE_METHOD(MappedFile, "a cut stream gives no file", "[mapped]") {
  auto stream = live_stream();
  for (size_t length = 0; length < stream.size(); length += 1 + length / 16) {
    INFO(length << " of " << stream.size());
    CHECK_FALSE(write(std::span(stream).first(length)));
    CHECK_FALSE(std::filesystem::exists(path()));
  }
}

TEST_CASE_METHOD(MappedFile, "its index tells places in the file", "[mapped]") {
  auto stream = live_stream();
  REQUIRE(write(stream));
  auto file = open_random_file(path());
  REQUIRE(file);
  auto sent = testing::index_of(stream);
  sent.facts.capture.mode = "live";
  auto index = index_of_mapped(**file, sent, "0123");
  REQUIRE(index);
  CHECK(index->facts.capture.mode == "live");
  CHECK(index->facts.sha256 == "0123");
  CHECK(index->facts.plain_bytes == (*file)->length());
  auto image = RamImage::make(**file, std::move(*index));
  REQUIRE(image);
  Bytes page(kPage);
  REQUIRE(image->read(0, 2, page));
  CHECK(page == Bytes(kPage, std::byte{6}));
}

TEST_CASE("mapped-ram files are neither packed nor elsewhere than in a file", "[mapped]") {
  testing::TempDir folder;
  std::string path = folder / "guest";
  for (const WriteOptions& options :
       {WriteOptions{.form = FileForm::MappedRam},
        WriteOptions{.form = FileForm::MappedRam, .coding = Coding::None, .filter = "cat"},
        WriteOptions{.form = FileForm::MappedRam, .coding = Coding::None, .most_bytes = 10}}) {
    auto writer = StateWriter::create(path, Overwrite::Refuse, options);
    REQUIRE_FALSE(writer);
    CHECK(writer.error().code == Errc::Usage);
  }
  Bytes bytes;
  CHECK_FALSE(StateWriter::create(make_memory_sink(bytes),
                                  {.form = FileForm::MappedRam, .coding = Coding::None}));
  CHECK_FALSE(StateWriter::create("/dev/null", Overwrite::Replace,
                                  {.form = FileForm::MappedRam, .coding = Coding::None}));
}

}  // namespace vmstream
