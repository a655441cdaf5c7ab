// SPDX-License-Identifier: MIT
#include "common/signals.h"

#include <array>
#include <atomic>
#include <csignal>

namespace vmtools {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};

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

void set_handler(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;  // no SA_RESTART: waiting calls come back and look
  sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

}  // namespace

SignalGuard::SignalGuard(const vmstream::Cancellation& cancellation) {
  g_cancellation = &cancellation;
  for (int number : kSignals) {
    struct sigaction found {};
    ::sigaction(number, nullptr, &found);
    bool under_nohup = number == SIGHUP && found.sa_handler == SIG_IGN;
    if (!under_nohup) set_handler(number, on_signal);
  }
}

SignalGuard::~SignalGuard() {
  for (int number : kSignals) set_handler(number, SIG_IGN);
  g_cancellation = nullptr;
}

StatusRequests::StatusRequests() {
  set_handler(SIGUSR1, on_status_request);
}

StatusRequests::~StatusRequests() {
  set_handler(SIGUSR1, SIG_IGN);
}

bool StatusRequests::take() {
  return g_status_requested.exchange(false);
}

void ignore_failing_writes() {
  set_handler(SIGPIPE, SIG_IGN);
  set_handler(SIGXFSZ, SIG_IGN);
}

}  // namespace vmtools
