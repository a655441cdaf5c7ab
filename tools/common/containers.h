// SPDX-License-Identifier: MIT
// What a state file is wrapped in, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/state_file.h>

namespace vmtools {

/// [{"type": "zstd"}, ...], outermost first; of "openpgp" with recipients and signatures, which are
/// null until the stream has been read to its end.
nlohmann::ordered_json containers_json(const std::vector<vmstream::Container>& containers);

/// "good signature of Jo <jo@example.org> (ABCD...), made 2026-11-21 10:00:00 UTC, as
/// 'guest.zst.gpg', trust full".
std::string signature_text(const vmstream::OpenPgpSignature& signature);

/// "encrypted to 0123456789ABCDEF", "encrypted to a passphrase", "not encrypted".
std::string encryption_text(const vmstream::OpenPgpFacts& facts);

}  // namespace vmtools
