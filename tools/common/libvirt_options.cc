// SPDX-License-Identifier: MIT
#include "common/libvirt_options.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/state_index.h>
#include <vmstream/text.h>
#include "common/command_line.h"
#include "common/text_file.h"

namespace vmtools {

using vmstream::Container;
using vmstream::Errc;
using vmstream::Error;
using vmstream::LibvirtDomain;
using vmstream::Result;
using vmstream::Status;

namespace {

Result<std::string> read_named(const std::string& path) {
  auto text = read_text(path, vmstream::IndexReader::kMostDomainBytes, "a domain's XML", {});
  if (text) return text;
  Error error = text.error();
  error.message = fmt::format("{}: {}", vmstream::escape(path), error.message);
  return error;
}

const vmstream::LibvirtImage* find_image(const std::vector<Container>& source) {
  auto found = std::ranges::find_if(
      source, [](const Container& container) { return container.type == "libvirt"; });
  return found == source.end() ? nullptr : found->libvirt.get();
}

}  // namespace

void add_libvirt_options(CommandLine& line, LibvirtOptions& options) {
  line.text(
      "--xml", "FILE", options.xml,
      "for libvirt: the domain's XML, as virsh dumpxml --migratable --security-info prints it "
      "(what the file that is read holds of it)");
  line.text("--cookie", "FILE", options.cookie,
            "with --to libvirt: the cookie of another image of this guest");
}

Status check_libvirt_options(const LibvirtOptions& options, vmstream::FileForm form) {
  bool given = options.xml || options.cookie;
  if (!given || form == vmstream::FileForm::Libvirt) return vmstream::ok();
  return Error{Errc::Usage, "--xml and --cookie are for libvirt images"};
}

Result<LibvirtDomain> find_libvirt_domain(const LibvirtOptions& options,
                                          const std::vector<Container>& source,
                                          const std::optional<std::string>& recorded,
                                          std::optional<bool> runs) {
  LibvirtDomain domain{.xml = recorded.value_or(""), .cookie = {}, .runs = runs};
  if (const auto* image = find_image(source)) {
    domain.xml = image->xml;
    domain.cookie = image->cookie;
    if (!domain.runs) domain.runs = image->was_running;
  }
  for (auto [path, text] :
       {std::pair(&options.xml, &domain.xml), {&options.cookie, &domain.cookie}}) {
    if (!*path) continue;
    auto given = read_named(**path);
    if (!given) return given.error();
    *text = std::move(*given);
  }
  if (!domain.xml.empty()) return domain;
  return Error{.code = Errc::Usage,
               .message = "it does not say what its domain is made of: --xml FILE is needed",
               .hint =
                   "virsh dumpxml --migratable --security-info DOMAIN prints it while the guest "
                   "runs"};
}

}  // namespace vmtools
