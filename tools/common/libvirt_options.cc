// SPDX-License-Identifier: MIT
#include "common/libvirt_options.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/byte_source.h>
#include <vmstream/text.h>
#include "common/command_line.h"

namespace vmtools {

using vmstream::Container;
using vmstream::Errc;
using vmstream::Error;
using vmstream::LibvirtDomain;
using vmstream::Result;
using vmstream::Status;

namespace {

constexpr size_t kMostBytes = 16u << 20;  // that libvirt has room for, and more

Error about(const std::string& path, Error error) {
  error.message = fmt::format("{}: {}", vmstream::escape(path), error.message);
  return error;
}

Result<std::string> read_text(const std::string& path) {
  auto source = vmstream::open_file_source(path);
  if (!source) return about(path, source.error());
  std::string text(kMostBytes + 1, '\0');
  auto count = read_fully(**source, std::as_writable_bytes(std::span(text)));
  if (!count) return about(path, count.error());
  if (*count > kMostBytes) {
    return about(path, Error{Errc::Usage, fmt::format("more than {} bytes of XML",
                                                      vmstream::format_size(kMostBytes))});
  }
  text.resize(*count);
  return text;
}

const vmstream::LibvirtImage* find_image(const std::vector<Container>& source) {
  auto found = std::ranges::find_if(
      source, [](const Container& container) { return container.type == "libvirt"; });
  return found == source.end() ? nullptr : found->libvirt.get();
}

}  // namespace

void add_libvirt_options(CommandLine& line, LibvirtOptions& options) {
  line.text("--xml", "FILE", options.xml,
            "with --to libvirt: the domain's XML, by virsh dumpxml --migratable --security-info "
            "(that of a libvirt image that is read)");
  line.text("--cookie", "FILE", options.cookie,
            "with --to libvirt: the cookie of another image of this guest");
}

Status check_libvirt_options(const LibvirtOptions& options, vmstream::FileForm form) {
  bool given = options.xml || options.cookie;
  if (!given || form == vmstream::FileForm::Libvirt) return vmstream::ok();
  return Error{Errc::Usage, "--xml and --cookie need --to libvirt"};
}

Result<LibvirtDomain> find_libvirt_domain(const LibvirtOptions& options,
                                          const std::vector<Container>& source,
                                          std::optional<bool> runs) {
  LibvirtDomain domain{.xml = {}, .cookie = {}, .runs = runs};
  if (const auto* image = find_image(source)) {
    domain.xml = image->xml;
    domain.cookie = image->cookie;
    if (!domain.runs) domain.runs = image->was_running;
  }
  for (auto [path, text] :
       {std::pair(&options.xml, &domain.xml), {&options.cookie, &domain.cookie}}) {
    if (!*path) continue;
    auto given = read_text(**path);
    if (!given) return given.error();
    *text = std::move(*given);
  }
  if (!domain.xml.empty()) return domain;
  return Error{.code = Errc::Usage,
               .message = "--to libvirt needs the domain's XML: --xml FILE",
               .hint =
                   "virsh dumpxml --migratable --security-info DOMAIN prints it while the guest "
                   "runs"};
}

}  // namespace vmtools
