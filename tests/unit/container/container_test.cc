// SPDX-License-Identifier: MIT
// Every container both ways: by position, and from front to end in pieces of any size.
#include "container/content.h"

#include <algorithm>

#include "container/libvirt/domain_xml.h"
#include "support/catch.h"
#include "support/container_builder.h"
#include "support/read_all.h"

using namespace vmstream;
using namespace testing;
using namespace std::string_view_literals;

namespace {

bool is_stream(std::span<const std::byte> head) {
  return std::string_view(reinterpret_cast<const char*>(head.data()), head.size())
      .starts_with("QEVM");
}

// Longer than a cluster of VMA, and no multiple of anything.
Bytes stream() {
  Bytes bytes = bytes_of("QEVM\0\0\0\3"sv);
  for (size_t i = 0; i < 150'001; ++i) bytes.push_back(static_cast<std::byte>(i * 7 + i / 251));
  return bytes;
}

// What comes out of one way of reading.
struct Found {
  std::optional<Error> fault;
  Container description;
  Bytes content;
};

class InPieces final : public ByteSource {
 public:
  InPieces(std::span<const std::byte> bytes, size_t piece) : rest_(bytes), piece_(piece) {}
  Result<size_t> read(std::span<std::byte> into) override {
    size_t count = std::min({into.size(), piece_, rest_.size()});
    std::copy_n(rest_.begin(), count, into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const std::byte> rest_;
  size_t piece_;
};

Found read_by_position(const Bytes& file) {
  auto kind = recognise_container(file);
  REQUIRE(kind);
  auto source = make_random_memory(file);
  auto opened = open_content(*kind, *source, is_stream);
  if (!opened) return {opened.error(), {}, {}};
  Found found{{}, opened->description, Bytes(opened->bytes->length())};
  if (auto read = opened->bytes->read_at(0, found.content); !read) found.fault = read.error();
  return found;
}

Found read_in_order(const Bytes& file, size_t piece) {
  auto kind = recognise_container(file);
  REQUIRE(kind);
  auto opened = open_content(*kind, std::make_unique<InPieces>(file, piece), is_stream);
  if (!opened) return {opened.error(), {}, {}};
  Found found{{}, opened->description, {}};
  for (Bytes buffer(70'000);;) {
    auto count = opened->bytes->read(buffer);
    if (!count) found.fault = count.error();
    if (!count || *count == 0) return found;
    found.content.insert(found.content.end(), buffer.begin(),
                         buffer.begin() + static_cast<ptrdiff_t>(*count));
  }
}

// Both ways give this type, and `content`.
Found check_holds(const Bytes& file, std::string_view type, const Bytes& content) {
  Found found = read_by_position(file);
  INFO((found.fault ? describe(*found.fault) : ""));
  REQUIRE_FALSE(found.fault);
  CHECK(found.description.type == type);
  CHECK((found.content == content));
  for (size_t piece : {size_t{1} << 20, size_t{97}}) {
    Found again = read_in_order(file, piece);
    REQUIRE_FALSE(again.fault);
    CHECK((again.content == content));
    CHECK(again.description.content_offset == found.description.content_offset);
  }
  return found;
}

void check_fault(const Bytes& file, Errc code, std::string_view words) {
  for (const Found& found : {read_by_position(file), read_in_order(file, 1000)}) {
    REQUIRE(found.fault);
    CHECK(found.fault->code == code);
    INFO(found.fault->message);
    CHECK(found.fault->message.find(words) != std::string::npos);
  }
}

// Neither crashes nor believes in what is not there.
void check_damage(const Bytes& file) {
  for (size_t length = 0; length < file.size(); length += 1 + length / 40) {
    Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(length));
    if (!recognise_container(cut)) continue;
    Found found = read_in_order(cut, 4096);
    CHECK((found.fault || found.content.size() < file.size()));
    CHECK((read_by_position(cut).fault || !found.fault));
  }
  for (size_t at = 0; at < file.size(); at += 1 + at / 60) {
    Bytes flipped = file;
    flipped[at] ^= std::byte{0x81};
    if (!recognise_container(flipped)) continue;
    Found ordered = read_in_order(flipped, 4096);
    Found random = read_by_position(flipped);
    // A length that leads beyond the end is seen before in a file, at the end in a pipe.
    if (!ordered.fault && !random.fault) CHECK((ordered.content == random.content));
    if (!random.fault) CHECK_FALSE(ordered.fault);
  }
}

}  // namespace

TEST_CASE("a libvirt image of either byte order gives its stream and its facts", "[container]") {
  LibvirtImageBuilder image;
  image.big_endian = GENERATE(false, true);
  image.version = GENERATE(1u, 2u);
  Found found = check_holds(image.build(stream()), "libvirt", stream());
  const auto& facts = *found.description.libvirt;
  CHECK(found.description.content_offset == image.stream_offset());
  CHECK(facts.version == image.version);
  CHECK(facts.is_finished);
  CHECK(facts.was_running == true);
  CHECK(facts.format == "raw");
  CHECK(facts.xml == image.xml);
  CHECK(facts.cookie == image.cookie);
  CHECK(facts.domain_name == "tiny");
  CHECK(facts.uuid == "c7a5fdbd-edaf-9455-926a-d65c16db1809");
  CHECK(facts.cookie_cpu == "qemu64");
  CHECK(found.description.problems.empty());
}

TEST_CASE("what a libvirt image lacks is not made up", "[container]") {
  LibvirtImageBuilder image;
  image.cookie.clear();
  image.room = 0;
  image.was_running = 0;
  Found found = check_holds(image.build(stream()), "libvirt", stream());
  CHECK(found.description.libvirt->cookie.empty());
  CHECK(found.description.libvirt->was_running == false);
}

TEST_CASE("problems of a libvirt image do not keep its stream", "[container]") {
  LibvirtImageBuilder image;
  std::string words;
  SECTION("not finished") {
    image.magic = "LibvirtQemudPart";
    words = "was not finished";
  }
  SECTION("another format") {
    image.format = 1;
    words = "the header says format 1 (gzip), the stream begins with 51 45 56 4d (raw)";
  }
  SECTION("no XML") {
    image.xml = "<domain>";
    words = "the domain's XML: line 1";
  }
  SECTION("XML that could grow without end") {
    image.xml = "<!DOCTYPE d [<!ENTITY a 'aaaa'>]><domain><name>&a;</name></domain>";
    words = "document type";
  }
  SECTION("a cookie that is none") {
    image.cookie = "nothing";
    words = "the cookie's XML";
  }
  Found found = check_holds(image.build(stream()), "libvirt", stream());
  REQUIRE(found.description.problems.size() == 1);
  INFO(found.description.problems[0]);
  CHECK(found.description.problems[0].find(words) != std::string::npos);
}

TEST_CASE("a libvirt header that lies is refused with both numbers", "[container]") {
  LibvirtImageBuilder image;
  SECTION("version") {
    image.version = 3;
    check_fault(image.build(stream()), Errc::Unsupported, "of version 3, at most 2");
  }
  SECTION("format") {
    image.format = 7;
    check_fault(image.build(stream()), Errc::Unsupported, "of format 7, at most 6");
  }
  SECTION("texts of 100 MB") {
    image.said_bytes = 100'000'000;
    check_fault(image.build(stream()), Errc::Malformed, "100000000 bytes of XML, want 1 to");
  }
  SECTION("texts beyond the file") {
    image.said_bytes = 10'000'000;
    check_fault(image.build(stream()), Errc::Truncated, "10000000 bytes");
  }
  SECTION("a cookie behind the texts") {
    image.said_cookie = image.text_bytes();
    check_fault(image.build(stream()), Errc::Malformed, "a cookie at");
  }
}

TEST_CASE("elements that are deep or long stay small", "[container]") {
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "<a>";
  CHECK(find_in_xml(deep, {"a"}).error().code == Errc::Unsupported);
  std::string text = "<domain><name>" + std::string(1 << 20, 'n') + "</name></domain>";
  auto found = find_in_xml(text, {"domain/name"});
  REQUIRE(found);
  CHECK((*found)[0].size() == 64 << 10);
  // Only the first, and only at this path.
  auto first = find_in_xml("<d><x><name>no</name></x><name>a<b>c</b>d</name><name>e</name></d>",
                           {"d/name", "d/none"});
  REQUIRE(first);
  CHECK(*first == std::vector<std::string>{"ad", ""});
}

TEST_CASE("the device state of Xen is found in each of its files", "[container]") {
  Bytes state = stream();
  bool big_endian = GENERATE(false, true);
  Bytes libxl = libxl_stream(state, big_endian);
  check_holds(libxl, "libxl", state);
  check_holds(xl_file(3, "{\"c_info\": {}}", libxl), "xl", libxl);
  Found found = check_holds(libvirt_xen_image(2, "<domain><name>x</name></domain>", libxl),
                            "libvirt-xen", libxl);
  CHECK(found.description.libvirt->domain_name == "x");
}

TEST_CASE("records of old Xen are read in all their forms", "[container]") {
  auto signature =
      GENERATE("QemuDeviceModelRecord", "DeviceModelRecord0002", "RemusDeviceModelState");
  bool line_end = GENERATE(false, true);
  if (line_end && std::string_view(signature) == "QemuDeviceModelRecord") return;
  Bytes record = xen_record(signature, stream(), line_end);
  check_holds(record, "xen-record", stream());

  Bytes memory = bytes_of("memory without lengths, with the word DeviceModelRecord0002 in it. ");
  append(memory, record);
  Bytes file = xl_file(1, "", memory);
  check_holds(file, "xl", stream());
}

TEST_CASE("memory of a Xen guest that poses as its device state is refused", "[container]") {
  Bytes memory = bytes_of("QemuDeviceModelRecordQEVM, a forged one ");
  append(memory, xen_record("DeviceModelRecord0002", stream()));
  Found found = read_by_position(xl_file(1, "", memory));
  REQUIRE(found.fault);
  CHECK(found.fault->message.find("more than one place") != std::string::npos);
  found = read_by_position(xl_file(1, "", bytes_of("nothing of the kind")));
  CHECK(found.fault->message.find("without a record of device state") != std::string::npos);
}

TEST_CASE("the VM state of a VMA file is put together", "[container]") {
  Bytes state = stream();
  state.resize((state.size() + 65535) / 65536 * 65536);  // whole clusters
  size_t disk_blocks = GENERATE(0u, 5u, 200u);
  check_holds(vma_file(disk_blocks, stream()), "vma", state);
}

TEST_CASE("a VMA file is held against its digests", "[container]") {
  check_fault(vma_file(20, {}), Errc::Unsupported, "without a device 'vmstate'");
  Bytes file = vma_file(20, stream());
  SECTION("of the header") {
    file[5000] ^= std::byte{1};
    check_fault(file, Errc::Malformed, "VMA header: MD5");
  }
  SECTION("of an extent") {
    file[12288 + 512 + 41] ^= std::byte{1};
    check_fault(file, Errc::Malformed, "VMA extent: MD5");
  }
  SECTION("clusters out of turn") {
    size_t extent = 12288 + 512;
    std::swap_ranges(file.begin() + static_cast<ptrdiff_t>(extent) + 48,
                     file.begin() + static_cast<ptrdiff_t>(extent) + 56,
                     file.begin() + static_cast<ptrdiff_t>(extent) + 64);
    mend_vma_digest(file, extent, 512, 24);
    check_fault(file, Errc::Malformed, "goes on with cluster");
  }
}

TEST_CASE("the first state file of an archive is taken", "[container]") {
  Bytes archive = tar_member("notes", bytes_of("no state"));
  append(archive, tar_member("folder/", {}, '5'));
  SECTION("ustar") {
    append(archive, tar_member("guest", stream()));
  }
  SECTION("pax") {
    append(archive, pax_member("guest", stream()));
  }
  SECTION("GNU") {
    append(archive, tar_member("././@LongLink", bytes_of("guest\0"sv), 'L'));
    append(archive, tar_member("gue", stream()));
  }
  append(archive, tar_member("other", stream()));
  append(archive, tar_end());
  Found found = check_holds(archive, "tar", stream());
  CHECK(found.description.member == "guest");
  CHECK(found.description.content_offset % 512 == 0);
}

TEST_CASE("archives that are of no use say so", "[container]") {
  Bytes archive = tar_member("notes", bytes_of("no state"));
  SECTION("without a state file") {
    append(archive, tar_end());
    check_fault(archive, Errc::Malformed, "without a state file");
  }
  SECTION("a damaged header") {
    append(archive, tar_member("guest", stream()));
    archive[1024 + 3] ^= std::byte{1};
    check_fault(archive, Errc::Malformed, "does not match its checksum");
  }
  SECTION("stored without holes") {
    append(archive, tar_member("guest", stream(), 'S'));
    check_fault(archive, Errc::Unsupported, "'guest' without its holes");
  }
  SECTION("a pax header that is none") {
    append(archive, tar_member("x", bytes_of("99 size=1\n"), 'x'));
    append(archive, tar_member("guest", stream()));
    check_fault(archive, Errc::Malformed, "pax");
  }
  SECTION("cut") {
    append(archive, tar_member("guest", stream()));
    archive.resize(archive.size() - 2000);
    check_fault(archive, Errc::Truncated, "");
  }
}

TEST_CASE("damaged containers end in a message", "[container]") {
  Bytes small = bytes_of("QEVM and no more");
  check_damage(LibvirtImageBuilder{}.build(small));
  check_damage(libxl_stream(small));
  check_damage(xl_file(3, "{}", libxl_stream(small)));
  check_damage(xen_record("DeviceModelRecord0002", small));
  check_damage(vma_file(3, small));
  Bytes archive = pax_member("guest", small);
  append(archive, tar_end());
  check_damage(archive);
}

TEST_CASE("where a stream begins is what its containers say", "[container]") {
  Container libvirt{.type = "libvirt", .content_offset = 700};
  Container tar{.type = "tar", .content_offset = 512};
  Container gzip{.type = "gzip"};
  Container qevm{.type = "qevm"};
  CHECK(stream_place({qevm}) == 0u);
  CHECK(stream_place({libvirt, qevm}) == 700u);
  CHECK(stream_place({gzip, libvirt, qevm}) == 700u);
  CHECK(stream_place({tar, qevm}) == 0u);
  CHECK_FALSE(stream_place({gzip, qevm}));
  CHECK_FALSE(stream_place({libvirt, gzip, qevm}));
}
