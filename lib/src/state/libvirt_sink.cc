// SPDX-License-Identifier: MIT
#include "state/libvirt_sink.h"

#include <fmt/format.h>

#include <vmstream/text.h>

namespace vmstream {
namespace {

Error not_restored(std::string what, uint64_t at) {
  return Error{Errc::Unsupported, "libvirt cannot restore " + std::move(what), at};
}

}  // namespace

Status LibvirtSink::write(std::span<const std::byte> bytes) {
  auto seen = tap_.on_bytes(bytes);
  return seen ? next_.write(bytes) : seen;
}

std::span<std::byte> LibvirtSink::lend() {
  return lent_ = next_.lend();
}

Status LibvirtSink::commit(size_t count) {
  auto seen = tap_.on_bytes(lent_.first(count));
  return seen ? next_.commit(count) : seen;
}

Status LibvirtSink::finish() {
  if (auto whole = tap_.finish(); !whole) return whole;
  if (auto there = memory_.check(); !there) return there;
  return next_.finish();
}

Status LibvirtSink::on_configuration(const Configuration& configuration) {
  if (!configuration.capabilities || configuration.capabilities->empty()) return ok();
  return not_restored(
      fmt::format("a stream with capability {}", escape(configuration.capabilities->front())),
      configuration.offset);
}

Status LibvirtSink::on_ram_blocks(const RamBlockList& list) {
  memory_.on_ram_blocks(list);
  return ok();
}

Status LibvirtSink::on_page(const Page& page) {
  memory_.on_page(page);
  return ok();
}

Status LibvirtSink::on_command(const Command& command) {
  switch (command.type) {
    case CommandType::OpenReturnPath:
    case CommandType::Ping:
    case CommandType::SwitchoverStart:
      return ok();
    case CommandType::PostcopyAdvise:  // without a payload it is of dirty bitmaps alone
      if (command.payload.empty()) return ok();
      break;
    default:
      break;
  }
  Error error = not_restored(fmt::format("a stream with the command {}", name_of(command.type)),
                             command.offset);
  error.hint = "vmrestore --to libvirt makes a plain stream of a postcopy one";
  return error;
}

}  // namespace vmstream
