// SPDX-License-Identifier: MIT
// How long one page of the guest takes out of a file with an index: with the block it lies in to be
// decoded, and with that block decoded already. Prints both medians in milliseconds as JSON.
#include <vmstream/state_file.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>

using namespace vmstream;

namespace {

constexpr size_t kPages = 2001;

// Pages whose bytes are in the stream, whichever block they are of.
std::vector<std::pair<size_t, uint64_t>> pick_pages(const PageMap& map) {
  std::vector<std::pair<size_t, uint64_t>> pages;
  for (size_t block = 0; block < map.block_count(); ++block) {
    for (const PageRun& run : map.runs(block)) {
      if (run.place.kind() != PageKind::Data) continue;
      for (uint64_t page = run.page; page < run.end(); ++page) pages.emplace_back(block, page);
    }
  }
  std::ranges::shuffle(pages, std::mt19937_64(1));
  pages.resize(std::min(pages.size(), kPages));
  return pages;
}

double median(std::vector<double>& values) {
  auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

Status measure(StateFile& file) {
  auto image = file.ram();
  if (!image) return image.error();
  std::vector<double> cold, cached;
  std::vector<std::byte> bytes(image->page_size());
  for (auto [block, page] : pick_pages(image->map())) {
    for (std::vector<double>* times : {&cold, &cached}) {
      auto start = std::chrono::steady_clock::now();
      if (auto got = image->read(block, page, bytes); !got) return got.error();
      std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
      times->push_back(taken.count());
    }
  }
  if (cold.empty()) return Error{Errc::Usage, "no page of this guest holds data"};
  fmt::print("{{\"pages\": {}, \"cold_ms\": {:.4f}, \"cached_ms\": {:.4f}}}\n", cold.size(),
             median(cold), median(cached));
  return ok();
}

}  // namespace

int main(int count, char** words) {
  auto file = count == 2 ? StateFile::open(words[1]) : Error{};
  if (!file || !file->index() || !file->random()) {
    fmt::print(stderr, "usage: random_page FILE (one with an index)\n");
    return 2;
  }
  auto measured = measure(*file);
  if (measured) return 0;
  fmt::print(stderr, "random_page: {}\n", measured.error().message);
  return 1;
}
