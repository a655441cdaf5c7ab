// SPDX-License-Identifier: MIT
#include "io/hole_finder.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include <vmstream/random_source.h>
#include "support/catch.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

constexpr uint64_t kMib = 1u << 20;

// Data in the second MiB of eight, and in the last.
class SparseFile {
 public:
  SparseFile() : fd_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    std::vector<char> data(kMib, 'x');
    REQUIRE(::ftruncate(fd_.get(), 8 * kMib) == 0);
    for (uint64_t at : {kMib, 7 * kMib}) {
      REQUIRE(::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(at)) == kMib);
    }
  }
  int descriptor() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  testing::TempDir folder_;
  std::string path_ = folder_ / "sparse";
  UniqueFd fd_;
};

}  // namespace

TEST_CASE("holes and data of a sparse file are told, and its position stays", "[io]") {
  SparseFile file;
  REQUIRE(::lseek(file.descriptor(), 5, SEEK_SET) == 5);
  HoleFinder holes(file.descriptor(), 8 * kMib);
  if (!holes.at(0).is_hole) return;  // a file system that tells of none
  CHECK(holes.at(10).length == kMib - 10);
  CHECK_FALSE(holes.at(kMib).is_hole);
  CHECK(holes.at(kMib).length == kMib);
  CHECK(holes.at(3 * kMib).is_hole);
  CHECK(holes.at(3 * kMib).length == 4 * kMib);
  CHECK_FALSE(holes.at(8 * kMib - 1).is_hole);
  CHECK(holes.at(8 * kMib - 1).length == 1);
  CHECK(::lseek(file.descriptor(), 0, SEEK_CUR) == 5);
}

TEST_CASE("a sparse file is read as any other, wherever reading begins", "[io]") {
  SparseFile file;
  auto reader = open_random_file(file.path());
  REQUIRE(reader);
  for (uint64_t offset : {uint64_t{0}, kMib / 2, kMib - 1, 2 * kMib - 1, 5 * kMib}) {
    std::vector<std::byte> read(3 * kMib);
    REQUIRE((*reader)->read_at(offset, read));
    for (size_t i = 0; i < read.size(); i += 511) {
      uint64_t mib = (offset + i) / kMib;
      CHECK(read[i] == (mib == 1 || mib == 7 ? std::byte{'x'} : std::byte{0}));
    }
  }
}

TEST_CASE("a sparse file that becomes shorter gives an error, not zeros", "[io]") {
  SparseFile file;
  auto reader = open_random_file(file.path());
  REQUIRE(reader);
  REQUIRE(::ftruncate(file.descriptor(), kMib) == 0);
  std::vector<std::byte> read(kMib);
  CHECK_FALSE((*reader)->read_at(4 * kMib, read));
}

}  // namespace vmstream
