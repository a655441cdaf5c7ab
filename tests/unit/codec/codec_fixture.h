// SPDX-License-Identifier: MIT
// Verbs for the codec tests: sample bytes, encode, decode, and the tools of the system.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <vmstream/codec.h>
#include "codec/indexed_encoder.h"
#include "support/catch.h"
#include "support/every.h"
#include "support/temp_dir.h"

namespace testing {

using Bytes = std::vector<std::byte>;
using vmstream::Coding;

constexpr size_t kMiB = 1024 * 1024;

/// What makes files of a coding: a shell command that compresses stdin.
struct Producer {
  Coding coding;
  std::string command;
};

/// Bytes that look a little like a guest's memory: pages of zeros, of noise and of text in turn.
/// The same for every call with the same arguments.
inline Bytes sample(size_t size, uint64_t seed = 1) {
  constexpr size_t kPage = 4096;
  constexpr uint64_t kText = 0x0707070707070707;
  Bytes bytes(size);
  uint64_t random = 0x9e3779b97f4a7c15 * seed;
  for (size_t at = 0; at + sizeof random <= size; at += sizeof random) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    uint64_t word = at / kPage % 3 == 0 ? random : at / kPage % 3 == 1 ? random & kText : 0;
    std::memcpy(&bytes[at], &word, sizeof word);
  }
  return bytes;
}

inline Bytes concatenated(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

inline Bytes encode(Coding coding, const Bytes& plain, vmstream::EncodeOptions options = {},
                    vmstream::IndexMaker make_index = {}) {
  Bytes packed;
  auto sink = vmstream::make_memory_sink(packed);
  auto encoder = vmstream::make_indexed_encoder(coding, *sink, options, std::move(make_index));
  REQUIRE(encoder);
  REQUIRE((*encoder)->write(plain));
  REQUIRE((*encoder)->finish());
  return packed;
}

/// What a decoder gave before it ended or failed.
struct Decoded {
  Bytes bytes;
  vmstream::Status status = vmstream::ok();
};

inline Decoded drain(vmstream::ByteSource& source) {
  Decoded decoded;
  for (;;) {
    auto view = source.next();
    if (!view) {
      decoded.status = view.error();
      return decoded;
    }
    if (view->empty()) return decoded;
    decoded.bytes.insert(decoded.bytes.end(), view->begin(), view->end());
  }
}

inline Decoded decode(Coding coding, const Bytes& packed, unsigned threads = 2) {
  auto source = vmstream::make_decoder(coding, vmstream::make_memory_source(packed), {threads});
  REQUIRE(source);
  return drain(**source);
}

/// How many bytes a decoder gives in all, none of which is kept, in views of `most` or fewer.
inline uint64_t count_in_pieces(Coding coding, const Bytes& packed, uint64_t most) {
  auto source = vmstream::make_decoder(coding, vmstream::make_memory_source(packed), {2});
  REQUIRE(source);
  uint64_t total = 0;
  for (;;) {
    auto view = (*source)->next();
    REQUIRE(view);
    if (view->empty()) return total;
    REQUIRE(view->size() <= most);
    total += view->size();
  }
}

inline Bytes read_bytes(const std::string& path) {
  Bytes bytes(std::filesystem::file_size(path));
  std::ifstream(path, std::ios::binary)
      .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

/// What the shell command prints when `input` is its stdin. Fails the test if the command fails.
inline Bytes run(const std::string& command, const Bytes& input) {
  TempDir folder;
  std::ofstream(folder / "in", std::ios::binary)
      .write(reinterpret_cast<const char*>(input.data()),
             static_cast<std::streamsize>(input.size()));
  std::string line = "{ " + command + "; } < " + (folder / "in") + " > " + (folder / "out");
  INFO(command);
  REQUIRE(std::system(line.c_str()) == 0);
  return read_bytes(folder / "out");
}

inline const std::initializer_list<Coding> kPackingCodings{Coding::Gzip, Coding::Bzip2,
                                                           Coding::Zstd};

/// All codings that the encoder knows.
inline std::vector<vmstream::CodingTraits> written_codings() {
  std::vector<vmstream::CodingTraits> written;
  for (const auto& traits : vmstream::codings()) {
    if (traits.writable) written.push_back(traits);
  }
  return written;
}

}  // namespace testing
