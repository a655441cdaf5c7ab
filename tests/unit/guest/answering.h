// SPDX-License-Identifier: MIT
// A monitor that knows its answers beforehand.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <vmstream/qmp.h>
#include "support/catch.h"
#include "unit/guest/scripted_monitor.h"

namespace testing {

/// Answers each command with the next of these, under its id.
class Answering {
 public:
  explicit Answering(std::vector<std::string> answers)
      : monitor_([this, answers = std::move(answers)](ScriptedMonitor& m) {
          m.greet();
          for (size_t i = 0; i < answers.size(); ++i) {
            commands.push_back(m.hear());
            m.say(fmt::format("{{{}, \"id\": {}}}\r\n", answers[i], i + 2));
          }
          m.hear();
        }),
        qmp(adopt(monitor_.client_end())) {}

  std::vector<std::string> commands;

 private:
  static vmstream::QmpClient adopt(int socket) {
    auto deadline = vmstream::Clock::now() + std::chrono::seconds(20);
    auto client = vmstream::QmpClient::adopt(socket, {.deadline = deadline});
    REQUIRE(client);
    return std::move(*client);
  }

  ScriptedMonitor monitor_;

 public:
  vmstream::QmpClient qmp;
};

}  // namespace testing
