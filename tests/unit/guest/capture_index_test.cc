// SPDX-License-Identifier: MIT
// The index that a capture gathers, on its way through an encoder into a file.
#include <vmstream/capture.h>

#include <vmstream/codec.h>
#include <vmstream/ram_image.h>
#include "codec/random_decoder.h"
#include "codec/trailer/trailer.h"
#include "state/index_tables.h"
#include "support/catch.h"
#include "support/stream_builder.h"
#include "unit/guest/indexed_file.h"

using namespace vmstream;

namespace {

using Bytes = std::vector<std::byte>;

}  // namespace

TEST_CASE("a capture leaves an index that leads to the guest's memory", "[guest]") {
  auto coding = GENERATE(Coding::Gzip, Coding::Zstd);
  auto stream = testing::small_stream();
  auto bytes = testing::capture_file(stream.bytes(), coding);
  REQUIRE(bytes);
  auto file = make_random_memory(*bytes);
  auto trailer = read_trailer(coding, *file);
  REQUIRE(trailer);
  REQUIRE(*trailer);
  REQUIRE((*trailer)->index);
  auto reader = IndexReader::open(*(*trailer)->index);
  REQUIRE(reader);
  auto listed = read_blocks(*reader);
  REQUIRE(listed);
  auto blocks = coding == Coding::Zstd ? (*trailer)->blocks : *listed;
  REQUIRE(blocks);
  auto plain = make_random_decoder(coding, *file, std::move(*blocks));
  REQUIRE(plain);
  auto index = reader->read();
  REQUIRE(index);
  CHECK(index->facts.complete);
  CHECK(index->facts.sha256.size() == 64);
  CHECK(index->facts.capture.mode == "stream");
  CHECK(index->facts.capture.time.empty());
  REQUIRE(index->facts.passes.size() == 1);
  CHECK(index->facts.passes[0].bytes == index->facts.page_record_bytes);
  auto image = RamImage::make(**plain, std::move(*index));
  REQUIRE(image);
  for (size_t block = 0; block < image->blocks().size(); ++block) {
    Bytes memory(image->page_count(block) * image->page_size());
    CHECK(image->read(block, 0, memory));
  }
}

TEST_CASE("a stream that breaks off gives no index", "[guest]") {
  auto stream = testing::small_stream();
  stream.bytes().pop_back();
  bool given = false;
  Bytes file;
  auto target = make_memory_sink(file);
  auto source = make_memory_source(stream.bytes());
  auto done = capture_stream(*source, *target,
                             {.threads = 1, .index = [&given](StateIndex) { given = true; }});
  CHECK_FALSE(done);
  CHECK_FALSE(given);
}
