// SPDX-License-Identifier: MIT
// Streams that are written as save images of libvirt.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <vmstream/digest.h>
#include <vmstream/state_file.h>
#include <vmstream/state_writer.h>
#include "container/libvirt/libvirt_image.h"
#include "support/catch.h"
#include "support/read_all.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using Bytes = std::vector<std::byte>;

const std::string kXml =
    "<domain type='qemu'><name>tiny</name><uuid>c0ffee00-0000-4000-8000-000000000001</uuid>"
    "<graphics type='vnc' passwd='secret'/></domain>\n";
const std::string kCookie = "<cookie><cpu><model>qemu64</model></cpu></cookie>";

class SaveImage {
 public:
  Status write(std::span<const std::byte> stream, LibvirtDomain domain,
               Coding coding = Coding::None) {
    path_ = folder_ / ("guest" + std::to_string(++files_));
    auto made = StateWriter::create(path_, Overwrite::Refuse,
                                    {.form = FileForm::Libvirt,
                                     .libvirt = std::move(domain),
                                     .coding = coding,
                                     .digest = true});
    if (!made) return made.error();
    writer_.emplace(std::move(*made));
    if (writer_->wants_index()) writer_->set_index(testing::index_of(stream));
    if (auto written = writer_->entrance().write(stream); !written) return written;
    return writer_->entrance().finish();
  }
  std::string fault(std::span<const std::byte> stream, LibvirtDomain domain = {kXml}) {
    auto written = write(stream, std::move(domain));
    CHECK_FALSE(std::filesystem::exists(path_));
    return written ? "" : written.error().message;
  }

  StateWriter& writer() { return *writer_; }
  const std::string& path() const { return path_; }
  /// As it is, or will be.
  std::string text(const std::string& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  testing::TempDir folder_;
  std::string path_;
  std::optional<StateWriter> writer_;
  int files_ = 0;
};

}  // namespace

TEST_CASE_METHOD(SaveImage, "an image calls itself finished only when it has its name",
                 "[libvirt]") {
  auto stream = testing::small_stream().bytes();
  REQUIRE(write(stream, {kXml, kCookie}));
  CHECK_FALSE(std::filesystem::exists(path()));
  auto unnamed = text("/proc/self/fd/" + std::to_string(writer().file()->descriptor()));
  CHECK(unnamed.starts_with(libvirt::kUnfinished));
  auto back = writer().read_back();
  REQUIRE(back);
  auto read = testing::read_all(**back->stream(), 1 << 16);
  REQUIRE(read);
  CHECK(*read == stream);
  REQUIRE(writer().publish());
  auto whole = text(path());
  CHECK(whole.size() == writer().bytes_written());
  CHECK(whole.substr(16).substr(76) == unnamed.substr(16).substr(76));  // but for the header
  Sha256 sha256;
  sha256.update(std::as_bytes(std::span(whole)));
  CHECK(writer().sha256() == sha256.finish());
}

TEST_CASE_METHOD(SaveImage, "an image is read as it was written", "[libvirt]") {
  auto stream = testing::small_stream().bytes();
  auto coding = GENERATE(Coding::None, Coding::Gzip, Coding::Bzip2, Coding::Zstd);
  bool with_cookie = GENERATE(false, true);
  REQUIRE(write(stream, {kXml, with_cookie ? kCookie : "", false}, coding));
  REQUIRE(writer().publish());
  auto file = StateFile::open(path());
  REQUIRE(file);
  auto plain = file->stream();
  REQUIRE(plain);
  auto read = testing::read_all(**plain, 1 << 16);
  REQUIRE(read);
  CHECK(*read == stream);
  const Container& container = file->containers().front();
  REQUIRE(container.libvirt);
  CHECK(container.problems.empty());
  CHECK(container.libvirt->version == 2);
  CHECK(container.libvirt->xml == kXml);
  CHECK(container.libvirt->cookie == (with_cookie ? kCookie : ""));
  CHECK(container.libvirt->domain_name == "tiny");
  CHECK(container.libvirt->was_running == false);
  CHECK(container.libvirt->format == (coding == Coding::None ? "raw" : traits_of(coding).name));
  CHECK(container.content_offset ==
        92 + kXml.size() + 1 + (with_cookie ? kCookie.size() + 1 : 0) + 65536);
}

