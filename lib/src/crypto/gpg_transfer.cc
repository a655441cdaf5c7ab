// SPDX-License-Identifier: MIT
#include "crypto/gpg_transfer.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/unique_fd.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr size_t kBufferBytes = 128 * 1024;
constexpr size_t kPipeBytes = 256 * 1024;
constexpr auto kLastWords = std::chrono::seconds(5);  // of a gpg that reads no more
constexpr size_t kFirstBytes = 512;                   // below PIPE_BUF
static_assert(kFirstBytes <= PIPE_BUF);

}  // namespace

GpgTransfer::GpgTransfer(GpgContext context, Supply supply, Accept accept, WaitLimits limits)
    : supply_(std::move(supply)),
      accept_(std::move(accept)),
      limits_(limits),
      from_gpg_(kBufferBytes),
      to_gpg_(kBufferBytes),
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
  if (auto error = gpgme_data_set_flag(raw, "sensitive", "1")) {
    return openpgp_error("OpenPGP", error);
  }
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
  bool any = false;
  for (const auto& watch : watches_) {
    any |= !watch->broken;
    descriptors.push_back({watch->broken ? -1 : watch->fd, watch->events, 0});
  }
  if (!any) {
    left_input_unread_ = true;
    fail({Errc::Environment, "gpg ended before it had read everything"});
    return ok();
  }
  if (auto ready = wait_ready(descriptors, limits_, "gpg"); !ready) return ready;
  for (size_t i = 0; i < descriptors.size(); ++i) watches_[i]->ready = descriptors[i].revents != 0;
  serve(POLLIN);  // first: gpg may need room for its output before it takes more
  serve(POLLOUT);
  std::erase_if(watches_, [](const auto& watch) { return watch->removed; });
  return ok();
}

// Serving one may add or remove others.
void GpgTransfer::serve(short events) {
  for (size_t i = 0; i < watches_.size() && !done(); ++i) {
    Watch& watch = *watches_[i];
    if (watch.events == events && watch.ready && !watch.removed) serve(watch);
  }
}

void GpgTransfer::serve(Watch& watch) {
  if (watch.carries_content) {
    bool moved = watch.events == POLLIN ? read_past(watch) : write_past(watch);
    if (moved) return;
  }
  served_ = &watch;
  watch.serve(watch.serve_argument, watch.fd);
  served_ = nullptr;
}

// False at the end and on an error, which GPGME is to see for itself.
bool GpgTransfer::read_past(Watch& watch) {
  ssize_t count = ::read(watch.fd, from_gpg_.data(), from_gpg_.size());
  if (count <= 0) return count < 0 && (errno == EINTR || errno == EAGAIN);
  auto accepted = accept_(std::span(from_gpg_).first(static_cast<size_t>(count)));
  if (!accepted) fail(accepted.error());
  return true;
}

bool GpgTransfer::write_past(Watch& watch) {
  if (unwritten_.empty()) {
    auto supplied = supply_(to_gpg_);
    if (!supplied) {
      fail(supplied.error());
      return true;
    }
    unwritten_ = std::span(to_gpg_).first(*supplied);
    input_ended_ = unwritten_.empty();
    if (input_ended_) return false;
  }
  ssize_t count = ::write(watch.fd, unwritten_.data(), unwritten_.size());
  if (count < 0) {
    // gpg says elsewhere why. GPGME would wait for room in a pipe that nobody empties.
    if (errno == EPIPE) {
      watch.broken = true;
      auto patience = Clock::now() + kLastWords;
      limits_.deadline = std::min(limits_.deadline.value_or(patience), patience);
    }
    bool is_passing = errno == EPIPE || errno == EINTR || errno == EAGAIN;
    if (!is_passing) fail(system_error("write to gpg", errno));
    return true;
  }
  unwritten_ = unwritten_.subspan(static_cast<size_t>(count));
  return true;
}

void GpgTransfer::fail(const Error& error) {
  own_error_ = error;
  gpgme_cancel(context_.get());
  if (!done()) outcome_ = gpgme_error(GPG_ERR_CANCELED);
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
  // This end is ours alone. A write must take what fits and no more.
  if (events == POLLOUT) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  *tag = watch.get();
  watches.push_back(std::move(watch));
  return 0;
}

void GpgTransfer::remove_watch(void* tag) {
  static_cast<Watch*>(tag)->removed = true;
}

void GpgTransfer::on_event(void* self, gpgme_event_io_t type, void* event) {
  auto& transfer = *static_cast<GpgTransfer*>(self);
  if (type == GPGME_EVENT_NEXT_KEY) transfer.keys_.emplace_back(static_cast<gpgme_key_t>(event));
  if (type != GPGME_EVENT_DONE) return;
  const auto& done = *static_cast<gpgme_io_event_done_data_t>(event);
  transfer.outcome_ = done.err != 0 ? done.err : done.op_err;
}

// What GPGME gets fits into any pipe that is ready, so that it keeps nothing back.
ssize_t GpgTransfer::on_read(void* self, void* into, size_t size) {
  auto& transfer = *static_cast<GpgTransfer*>(self);
  if (transfer.served_) transfer.served_->carries_content = true;
  if (transfer.input_ended_) return 0;
  size_t most = std::min(size, kFirstBytes);
  auto count = transfer.supply_({static_cast<std::byte*>(into), most});
  if (count) return static_cast<ssize_t>(*count);
  transfer.own_error_ = count.error();
  errno = ECANCELED;
  return -1;
}

ssize_t GpgTransfer::on_write(void* self, const void* bytes, size_t size) {
  auto& transfer = *static_cast<GpgTransfer*>(self);
  if (transfer.served_) transfer.served_->carries_content = true;
  auto accepted = transfer.accept_({static_cast<const std::byte*>(bytes), size});
  if (accepted) return static_cast<ssize_t>(size);
  transfer.own_error_ = accepted.error();
  errno = ECANCELED;
  return -1;
}

GpgFeed::GpgFeed(GpgContext context, std::string what, GpgTransfer::Accept accept,
                 WaitLimits limits)
    : what_(std::move(what)),
      transfer_(
          std::move(context), [this](std::span<std::byte> into) { return supply(into); },
          std::move(accept), limits) {}

Status GpgFeed::write(std::span<const std::byte> bytes) {
  pending_ = bytes;
  while (!pending_.empty() && !transfer_.done()) {
    if (auto moved = transfer_.step(); !moved) return moved;
  }
  if (pending_.empty()) return ok();
  auto outcome = transfer_.outcome(what_);
  if (!outcome) return outcome;
  return Error{Errc::Environment, what_ + ": gpg ended before it had read everything"};
}

Status GpgFeed::finish() {
  ended_ = true;
  while (!transfer_.done()) {
    if (auto moved = transfer_.step(); !moved) return moved;
  }
  return transfer_.outcome(what_);
}

// Asked with nothing pending only once the end has come.
Result<size_t> GpgFeed::supply(std::span<std::byte> into) {
  if (pending_.empty() && !ended_) return Error{Errc::Environment, what_ + ": no input at hand"};
  size_t count = std::min(into.size(), pending_.size());
  std::copy_n(pending_.begin(), count, into.begin());
  pending_ = pending_.subspan(count);
  return count;
}

}  // namespace vmstream
