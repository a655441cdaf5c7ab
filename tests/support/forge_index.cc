// SPDX-License-Identifier: MIT
// usage: forge_index list                    the names of all lies
//        forge_index LIE IN OUT [--sidecar]  writes the state of IN to OUT with an index that lies
//        forge_index of=OTHER IN OUT [--sidecar]         with the index of the state of OTHER
//        forge_index behind=OTHER IN OUT     OUT is gzip, with the state of OTHER behind that of
//        IN,
//                                            and an index beside it that knows of OTHER only
//
// OUT is packed as its suffix says. Its trailer holds the index, or with --sidecar OUT.vmsx does.
// The lie "none" gives the true index. Status 77: the stream gives no occasion for this lie.
#include "support/forged_index.h"

#include <vmstream/state_file.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

namespace {

using namespace vmstream;

int fail(const Error& error) {
  std::fprintf(stderr, "forge_index: %s\n", error.message.c_str());
  return 1;
}

Result<std::vector<std::byte>> read_stream(const std::string& path) {
  auto file = StateFile::open(path);
  if (!file) return file.error();
  auto plain = file->stream();
  if (!plain) return plain.error();
  std::vector<std::byte> stream;
  for (;;) {
    auto piece = (*plain)->next();
    if (!piece) return piece.error();
    if (piece->empty()) return stream;
    stream.insert(stream.end(), piece->begin(), piece->end());
  }
}

Result<StateIndex> index_of(const std::string& path) {
  auto stream = read_stream(path);
  if (!stream) return stream.error();
  auto material = testing::forgery_material(*stream);
  if (!material.index.pages) return Error{Errc::Malformed, "the stream is not whole"};
  return std::move(material.index);
}

// Empty where the stream gives no occasion.
Result<std::optional<StateIndex>> lie_about(std::span<const std::byte> stream,
                                            std::string_view lie) {
  const testing::Forgery* forgery = testing::find_forgery(lie);
  if (!forgery && lie != "none") return Error{Errc::Usage, "there is no such lie"};
  auto truth = testing::forgery_material(stream);
  if (!truth.index.pages) return Error{Errc::Malformed, "the stream is not whole"};
  StateIndex index = truth.index;
  if (forgery && !forgery->apply(index, truth)) return std::optional<StateIndex>();
  return std::optional(std::move(index));
}

int forge(std::string_view lie, const std::string& in, const std::string& out,
          testing::IndexHome home) {
  constexpr int kSkipped = 77;
  constexpr std::string_view kOther = "of=";
  constexpr std::string_view kBehind = "behind=";
  auto stream = read_stream(in);
  if (!stream) return fail(stream.error());
  if (lie.starts_with(kBehind)) {
    auto other = read_stream(std::string(lie.substr(kBehind.size())));
    auto hidden = other ? testing::write_hidden(out, *stream, *other) : other.error();
    return hidden ? 0 : fail(hidden.error());
  }
  Result<std::optional<StateIndex>> index = std::optional<StateIndex>();
  if (lie.starts_with(kOther)) {
    auto other = index_of(std::string(lie.substr(kOther.size())));
    if (!other) return fail(other.error());
    index = std::optional(std::move(*other));
  } else {
    index = lie_about(*stream, lie);
  }
  if (!index) return fail(index.error());
  if (!*index) return kSkipped;
  auto written = testing::write_with_index(out, *stream, **index, home);
  return written ? 0 : fail(written.error());
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::strcmp(words[1], "list") == 0) {
    for (const auto& forgery : testing::forgeries()) {
      std::printf("%.*s\n", static_cast<int>(forgery.name.size()), forgery.name.data());
    }
    return 0;
  }
  bool beside = count == 5 && std::strcmp(words[4], "--sidecar") == 0;
  if (count != 4 && !beside) return fail({Errc::Usage, "wants: LIE IN OUT [--sidecar]"});
  auto home = beside ? testing::IndexHome::Sidecar : testing::IndexHome::Trailer;
  return forge(words[1], words[2], words[3], home);
}
