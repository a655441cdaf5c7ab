// SPDX-License-Identifier: MIT
#include "container/content.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "container/libvirt/libvirt_image.h"
#include "container/tar/tar.h"
#include "container/vma/vma.h"
#include "container/xen/xen_files.h"

namespace vmstream {
namespace {

using namespace std::string_view_literals;

// Tells a container, and reads its framing up to the first stretch of content.
struct Format {
  ContainerKind kind;
  bool (*is_head)(std::string_view head);
  Result<FoundContent> (*find)(ForwardReader& in, const IsStateFile& is_state_file);
};

constexpr std::array kFormats{
    Format{ContainerKind::Libvirt, is_libvirt_image, find_in_libvirt_image},
    Format{ContainerKind::LibvirtXen, is_libvirt_xen, find_in_libvirt_xen},
    Format{ContainerKind::Xl, is_xl, find_in_xl},
    Format{ContainerKind::Libxl, is_libxl, find_in_libxl},
    Format{ContainerKind::XenRecord, is_xen_record, find_in_xen_record},
    Format{ContainerKind::Vma, is_vma, find_in_vma},
    Format{ContainerKind::Tar, is_tar, find_in_tar},
};

const Format& format_of(ContainerKind kind) {
  return *std::ranges::find(kFormats, kind, &Format::kind);
}

// Lengths are what headers say.
Status check_inside(const Stretch& stretch, uint64_t length) {
  bool fits = stretch.offset <= length && stretch.length <= length - stretch.offset;
  if (fits) return ok();
  return Error{.code = Errc::Truncated,
               .message = fmt::format("its content of {} bytes begins here, the file has {}",
                                      stretch.length, length),
               .file_offset = stretch.offset};
}

Result<std::shared_ptr<StretchMap>> survey(ForwardReader& in, FoundContent& found,
                                           uint64_t length) {
  auto map = std::make_shared<StretchMap>();
  for (std::optional<Stretch> stretch = found.first; stretch;) {
    if (stretch->length == Stretch::kToTheEnd) stretch->length = length - stretch->offset;
    map->add(*stretch);
    if (!stretch->is_zeros) {
      if (auto inside = check_inside(*stretch, length); !inside) return inside.error();
      if (!found.next) break;
      if (auto passed = in.skip(stretch->length); !passed) return passed.error();
    }
    auto next = found.next(in);
    if (!next) return next.error();
    stretch = *next;
  }
  return map;
}

// Whether QEMU knows of what stands in front of its stream. What an owner has put in front of it
// may have come after QEMU had written the file.
bool is_of_qemu(const Container& container) {
  return container.type == "libvirt";
}

}  // namespace

std::optional<uint64_t> stream_place(const std::vector<Container>& containers) {
  if (containers.size() < 2) return uint64_t{0};
  const Container& around = containers[containers.size() - 2];
  if (is_of_qemu(around)) return around.content_offset;
  return around.type == "tar" ? std::optional<uint64_t>(0) : std::nullopt;
}

std::optional<bool> was_running(const std::vector<Container>& containers) {
  for (const Container& container : containers) {
    if (container.libvirt && container.libvirt->was_running) return container.libvirt->was_running;
  }
  return std::nullopt;
}

std::optional<ContainerKind> recognise_container(std::span<const std::byte> head) {
  std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Format& format : kFormats) {
    if (format.is_head(text)) return format.kind;
  }
  return std::nullopt;
}

Result<Content> open_content(ContainerKind kind, RandomSource& container,
                             const IsStateFile& is_state_file) {
  auto in = make_forward_reader(container);
  auto found = format_of(kind).find(*in, is_state_file);
  if (!found) return found.error();
  auto map = survey(*in, *found, container.length());
  if (!map) return map.error();
  return Content{std::move(found->description), make_stretched_random(container, *map), *map};
}

Result<ContentStream> open_content(ContainerKind kind, std::unique_ptr<ByteSource> container,
                                   const IsStateFile& is_state_file) {
  auto in = make_forward_reader(std::move(container));
  auto found = format_of(kind).find(*in, is_state_file);
  if (!found) return found.error();
  auto next = found->next ? std::move(found->next) : [](ForwardReader&) {
    return Result<std::optional<Stretch>>(std::optional<Stretch>());
  };
  auto map = std::make_shared<StretchMap>();
  auto bytes = make_stretched_source(std::move(in), found->first, std::move(next), map);
  return ContentStream{std::move(found->description), std::move(bytes), std::move(map)};
}

}  // namespace vmstream
