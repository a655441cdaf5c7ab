// SPDX-License-Identifier: MIT
#include "support/state_files.h"

#include <vmstream/indexing.h>
#include <vmstream/parser.h>

#include "support/catch.h"

namespace testing {

using namespace vmstream;

std::vector<std::byte> pack(Coding coding, std::span<const std::byte> plain) {
  std::vector<std::byte> packed;
  auto sink = make_memory_sink(packed);
  auto encoder = make_encoder(coding, *sink);
  REQUIRE(encoder);
  REQUIRE((*encoder)->write(plain));
  REQUIRE((*encoder)->finish());
  return packed;
}

StateIndex index_of(std::span<const std::byte> stream) {
  IndexBuilder builder;
  StreamParser parser(builder);
  REQUIRE(parser.feed(stream));
  REQUIRE(parser.finish());
  return builder.finish(stream.size(), parser.stream_length(), true);
}

}  // namespace testing