TEST_CASE_METHOD(SaveImage, "whether the guest runs is as the stream says, or as it was asked for",
                 "[libvirt]") {
  auto stream = testing::small_stream().bytes();  // says nothing: then QEMU starts it
  for (std::optional<bool> runs :
       {std::optional<bool>(), std::optional(true), std::optional(false)}) {
    REQUIRE(write(stream, {kXml, "", runs}));
    REQUIRE(writer().publish());
    CHECK(text(path())[24] == (runs.value_or(true) ? 1 : 0));
  }
}

TEST_CASE_METHOD(SaveImage, "XML that libvirt could not read is refused", "[libvirt]") {
  auto stream = testing::small_stream().bytes();
  CHECK(fault(stream, {""}).find("the domain's XML") == 0);
  CHECK(fault(stream, {"<domain><name>x</name>"}).find("the domain's XML: line") == 0);
  CHECK(fault(stream, {"<domstatus>" + kXml + "</domstatus>"}).find("not that of a domain") !=
        std::string::npos);
  CHECK(fault(stream, {"<!DOCTYPE x>" + kXml}).find("document type") != std::string::npos);
  CHECK(fault(stream, {kXml + '\0'}).find("holds a NUL") != std::string::npos);
  CHECK(fault(stream, {kXml, "<cookie>"}).find("the cookie's XML") == 0);
  std::string large = "<domain><name>x</name><!--" + std::string(16 << 20, 'x') + "--></domain>";
  CHECK(fault(stream, {large}).find("are room for") != std::string::npos);
  CHECK(fault(stream, {"<domain passwd='secret'"}).find("secret") == std::string::npos);
}

TEST_CASE_METHOD(SaveImage, "what libvirt's QEMU would not take is refused", "[libvirt]") {
  CHECK(fault(testing::postcopy_stream().bytes()).find("POSTCOPY_ADVISE") != std::string::npos);
  testing::StreamBuilder shared;
  shared.header().configuration("pc-q35-10.0").capabilities({"x-ignore-shared"});
  shared.start(2, "ram", 4).be64(4).eos().footer().end(2).eos().footer().eof();
  CHECK(fault(shared.bytes()).find("x-ignore-shared") != std::string::npos);
}

TEST_CASE_METHOD(SaveImage, "a cut stream gives no image", "[libvirt]") {
  auto stream = testing::small_stream().bytes();
  for (size_t length = 0; length + 400 < stream.size(); length += 1 + length / 8) {
    CHECK_FALSE(write(std::span(stream).first(length), {kXml}));
    CHECK_FALSE(writer().publish());
    CHECK_FALSE(std::filesystem::exists(path()));
  }
}

TEST_CASE("images of libvirt are regular files, neither encrypted nor filtered", "[libvirt]") {
  testing::TempDir folder;
  WriteOptions options{.form = FileForm::Libvirt, .libvirt = {{kXml}}, .coding = Coding::None};
  Bytes bytes;
  CHECK_FALSE(StateWriter::create(make_memory_sink(bytes), options));
  CHECK_FALSE(StateWriter::create("/dev/null", Overwrite::Replace, options));
  options.filter = "cat";
  CHECK_FALSE(StateWriter::create(folder / "a", Overwrite::Refuse, options));
  CHECK_FALSE(StateWriter::create(folder / "a", Overwrite::Refuse,
                                  {.form = FileForm::Libvirt, .coding = Coding::None}));
  CHECK_FALSE(StateWriter::create(folder / "a", Overwrite::Refuse, {.libvirt = {{kXml}}}));
  CHECK(std::filesystem::is_empty(folder.path()));
}

}  // namespace vmstream
