// SPDX-License-Identifier: MIT
#include "crypto/gpg_transfer.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/unique_fd.h"
#include "io/wait.h"

namespace vmstream {
namespace {

// GPGME moves 512 bytes at a time unless told otherwise. A larger buffer than the pipe's usual
// capacity gains nothing: what a pipe did not take is moved to the buffer's front.
constexpr const char* kBufferBytes = "131072";
constexpr size_t kPipeBytes = 256 * 1024;

}  // namespace

GpgTransfer::GpgTransfer(GpgContext context, Supply supply, Accept accept, WaitLimits limits)
    : supply_(std::move(supply)),
      accept_(std::move(accept)),
      limits_(limits),
      context_(std::move(context)) {
  input_callbacks_.read = on_read;
  output_callbacks_.write = on_write;
  gpgme_io_cbs callbacks{.add = add_watch,
                         .add_priv = this,
                         .remove = remove_watch,
                         .event = on_event,
                         .event_priv = this};
  gpgme_set_io_cbs(context_.get(), &callbacks);
}

GpgTransfer::~GpgTransfer() {
  if (!done()) gpgme_cancel(context_.get());
}

Result<GpgData> GpgTransfer::make_data(gpgme_data_cbs& callbacks) {
  gpgme_data_t raw = nullptr;
  if (auto error = gpgme_data_new_from_cbs(&raw, &callbacks, this)) {
    return openpgp_error("OpenPGP", error);
  }
  GpgData made(raw);
  auto error = gpgme_data_set_flag(raw, "io-buffer-size", kBufferBytes);
  if (!error) error = gpgme_data_set_flag(raw, "sensitive", "1");
  if (error) return openpgp_error("OpenPGP", error);
  return made;
}

Status GpgTransfer::begin(const Begin& begin) {
  auto input = make_data(input_callbacks_);
  if (!input) return input.error();
  input_ = std::move(*input);
  auto output = make_data(output_callbacks_);
  if (!output) return output.error();
  output_ = std::move(*output);
  if (auto error = begin(context_.get(), input_.get(), output_.get())) {
    return openpgp_error("gpg", error);
  }
  return ok();
}

Status GpgTransfer::step() {
  std::vector<pollfd> descriptors;
  for (const auto& watch : watches_) descriptors.push_back({watch->fd, watch->events, 0});
  if (descriptors.empty()) return Error{Errc::Environment, "gpg ended without a word"};
  if (auto ready = wait_ready(descriptors, limits_, "gpg"); !ready) return ready;
  serve(POLLIN);  // first: gpg may need room for its output before it takes more
  serve(POLLOUT);
  std::erase_if(watches_, [](const auto& watch) { return watch->removed; });
  return ok();
}

// GPGME itself looks whether there is something to do. Serving one may add or remove others.
void GpgTransfer::serve(short events) {
  for (size_t i = 0; i < watches_.size() && !done(); ++i) {
    Watch& watch = *watches_[i];
    if (watch.removed || watch.events != events) continue;
    watch.serve(watch.serve_argument, watch.fd);
  }
}

Status GpgTransfer::outcome(const std::string& what) const {
  if (own_error_) return *own_error_;
  if (*outcome_ != 0) return openpgp_error(what, *outcome_);
  return ok();
}

gpgme_error_t GpgTransfer::add_watch(void* self, int fd, int is_input, gpgme_io_cb_t serve,
                                     void* serve_argument, void** tag) {
  auto& watches = static_cast<GpgTransfer*>(self)->watches_;
  short events = is_input != 0 ? POLLIN : POLLOUT;
  auto watch = std::make_unique<Watch>(Watch{fd, events, serve, serve_argument});
  enlarge_pipe(fd, kPipeBytes);
  *tag = watch.get();
  watches.push_back(std::move(watch));
  return 0;
}

void GpgTransfer::remove_watch(void* tag) {
  static_cast<Watch*>(tag)->removed = true;
}

void GpgTransfer::on_event(void* self, gpgme_event_io_t type, void* event) {
  if (type != GPGME_EVENT_DONE) return;
  const auto& done = *static_cast<gpgme_io_event_done_data_t>(event);
  static_cast<GpgTransfer*>(self)->outcome_ = done.err != 0 ? done.err : done.op_err;
}

ssize_t GpgTransfer::on_read(void* self, void* into, size_t size) {
  auto& transfer = *static_cast<GpgTransfer*>(self);
  auto count = transfer.supply_({static_cast<std::byte*>(into), size});
  if (count) return static_cast<ssize_t>(*count);
  if (!transfer.own_error_) transfer.own_error_ = count.error();
  errno = ECANCELED;
  return -1;
}

ssize_t GpgTransfer::on_write(void* self, const void* bytes, size_t size) {
  auto& transfer = *static_cast<GpgTransfer*>(self);
  auto accepted = transfer.accept_({static_cast<const std::byte*>(bytes), size});
  if (accepted) return static_cast<ssize_t>(size);
  if (!transfer.own_error_) transfer.own_error_ = accepted.error();
  errno = ECANCELED;
  return -1;
}

}  // namespace vmstream
