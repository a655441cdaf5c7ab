// SPDX-License-Identifier: MIT
// Files with an index of the caller's choice.
#include <vmstream/codec.h>
#include <vmstream/indexing.h>
#include <vmstream/output_file.h>
#include <vmstream/state_file.h>

#include "codec/indexed_encoder.h"
#include "codec/random_decoder.h"
#include "state/index_tables.h"
#include "support/forged_index.h"

namespace testing {

using namespace vmstream;

namespace {

Status write_packed(ByteSink& file, Coding coding, std::span<const std::byte> stream,
                    IndexMaker index) {
  auto encoder = make_indexed_encoder(coding, file, {.threads = 1}, std::move(index));
  if (!encoder) return encoder.error();
  if (auto written = (*encoder)->write(stream); !written) return written;
  return (*encoder)->finish();
}

Status write_file(const std::string& path, std::span<const std::byte> bytes) {
  auto file = OutputFile::create(path, Overwrite::Replace);
  if (!file) return file.error();
  if (auto written = (*file)->write(bytes); !written) return written;
  return (*file)->commit_file();
}

// A sidecar that knows the file, with an index that is not of it.
Status write_sidecar(const std::string& path, const StateIndex& index) {
  auto file = StateFile::open(path, {.decode = {.threads = 1}});
  if (!file) return file.error();
  auto made = file->make_index({.read = [&](ByteSource& stream) -> Result<StateIndex> {
    for (;;) {
      auto piece = stream.next();
      if (!piece) return piece.error();
      if (piece->empty()) return index;
    }
  }});
  if (!made) return made.error();
  return write_file(sidecar_path(path), *made->bytes);
}

}  // namespace

Status write_with_index(const std::string& path, std::span<const std::byte> stream,
                        const StateIndex& index, IndexHome home) {
  Coding coding = find_coding_by_suffix(path).value_or(Coding::None);
  IndexMaker make_index = [&](const BlockTable& blocks) {
    return serialise(index, {.blocks = &blocks});
  };
  if (home == IndexHome::Sidecar) make_index = {};
  std::vector<std::byte> packed;
  auto sink = make_memory_sink(packed);
  if (auto done = write_packed(*sink, coding, stream, make_index); !done) return done;
  if (auto written = write_file(path, packed); !written) return written;
  return home == IndexHome::Sidecar ? write_sidecar(path, index) : ok();
}

Status write_hidden(const std::string& path, std::span<const std::byte> first,
                    std::span<const std::byte> second) {
  std::vector<std::byte> packed;
  auto sink = make_memory_sink(packed);
  if (auto done = write_packed(*sink, Coding::Gzip, first, {}); !done) return done;
  BlockTable table;
  table.append_gap(packed.size());
  std::vector<std::byte> behind;
  auto second_sink = make_memory_sink(behind);
  if (auto done = write_packed(*second_sink, Coding::Gzip, second, {}); !done) return done;
  auto file = make_random_memory(behind);
  auto blocks = find_blocks(Coding::Gzip, *file);
  if (!blocks) return blocks.error();
  for (size_t i = 0; i < (*blocks)->size(); ++i) {
    PackedBlock block = (**blocks)[i];
    table.append(block.plain_length, block.packed_length, block.check);
  }
  packed.insert(packed.end(), behind.begin(), behind.end());
  if (auto done = write_file(path, packed); !done) return done;
  auto whole = make_random_memory(packed);
  auto mark = FileMark::of(*whole);
  if (!mark) return mark.error();
  StateIndex index = forgery_material(second).index;
  auto bytes = serialise(index, {.blocks = &table, .mark = &*mark});
  return bytes ? write_file(sidecar_path(path), *bytes) : bytes.error();
}

}  // namespace testing
