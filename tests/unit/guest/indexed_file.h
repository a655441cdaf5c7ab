// SPDX-License-Identifier: MIT
// A stream as a file of ours, with the index that a capture gathers.
#pragma once

#include <vmstream/capture.h>
#include <vmstream/codec.h>

#include <optional>
#include <utility>
#include <vector>

namespace testing {

/// Captures a stream into a file, whose trailer takes the index.
inline vmstream::Result<std::vector<std::byte>> capture_file(std::span<const std::byte> stream,
                                                             vmstream::Coding coding) {
  using namespace vmstream;
  using Bytes = std::vector<std::byte>;
  Bytes file;
  auto target = make_memory_sink(file);
  std::optional<StateIndex> index;
  auto make_index = [&](const BlockTable& blocks) -> Result<Bytes> {
    if (!index) return Error{Errc::Usage, "the sink was finished before the index was given"};
    return serialise(*index, {.blocks = &blocks});
  };
  auto encoder = make_encoder(coding, *target, {.threads = 1, .index = make_index});
  if (!encoder) return encoder.error();
  auto source = make_memory_source(stream);
  CaptureOptions options{.threads = 1,
                         .index = [&](StateIndex given) { index = std::move(given); }};
  auto done = capture_stream(*source, **encoder, options);
  if (!done) return done.error();
  return file;
}

}  // namespace testing
