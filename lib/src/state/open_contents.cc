// SPDX-License-Identifier: MIT
#include "state/open_contents.h"

#include "state/recognise.h"

namespace vmstream {
namespace {

// Bytes of another owner in front of a stream.
Result<std::optional<Content>> open_behind_foreign(RandomSource& file,
                                                   const std::vector<std::byte>& head) {
  if (begins_as_something_known(head) || head.size() < kRecogniseBytes) {
    return std::optional<Content>();
  }
  auto rest = make_stretch_source(file, head.size(), file.length() - head.size());
  auto found = find_stream_within(*rest, head);
  if (!found) return found.error();
  if (!*found) return std::optional<Content>();
  uint64_t offset = (*found)->offset;
  auto map = std::make_shared<StretchMap>();
  map->add({offset, file.length() - offset});
  return std::optional(Content{.description = {.type = "offset", .content_offset = offset},
                               .bytes = make_stretched_random(file, map),
                               .places = map});
}

// Appends the container that `bytes` are.
Status append_content(std::vector<Content>& contents, ContainerKind kind, RandomSource& bytes) {
  auto content = open_content(kind, bytes, begins_state_file);
  if (!content) return FaultBorder(place_in_file(contents)).placed(content.error());
  contents.push_back(std::move(*content));
  return ok();
}

}  // namespace

Result<std::vector<Content>> open_contents(RandomSource& file, unsigned nesting) {
  std::vector<Content> contents;
  while (contents.size() < nesting) {
    RandomSource& bytes = innermost(file, contents);
    auto head = read_head(bytes);
    auto wrapping = recognise_wrapping(head);
    if (!wrapping.container) {
      if (!contents.empty()) break;
      auto behind = open_behind_foreign(bytes, head);
      if (!behind) return behind.error();
      if (*behind) contents.push_back(std::move(**behind));
      break;
    }
    auto appended = append_content(contents, *wrapping.container, bytes);
    if (!appended) return appended.error();
  }
  return contents;
}

Result<std::vector<Content>> open_unpacked_contents(RandomSource& unpacked, unsigned nesting) {
  std::vector<Content> contents;
  while (contents.size() < nesting) {
    RandomSource& bytes = innermost(unpacked, contents);
    auto head = read_head(bytes);
    auto wrapping = recognise_wrapping(head);
    if (!wrapping && contents.empty()) {
      auto behind = open_behind_foreign(bytes, head);
      if (!behind) return behind.error();
      if (*behind) contents.push_back(std::move(**behind));
      break;
    }
    bool in_front =
        wrapping.container == ContainerKind::Libvirt || wrapping.container == ContainerKind::Tar;
    if (!in_front) break;
    auto appended = append_content(contents, *wrapping.container, bytes);
    if (!appended) return appended.error();
  }
  return contents;
}

bool has_content_in_front(const Container& container) {
  return container.type == "libvirt" || container.type == "tar" || container.type == "offset";
}

RandomSource& innermost(RandomSource& file, const std::vector<Content>& contents) {
  return contents.empty() ? file : *contents.back().bytes;
}

std::vector<Container> descriptions_of(const std::vector<Content>& contents) {
  std::vector<Container> descriptions;
  descriptions.reserve(contents.size());
  for (const Content& content : contents) descriptions.push_back(content.description);
  return descriptions;
}

PlaceInFile place_within(PlaceInFile outer, std::shared_ptr<const StretchMap> places) {
  return [outer = std::move(outer), places = std::move(places)](uint64_t offset) {
    auto place = places ? places->place_of(offset) : std::nullopt;
    return place ? outer(*place) : std::nullopt;
  };
}

PlaceInFile place_in_file(const std::vector<Content>& contents) {
  PlaceInFile place = same_place();
  for (const Content& content : contents) place = place_within(std::move(place), content.places);
  return place;
}

}  // namespace vmstream
