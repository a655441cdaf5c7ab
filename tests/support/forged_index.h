// SPDX-License-Identifier: MIT
// Indexes that lie, written into a file or beside it with checksums and counts that are right: what
// an attacker leaves who may write the index.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vmstream/state_index.h>

namespace testing {

/// What the truth is, and what lies are made of.
struct ForgeryMaterial {
  vmstream::StateIndex index;
  /// Pages that were sent more than once: the place of their first record, by block and page.
  std::map<std::pair<size_t, uint64_t>, vmstream::PagePlace> first_places;
};

/// Of a whole stream.
ForgeryMaterial forgery_material(std::span<const std::byte> stream);

/// One way to lie.
struct Forgery {
  std::string_view name;  ///< "drop-data", "swap-pages", …
  std::string_view lie;   ///< a sentence
  /// The lie contradicts itself or the file's form: a reader drops the index by itself.
  bool is_dropped = false;
  /// Changes `index`, or returns false where the stream gives no occasion for this lie.
  bool (*apply)(vmstream::StateIndex& index, const ForgeryMaterial& truth);
};

/// All of them.
std::span<const Forgery> forgeries();
const Forgery* find_forgery(std::string_view name);

/// Where the index goes.
enum class IndexHome { Trailer, Sidecar };

/// Writes `stream` to `path`, packed as its suffix says (.zst, .gz, .bz2, else plain), with
/// `index`: in the trailer, or beside the file in its sidecar.
vmstream::Status write_with_index(const std::string& path, std::span<const std::byte> stream,
                                  const vmstream::StateIndex& index, IndexHome home);

/// Writes a gzip file that holds two streams, one behind the other, and a sidecar that knows of the
/// second only.
vmstream::Status write_hidden(const std::string& path, std::span<const std::byte> first,
                              std::span<const std::byte> second);

}  // namespace testing
