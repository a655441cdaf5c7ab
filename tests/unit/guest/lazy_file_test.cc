// SPDX-License-Identifier: MIT
#include <vmstream/lazy_restore.h>
#include "guest/lazy/lazy_reader.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <vmstream/codec.h>
#include <vmstream/indexing.h>
#include <vmstream/parser.h>
#include "codec/indexed_encoder.h"
#include "guest/lazy/postcopy_opening.h"
#include "state/index_tables.h"
#include "support/event_log.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

#include "support/catch.h"

using namespace vmstream;
using testing::pack;
using testing::StreamBuilder;

namespace {

using Bytes = std::vector<std::byte>;

struct Fixture {
  void write(const Bytes& content) const {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
  }
  Result<LazyFile> open(const Bytes& content) {
    write(content);
    auto opened = StateFile::open(path, {.decode = {.limits = limits}, .sidecar = sidecar});
    if (!opened) return opened.error();
    options.observer.on_begin = [this](const std::string& text) { reason = text; };
    return LazyFile::open(std::move(*opened), options);
  }
  Error fault(const Bytes& content) {
    auto file = open(content);
    REQUIRE_FALSE(file);
    return file.error();
  }
  // The events of what a destination is told, or the error.
  testing::Outcome opening(const Bytes& content) {
    auto file = open(content);
    INFO((file ? "" : file.error().message));
    REQUIRE(file);
    auto reader = file->open_reader(LazyCache::kSequential);
    REQUIRE(reader);
    auto blocks = served_blocks(file->index(), {});
    REQUIRE(blocks);
    Bytes told;
    auto sink = make_memory_sink(told);
    auto written = write_opening(*reader, file->index(), *blocks, *sink);
    if (!written) return {.log = {}, .status = written};
    told.push_back(std::byte{0});  // EOF
    return testing::parse_all(told);
  }
  bool saved_running(const Bytes& content) {
    auto file = open(content);
    REQUIRE(file);
    auto reader = file->open_reader(LazyCache::kSequential);
    REQUIRE(reader);
    auto ran = was_saved_running(*reader, file->index());
    REQUIRE(ran);
    return *ran;
  }

  testing::TempDir folder;
  std::string path = folder / "guest";
  std::string reason;
  std::string sidecar;
  WaitLimits limits;
  LazyFileOptions options;
};

StreamBuilder guest_in(std::string_view run_state) {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 4096}}).eos().footer();
  stream.end(2).page("pc.ram", 0, 1).eos().footer();
  std::string state(run_state);
  state.resize(100);
  return stream.full(3, "globalstate").be32(run_state.size() + 1).text(state).footer().eof();
}

}  // namespace

TEST_CASE_METHOD(Fixture, "files without an index are read through first", "[guest][lazy]") {
  auto plain = testing::small_stream().bytes();
  for (Coding coding : {Coding::None, Coding::Gzip, Coding::Zstd}) {
    INFO(traits_of(coding).name);
    auto file = open(pack(coding, plain));
    REQUIRE(file);
    CHECK(reason == "it carries no index");
    CHECK_FALSE(file->new_sidecar());
    CHECK(file->index().facts.blocks.size() == 2);
    auto reader = file->open_reader(LazyCache::kScattered);
    REQUIRE(reader);
    Bytes page(1024);
    REQUIRE(reader->image.read(0, 8, page));
    CHECK(page[5] == std::byte{0xcc});
  }
}

TEST_CASE_METHOD(Fixture, "what cannot be restored lazily is refused with a reason",
                 "[guest][lazy]") {
  auto stream = testing::small_stream().bytes();
  SECTION("cut") {
    CHECK(fault(Bytes(stream.begin(), stream.end() - 300)).code == Errc::Truncated);
  }
  SECTION("damaged") {
    auto damaged = stream;
    damaged[damaged.size() / 2] ^= std::byte{0xff};
    damaged.resize(damaged.size() / 2 + 1);
    CHECK_FALSE(open(damaged));
  }
  SECTION("encrypted") {
    Bytes message{std::byte{0x85}, std::byte{0x01}, std::byte{0x0c}, std::byte{0x03}};
    message.resize(4096, std::byte{0x5a});
    auto error = fault(message);
    CHECK(error.code == Errc::Unsupported);
    CHECK(error.message.find("OpenPGP") != std::string::npos);
    CHECK(
        error.hint ==
        "restore it without --lazy, or unpack it first: vmstream-inspect extract stream FILE -o X");
  }
  SECTION("one container within another") {
    auto error = fault(pack(Coding::Gzip, pack(Coding::Zstd, stream)));
    CHECK(error.code == Errc::Unsupported);
    CHECK(error.message.find("cannot be read by position") != std::string::npos);
  }
  SECTION("no guest memory") {
    StreamBuilder devices;
    devices.header().device(1, "timer", "0123").eof();
    CHECK(fault(devices.bytes()).message == "the stream holds no guest memory");
  }
  SECTION("contents of disks") {
    auto slices = [](bool chunk) {
      StreamBuilder disks;
      disks.header().start(1, "block").be64(2).footer();
      disks.start(2, "ram", 4).ram_blocks({{"pc.ram", 4096}}).eos().footer();
      disks.part(1).be64(50 << 9 | 4);
      if (chunk) disks.be64(0x09).counted("virtio7");
      disks.be64(2).footer().end(2).page("pc.ram", 0, 1).eos().footer();
      return disks.device(3, "timer", "0123456789").eof().bytes();
    };
    CHECK(open(slices(false)));
    auto error = fault(slices(true));
    CHECK(error.code == Errc::Refused);
    CHECK(error.hint == "restore it without --lazy and with --write-disks");
  }
}

