// SPDX-License-Identifier: MIT
// The one main() of the test executables.
#include <csignal>

#ifdef VMSTREAM_CATCH2_V3
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error to look at, not a death
  return Catch::Session().run(argc, argv);
}
