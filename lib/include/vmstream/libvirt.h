// SPDX-License-Identifier: MIT
// Guests that libvirt runs: which one, and bringing one back. GuestCapture (capture.h) saves them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <vmstream/byte_source.h>
#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

class RestoreObserver;
struct RestoreOptions;
struct RestoreSummary;

/// A domain, by the connection that leads to it.
struct DomainAddress {
  std::string uri;     ///< libvirt's, such as "qemu:///system"; empty: libvirt's own default
  std::string domain;  ///< its name, UUID, or id

  /// "[URI#]DOMAIN".
  static Result<DomainAddress> parse(std::string_view text);
};

/// What a domain that runs is made of, as a save image has it. Without `with_secrets` passwords are
/// replaced by empty ones, with which libvirt lets nobody in. Fails as GuestCapture::open() does.
Result<std::string> describe_domain(const DomainAddress& address, bool with_secrets,
                                    const WaitLimits& limits = {});

/// "libvirt 9.0.0", as its headers were when this was built; empty for a build without, in which
/// all that has to do with domains is Errc::Unsupported. libvirt itself is loaded at its first use,
/// and may be missing then: Errc::Unsupported too. From then on it prints nothing to stderr in this
/// process, as it would by itself.
std::string libvirt_engine();

/// What a domain is made of, before its state is loaded into it.
struct DomainPlan {
  std::string uri;  ///< of the connection; empty: libvirt's default
  std::string xml;  ///< its description
  /// Where the state is kept until libvirt has read it: a folder with room for the guest's memory,
  /// which this process can write to and libvirt's daemon can read. A private folder is made in it.
  std::string folder = "/var/tmp";
  /// Of the plain stream, where that is known: a folder without room for it is an error at once.
  std::optional<uint64_t> stream_bytes = std::nullopt;
};

/// Brings a state back as a new domain, which nobody may have defined with another UUID, nor run.
///
/// The stream is written into a private save image first, by the rules of restore_stream(): libvirt
/// sees no byte of a file that is cut or damaged. Costs the space of the plain stream in
/// DomainPlan::folder and the time to write it. Fails as restore_stream() does, and with
/// Errc::Environment and libvirt's words where that does not take the state. A limit that strikes
/// while libvirt loads leaves it to that.
Result<RestoreSummary> restore_domain(ByteSource& plain, const DomainPlan& plan,
                                      const RestoreOptions& options,
                                      RestoreObserver* observer = nullptr);

/// What libvirt would be asked for, as text. `input` is what vmrestore is told of the file, as a
/// shell takes it.
std::string explain_restore(const std::string& input, const DomainPlan& plan,
                            const RestoreOptions& options);

}  // namespace vmstream
