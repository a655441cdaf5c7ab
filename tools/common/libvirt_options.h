// SPDX-License-Identifier: MIT
// The options of --to libvirt: the domain that a stream is made a save image of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <vmstream/container.h>
#include <vmstream/state_writer.h>

namespace vmtools {

class CommandLine;

struct LibvirtOptions {
  std::optional<std::string> xml;     ///< a file
  std::optional<std::string> cookie;  ///< likewise
};

/// Adds --xml and --cookie. `options` is borrowed and filled in by parse().
void add_libvirt_options(CommandLine& line, LibvirtOptions& options);

/// Errc::Usage where they are given for another form.
vmstream::Status check_libvirt_options(const LibvirtOptions& options, vmstream::FileForm form);

/// The domain by the files of the options, or else by the save image of libvirt among `source`, the
/// layers of the file that the stream comes from, or else `recorded`, the XML in its index. `runs`:
/// as the user wants it, else as that image has it. Errc::Usage where nothing tells of a domain;
/// XML is never part of a message.
vmstream::Result<vmstream::LibvirtDomain> find_libvirt_domain(
    const LibvirtOptions& options, const std::vector<vmstream::Container>& source,
    const std::optional<std::string>& recorded, std::optional<bool> runs);

}  // namespace vmtools