TEST_CASE_METHOD(Fixture, "a destination is told of devices and disks, not of pages",
                 "[guest][lazy]") {
  StreamBuilder stream;
  stream.header().configuration("pc-10.0").start(1, "slow", 1).text("disk").footer();
  stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 4096}}).eos().footer();
  stream.device(7, "early", "abc").part(2).page("pc.ram", 0, 1).eos().footer().command(11);
  stream.end(2).eos().footer().device(3, "timer", "0123456789").eof();
  auto told = opening(stream.bytes());
  REQUIRE(told.status);
  CHECK(told.log.count("timer") >= 1);
  CHECK(told.log.count("early") >= 1);
  CHECK_FALSE(told.log.has("SWITCHOVER"));
  CHECK(told.log.count("page ") == 0);
}

TEST_CASE_METHOD(Fixture, "a mapped-ram stream becomes one without places", "[guest][lazy]") {
  StreamBuilder stream;
  stream.header().configuration("pc-10.0").capabilities({"mapped-ram"});
  stream.start(2, "ram", 4).be64(3 * 4096 | 4).mapped_block("pc.ram", {7, 0, 9}).eos().footer();
  stream.end(2).eos().footer().device(3, "timer", "0123456789").eof();
  auto told = opening(stream.bytes());
  REQUIRE(told.status);
  CHECK_FALSE(told.log.has("mapped"));
  CHECK(told.log.has("pc.ram"));
  CHECK(told.log.has("timer"));
}

TEST_CASE_METHOD(Fixture, "an index that points elsewhere is found out", "[guest][lazy]") {
  auto bytes = testing::small_stream().bytes();
  auto file = open(bytes);
  REQUIRE(file);
  auto reader = file->open_reader(LazyCache::kSequential);
  REQUIRE(reader);
  StateIndex lying = file->index();
  for (auto& record : *lying.records) {
    if (record.idstr == "timer") record.idstr = "clock";
  }
  Bytes told;
  auto sink = make_memory_sink(told);
  auto written = write_opening(*reader, lying, *served_blocks(lying, {}), *sink);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == Errc::Malformed);
  CHECK(written.error().message == "index: no full section of 'clock' is here");
}

