// SPDX-License-Identifier: MIT
// A GnuPG home that goes away with its agent: keys for tests, and gpg as a user runs it.
#pragma once

#include <cstdlib>
#include <string>

#include "unit/codec/codec_fixture.h"

namespace testing {

/// While it lives GNUPGHOME points to it, for gpg behind the library and for gpg in run().
class GpgHome {
 public:
  GpgHome() {
    if (const char* found = std::getenv("GNUPGHOME")) before_ = found;
    ::setenv("GNUPGHOME", path_.path().c_str(), 1);
  }
  GpgHome(const GpgHome&) = delete;
  GpgHome& operator=(const GpgHome&) = delete;
  ~GpgHome() {
    std::string kill = "gpgconf --homedir " + path_.path() + " --kill all";
    [[maybe_unused]] int status = std::system(kill.c_str());
    if (before_.empty()) {
      ::unsetenv("GNUPGHOME");
    } else {
      ::setenv("GNUPGHOME", before_.c_str(), 1);
    }
  }

  /// Runs a shell command that must succeed.
  static void command(const std::string& line) {
    INFO(line);
    REQUIRE(std::system(("{ " + line + "; } > /dev/null 2>&1").c_str()) == 0);
  }

  /// A key pair that gpg trusts; `kind` is what gpg calls its algorithm.
  static void make_key(const std::string& user_id, const std::string& kind = "future-default",
                       const std::string& passphrase = "", const std::string& expires = "never") {
    command("gpg -q --batch --pinentry-mode loopback --passphrase '" + passphrase +
            "' --quick-gen-key '" + user_id + "' " + kind + " default " + expires);
  }

  /// Of the first key of that name.
  static std::string fingerprint(const std::string& user_id) {
    Bytes listed = run("gpg --batch --with-colons --list-keys '" + user_id +
                           "' | awk -F: '/^fpr/ { printf \"%s\", $10; exit }'",
                       {});
    return {reinterpret_cast<const char*>(listed.data()), listed.size()};
  }

 private:
  TempDir path_;
  std::string before_;
};

}  // namespace testing
