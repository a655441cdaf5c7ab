// SPDX-License-Identifier: MIT
#include "state/chosen_snapshot.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <vmstream/state_file.h>
#include <vmstream/text.h>
#include "container/qcow2/image.h"
#include "state/recognise.h"
#include "state/unwrapping.h"

namespace vmstream {
namespace {

bool is_there(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

// Of what is no image. One that is packed, or in something else, cannot be read by position.
Error no_image(RandomSource& file, const std::string& name) {
  auto inside = unwrap(make_stretch_source(file, 0, file.length()), {.decrypt = false});
  bool may_hold_one =
      !inside && (inside.error().code == Errc::Unsupported ||
                  (is_stream_fault(inside.error()) && recognise_wrapping(read_head(file))));
  if (may_hold_one) return inside.error();
  return Error{Errc::Usage,
               fmt::format("is no qcow2 image, and has no snapshot '{}'", escape(name))};
}

}  // namespace

// A snapshot may have any bytes in its name, and so may a file.
StateName StateName::parse(const std::string& text) {
  if (is_there(text)) return {text};
  for (size_t at = text.rfind('#'); at != std::string::npos && at > 0;
       at = text.rfind('#', at - 1)) {
    std::string file = text.substr(0, at);
    if (is_there(file)) return {std::move(file), text.substr(at + 1)};
  }
  return {text};
}

Result<std::optional<ChosenSnapshot>> choose_snapshot(RandomSource& file,
                                                      const std::optional<std::string>& name) {
  if (!Qcow2Image::recognise(read_head(file))) {
    if (!name) return std::optional<ChosenSnapshot>();
    return no_image(file, *name);
  }
  auto image = Qcow2Image::read(file);
  if (!image) return image.error();
  auto snapshot = image->find(name);
  if (!snapshot) return snapshot.error();
  auto located = locate_state(file, image->header(), **snapshot);
  if (!located) return located.error();
  auto facts = std::make_shared<const ImageSnapshot>(located->snapshot.facts);
  return std::optional(ChosenSnapshot{std::move(*located), std::move(facts)});
}

Result<std::optional<ImageSnapshots>> list_snapshots(RandomSource& file) {
  if (!Qcow2Image::recognise(read_head(file))) return std::optional<ImageSnapshots>();
  auto image = Qcow2Image::read(file);
  if (!image) return image.error();
  ImageSnapshots snapshots{.list = {}, .fault = image->fault()};
  for (const Qcow2Snapshot& snapshot : image->snapshots()) snapshots.list.push_back(snapshot.facts);
  return std::optional(std::move(snapshots));
}

std::optional<std::vector<std::string>> header_warnings(RandomSource& file) {
  if (!Qcow2Image::recognise(read_head(file))) return std::nullopt;
  auto image = Qcow2Image::read(file);
  if (!image) return std::nullopt;
  std::vector<std::string> warnings;
  if (image->header().corrupt) {
    warnings.emplace_back(
        "QEMU has marked the image as corrupt: clusters of the state may have been overwritten");
  }
  if (image->header().dirty) {
    warnings.emplace_back("the image was not closed as it should have been; it is read as it is");
  }
  return warnings;
}

}  // namespace vmstream
