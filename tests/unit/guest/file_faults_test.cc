// SPDX-License-Identifier: MIT
// Whatever befalls a file of ours is found: by who reads it through, or by who looks at its
// trailer.
#include <vmstream/state_file.h>
#include "state/unwrapping.h"

#include <algorithm>
#include <fstream>

#include "support/catch.h"
#include "support/every.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"
#include "unit/guest/indexed_file.h"

using namespace vmstream;

namespace {

using Bytes = std::vector<std::byte>;

const std::initializer_list<Coding> kCodings{Coding::Gzip, Coding::Bzip2, Coding::Zstd};

struct Fixture {
  Bytes plain = testing::small_stream().bytes();
  testing::TempDir folder;
  std::string path = folder / "guest";

  Bytes make(Coding coding) const {
    auto file = testing::capture_file(plain, coding);
    REQUIRE(file);
    return *file;
  }

  // Reads a file through. Empty: all of it is well, and `plain` came out.
  std::optional<Error> read_through(const Bytes& file) const {
    auto state = unwrap(make_memory_source(file), {.decode = {.threads = 1}});
    if (!state) return state.error();
    Bytes got;
    for (;;) {
      auto view = state->plain->next();
      if (view) got.insert(got.end(), view->begin(), view->end());
      bool right =
          got.size() <= plain.size() && std::ranges::equal(got, std::span(plain).first(got.size()));
      if (!right) FAIL("wrong bytes were handed out");
      if (!view) return view.error();
      if (view->empty()) break;
    }
    REQUIRE(got.size() == plain.size());
    return std::nullopt;
  }

  // Whether the file's trailer is there and undamaged.
  bool has_index(const Bytes& file) const {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(file.data()),
               static_cast<std::streamsize>(file.size()));
    auto state = StateFile::open(path);
    return state && !state->index_fault() && state->index() && state->index()->read();
  }
};

Bytes with_flipped_bit(Bytes file, size_t bit) {
  file[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  return file;
}

Bytes front_of(const Bytes& file, size_t length) {
  return {file.begin(), file.begin() + static_cast<ptrdiff_t>(length)};
}

}  // namespace

TEST_CASE_METHOD(Fixture, "every flipped bit of a file is found", "[guest]") {
  for (Coding coding : kCodings) {
    Bytes file = make(coding);
    REQUIRE_FALSE(read_through(file));
    bool indexed = coding != Coding::Bzip2;
    REQUIRE(has_index(file) == indexed);
    size_t unreported = 0;
    for (size_t bit = 0; bit < 8 * file.size(); bit += testing::every()) {
      CAPTURE(traits_of(coding).name, bit / 8, bit % 8);
      Bytes damaged = with_flipped_bit(file, bit);
      if (read_through(damaged)) continue;
      if (!indexed) ++unreported;
      if (indexed && has_index(damaged)) FAIL("not found");
    }
    // bzip2 has no trailer, and bits on which nothing depends: the level and the last byte's rest.
    CHECK(unreported <= 4 + 7);
  }
}

TEST_CASE_METHOD(Fixture, "a file cut at any length is found", "[guest]") {
  for (Coding coding : kCodings) {
    Bytes file = make(coding);
    size_t whole = 0;  // with all of the stream, and less than the trailer
    for (size_t length = 0; length < file.size(); length += testing::every()) {
      CAPTURE(traits_of(coding).name, length);
      Bytes cut = front_of(file, length);
      auto fault = read_through(cut);
      if (fault && fault->code != Errc::Truncated && fault->code != Errc::Malformed) FAIL("code");
      if (fault) continue;
      ++whole;
      if (has_index(cut)) FAIL("a trailer that is cut");
    }
    CHECK(whole <= (coding == Coding::Bzip2 ? 0 : 3));  // between the trailer's parts
  }
}

TEST_CASE_METHOD(Fixture, "two files in one have no index of both", "[guest]") {
  for (Coding coding : {Coding::Gzip, Coding::Zstd}) {
    Bytes file = make(coding);
    Bytes two = file;
    two.insert(two.end(), file.begin(), file.end());
    CHECK_FALSE(has_index(two));
  }
}
