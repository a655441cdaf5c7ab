// SPDX-License-Identifier: MIT
// A stream as a file of ours, with the index that a capture gathers.
#pragma once

#include <vmstream/capture.h>
#include <vmstream/state_writer.h>

#include <utility>
#include <vector>

namespace testing {

/// Captures a stream into a file, whose trailer takes the index.
inline vmstream::Result<std::vector<std::byte>> capture_file(std::span<const std::byte> stream,
                                                             vmstream::Coding coding) {
  using namespace vmstream;
  std::vector<std::byte> file;
  auto writer = StateWriter::create(make_memory_sink(file), {.coding = coding, .threads = 1});
  if (!writer) return writer.error();
  auto source = make_memory_source(stream);
  CaptureOptions options{.threads = 1,
                         .index = [&](StateIndex index) { writer->set_index(std::move(index)); }};
  auto done = capture_stream(*source, writer->entrance(), options);
  if (!done) return done.error();
  return file;
}

}  // namespace testing
