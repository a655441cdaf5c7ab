// SPDX-License-Identifier: MIT
// Verbs for the OpenPGP tests: write a message, read one.
#pragma once

#include <algorithm>

#include <vmstream/openpgp.h>
#include "unit/crypto/gpg_home.h"

namespace testing {

/// A passphrase as a tool would have read it.
inline std::shared_ptr<const vmstream::Secret> secret(const std::string& text) {
  TempDir folder;
  std::ofstream(folder / "passphrase") << text << "\n";
  auto read = vmstream::Secret::read_file(folder / "passphrase");
  REQUIRE(read);
  return *read;
}

/// The message, or the error of making the sink. Content comes in uneven pieces.
inline vmstream::Result<Bytes> write_message(const Bytes& content,
                                             const vmstream::OpenPgpWriteOptions& options) {
  Bytes message;
  auto target = vmstream::make_memory_sink(message);
  auto sink = vmstream::make_openpgp_sink(*target, options);
  if (!sink) return sink.error();
  size_t piece = 1;
  for (size_t at = 0; at < content.size(); at += piece, piece = piece * 3 + 1) {
    auto part = std::span(content).subspan(at);
    REQUIRE((*sink)->write(part.first(std::min(piece, part.size()))));
  }
  REQUIRE((*sink)->finish());
  return message;
}

/// What was read before the end, how it ended, and what the message says of itself.
struct ReadMessage {
  Decoded content;
  std::shared_ptr<const vmstream::OpenPgpFacts> facts;
};

inline ReadMessage read_message(const Bytes& message,
                                const vmstream::OpenPgpReadOptions& options = {}) {
  auto head = std::span(message).first(std::min(message.size(), vmstream::kOpenPgpHeadBytes));
  auto kind = vmstream::recognise_openpgp(head);
  REQUIRE(kind);
  auto opened = vmstream::open_openpgp(*kind, vmstream::make_memory_source(message), options);
  REQUIRE(opened);
  return {drain(*opened->content), opened->facts};
}

}  // namespace testing
