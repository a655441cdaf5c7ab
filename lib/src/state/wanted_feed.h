// SPDX-License-Identifier: MIT
// Parsing a stream that can be read at any place, without what the parser has no use for.
#pragma once

#include <cstdint>
#include <vector>

#include <vmstream/parser.h>
#include <vmstream/random_source.h>

namespace vmstream {

/// Takes a parser from the front of `plain` towards its end. Both are borrowed.
class WantedFeed {
 public:
  WantedFeed(RandomSource& plain, StreamParser& parser) : plain_(plain), parser_(parser) {}

  /// Passes over what the parser can do without, or feeds up to a MiB; nothing from `end` on.
  Status step(uint64_t end);
  /// All of the stream, or the parser's error.
  Status run();

 private:
  RandomSource& plain_;
  StreamParser& parser_;
  std::vector<std::byte> buffer_;
};

}  // namespace vmstream
