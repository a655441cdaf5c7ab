// SPDX-License-Identifier: MIT
#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>

namespace vmstream {
namespace {

// One step from `source` to `sink`: into the sink's own memory where it lends some, otherwise by
// the view that the source shows. Returns the number of bytes moved, 0 at the end.
Result<size_t> pump_step(ByteSource& source, ByteSink& sink, ByteTap* tap) {
  if (auto room = sink.lend(); !room.empty()) {
    auto count = source.read(room);
    if (!count || *count == 0) return count;
    if (tap) {
      if (auto seen = tap->on_bytes(room.first(*count)); !seen) return seen.error();
    }
    if (auto taken = sink.commit(*count); !taken) return taken.error();
    return count;
  }
  auto view = source.next();
  if (!view) return view.error();
  if (view->empty()) return size_t{0};
  if (tap) {
    if (auto seen = tap->on_bytes(*view); !seen) return seen.error();
  }
  if (auto taken = sink.write(*view); !taken) return taken.error();
  return view->size();
}

}  // namespace

Result<uint64_t> pump(ByteSource& source, ByteSink& sink, ByteTap* tap) {
  uint64_t total = 0;
  for (;;) {
    auto moved = pump_step(source, sink, tap);
    if (!moved) return moved.error();
    if (*moved == 0) return total;
    total += *moved;
  }
}

}  // namespace vmstream
