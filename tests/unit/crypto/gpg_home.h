// SPDX-License-Identifier: MIT
// A GnuPG home that goes away with its agent: keys for tests, and gpg as a user runs it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "unit/codec/codec_fixture.h"

namespace testing {

/// While it lives GNUPGHOME points to it, for gpg behind the library and for gpg in run().
class GpgHome {
 public:
  GpgHome() {
    std::filesystem::permissions(path_ / ".", std::filesystem::perms::owner_all);
    ::setenv("GNUPGHOME", path().c_str(), 1);
  }
  GpgHome(const GpgHome&) = delete;
  GpgHome& operator=(const GpgHome&) = delete;
  ~GpgHome() {
    command("gpgconf --kill all");
    ::unsetenv("GNUPGHOME");
  }

  std::string path() const { return path_ / "."; }

  /// Runs a shell command that must succeed.
  static void command(const std::string& line) {
    INFO(line);
    REQUIRE(std::system(("{ " + line + "; } > /dev/null 2>&1").c_str()) == 0);
  }

  /// A key pair that gpg trusts; `kind` is what gpg calls its algorithm.
  static void make_key(const std::string& user_id, const std::string& kind = "future-default",
                       const std::string& passphrase = "", const std::string& expires = "never") {
    std::string use = kind == "future-default" ? " default " : " sign,cert ";
    command("gpg -q --batch --pinentry-mode loopback --passphrase '" + passphrase +
            "' --quick-gen-key '" + user_id + "' " + kind + use + expires);
  }

  static std::string fingerprint(const std::string& user_id) {
    Bytes listed = run("gpg --batch --with-colons --list-keys '" + user_id +
                           "' | awk -F: '/^fpr/ { printf \"%s\", $10; exit }'",
                       {});
    return {reinterpret_cast<const char*>(listed.data()), listed.size()};
  }

 private:
  TempDir path_;
};

}  // namespace testing
