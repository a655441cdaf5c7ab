// SPDX-License-Identifier: MIT
#include "common/signals.h"

#include <atomic>

namespace vmtools {
namespace {

// A handler is given nothing but the signal's number, so what it acts on must be found from here.
std::atomic<const vmstream::Cancellation*> g_cancellation{nullptr};
static_assert(std::atomic<const vmstream::Cancellation*>::is_always_lock_free);

void on_signal(int) {
  if (const auto* cancellation = g_cancellation.load()) cancellation->request();
}

std::atomic<bool> g_status_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_status_request(int) {
  g_status_requested = true;
}

}  // namespace

SignalGuard::SignalGuard(const vmstream::Cancellation& cancellation) {
  g_cancellation = &cancellation;
  struct sigaction action {};
  action.sa_handler = on_signal;  // no SA_RESTART: waiting calls come back and look
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &found_[i]);
    bool under_nohup = kSignals[i] == SIGHUP && found_[i].sa_handler == SIG_IGN;
    if (!under_nohup) ::sigaction(kSignals[i], &action, nullptr);
  }
}

SignalGuard::~SignalGuard() {
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &found_[i], nullptr);
  g_cancellation = nullptr;
}

StatusRequests::StatusRequests() {
  struct sigaction action {};
  action.sa_handler = on_status_request;
  action.sa_flags = SA_RESTART;  // nothing is to be interrupted
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGUSR1, &action, &found_);
}

StatusRequests::~StatusRequests() {
  ::sigaction(SIGUSR1, &found_, nullptr);
}

bool StatusRequests::take() {
  return g_status_requested.exchange(false);
}

void ignore_broken_pipes() {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace vmtools
