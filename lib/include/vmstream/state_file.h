// SPDX-License-Identifier: MIT
// A state file as found: recognises what it is wrapped in and gives the plain stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/codec.h>
#include <vmstream/openpgp.h>

namespace vmstream {

/// One layer around the stream, outermost first; the last one is "qevm" itself.
struct Container {
  /// "gzip", "bzip2", "zstd", "openpgp", "qevm"; "multifd" for a page channel; "offset" for a file
  /// whose owner has put bytes of its own in front of the stream, as QEMU's "file:NAME,offset=N"
  /// lets them.
  std::string type;
  uint64_t content_offset = 0;  ///< where in it the next one begins, for type "offset"
  /// Of "openpgp" only. Complete once the plain stream has been read to its end.
  std::shared_ptr<const OpenPgpFacts> openpgp = nullptr;
};

/// An open state file.
struct StateFile {
  std::vector<Container> containers;
  std::unique_ptr<ByteSource> plain;  ///< the stream from its first byte, decoded and checked
};

/// Limits on what is unwrapped.
struct OpenOptions {
  DecodeOptions decode = {};
  unsigned nesting = 4;  ///< containers within containers; stops a file that never ends unwrapping
  /// Whether a page channel of a multifd migration is taken too, whose last container is "multifd".
  bool page_channels = false;
  bool decrypt = true;  ///< whether gpg may be run on OpenPGP messages; else Errc::Unsupported
  OpenPgpReadOptions openpgp = {};
  /// Where one is set, StateFile::plain ends well only if one of the OpenPGP containers carries a
  /// good signature of the key; a file without such a container is Errc::Refused at once.
  std::optional<RequiredSigner> required_signer = std::nullopt;
};

/// Unwraps `file` until the stream's magic appears. In a file that begins with nothing known the
/// head of a stream is searched, at multiples of 512 within the first 16 MiB. Fails with
/// Errc::Malformed for bytes that are no state file (saying what was found), Errc::Truncated for an
/// empty one, Errc::Unsupported for a container that is known but not read, with a hint what to do.
/// The message of a failure inside a container names it: "gzip holds …".
Result<StateFile> open_state(std::unique_ptr<ByteSource> file, OpenOptions options = {});
/// The same for what is at `path`: a file, a device, a FIFO. It is read within the limits of
/// OpenOptions::decode.
Result<StateFile> open_state(const std::string& path, OpenOptions options = {});

}  // namespace vmstream