TEST_CASE_METHOD(Fixture, "the saved run state is known", "[guest][lazy]") {
  CHECK(saved_running(guest_in("running").bytes()));
  CHECK_FALSE(saved_running(guest_in("paused").bytes()));
  CHECK_FALSE(saved_running(guest_in("running-not").bytes()));
  CHECK(saved_running(testing::small_stream().bytes()));
}

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// As another program's gzip writes it: one long member that nothing but reading it can take apart.
Bytes foreign_gzip(const testing::TempDir& folder, const Bytes& plain) {
  std::ofstream(folder / "plain", std::ios::binary)
      .write(reinterpret_cast<const char*>(plain.data()),
             static_cast<std::streamsize>(plain.size()));
  std::string plain_path = folder / "plain";
  REQUIRE(std::system(("gzip -1 " + plain_path).c_str()) == 0);
  auto packed = text_of(plain_path + ".gz");
  std::filesystem::remove(plain_path + ".gz");
  auto bytes = std::as_bytes(std::span(packed));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE_METHOD(Fixture, "an index that has to be made is kept in memory", "[guest][lazy]") {
  auto packed = foreign_gzip(folder, testing::small_stream().bytes());
  sidecar = sidecar_path(path);
  auto file = open(packed);
  REQUIRE(file);
  CHECK(reason == "it carries no index");
  REQUIRE(file->new_sidecar());
  CHECK_FALSE(std::filesystem::exists(sidecar));
  auto reader = file->open_reader(LazyCache::kScattered);
  REQUIRE(reader);
  Bytes page(1024);
  REQUIRE(reader->image.read(0, 8, page));
  CHECK(page[5] == std::byte{0xcc});

  REQUIRE(publish_sidecar(sidecar, *file->new_sidecar(), Overwrite::Refuse));
  reason.clear();
  auto again = open(packed);
  REQUIRE(again);
  CHECK(reason.empty());
  CHECK_FALSE(again->new_sidecar());
  CHECK(again->open_reader(LazyCache::kScattered));
}

TEST_CASE_METHOD(Fixture, "making an index ends when it is told to", "[guest][lazy]") {
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  cancellation->request();
  limits.cancellation = &*cancellation;
  for (Coding coding : {Coding::None, Coding::Gzip, Coding::Zstd}) {
    CHECK(fault(pack(coding, testing::small_stream().bytes())).code == Errc::Interrupted);
  }
}

TEST_CASE_METHOD(Fixture, "readers read the file that was opened", "[guest][lazy]") {
  auto file = open(pack(Coding::Zstd, testing::small_stream().bytes()));
  REQUIRE(file);
  std::ofstream(path + ".other") << "something else";
  std::filesystem::rename(path + ".other", path);
  auto reader = file->open_reader(LazyCache::kScattered);
  REQUIRE(reader);
  Bytes page(1024);
  CHECK(reader->image.read(0, 8, page));
}

namespace {

Bytes two_pages() {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 8192}}).eos().footer();
  stream.end(2).page("pc.ram", 0, 0x11).page("", 4096, 0x22).eos().footer();
  return stream.eof().bytes();
}

// A file whose index says of each page that it stands where the other one does.
Bytes file_with_lies(Coding coding) {
  StreamBuilder swapped;
  swapped.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 8192}}).eos().footer();
  swapped.end(2).page("pc.ram", 4096, 0x11).page("", 0, 0x22).eos().footer().eof();
  StateIndex lies = testing::index_of(swapped.bytes());
  Bytes file;
  auto sink = make_memory_sink(file);
  auto lie = [&](const BlockTable& blocks) { return serialise(lies, {.blocks = &blocks}); };
  auto encoder = make_indexed_encoder(coding, *sink, {.threads = 1}, lie);
  REQUIRE(encoder);
  REQUIRE((*encoder)->write(two_pages()));
  REQUIRE((*encoder)->finish());
  return file;
}

// What reading all of the file shows.
Result<StateIndex> judge(ByteSource& stream) {
  IndexBuilder builder;
  auto length = parse_stream(stream, builder);
  if (!length) return length.error();
  return builder.finish(two_pages().size(), two_pages().size(), true);
}

std::byte page_byte(LazyReader& reader, uint64_t page) {
  Bytes content(4096);
  REQUIRE(reader.image.read(0, page, content));
  return content[7];
}

}  // namespace

TEST_CASE_METHOD(Fixture, "after a whole reading no index is believed", "[guest][lazy]") {
  for (Coding coding : {Coding::Gzip, Coding::Zstd}) {
    INFO(traits_of(coding).name);
    options.judge = {};
    auto lies = file_with_lies(coding);
    REQUIRE(open(lies));  // nothing but the stream itself tells
    options.judge = judge;
    auto file = open(lies);
    REQUIRE(file);
    auto reader = file->open_reader(LazyCache::kScattered);
    REQUIRE(reader);
    CHECK(page_byte(*reader, 0) == std::byte{0x11});
    CHECK(page_byte(*reader, 1) == std::byte{0x22});
    CHECK_FALSE(file->new_sidecar());
  }
}

TEST_CASE_METHOD(Fixture, "a file that changes after its whole reading gives no page of the change",
                 "[guest][lazy]") {
  auto plain = two_pages();
  for (Coding coding : {Coding::None, Coding::Gzip, Coding::Zstd}) {
    INFO(traits_of(coding).name);
    options.judge = judge;
    auto file = open(pack(coding, plain));
    REQUIRE(file);
    auto changed = plain;
    *std::ranges::find(changed, std::byte{0x22}) = std::byte{0x23};
    write(pack(coding, changed));
    auto reader = file->open_reader(LazyCache::kScattered);
    if (!reader) {  // found out already
      CHECK(reader.error().code == Errc::Malformed);
      continue;
    }
    Bytes content(4096);
    CHECK_FALSE(reader->image.read(0, 1, content));
  }
}
