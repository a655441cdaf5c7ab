// SPDX-License-Identifier: MIT
#include "vmrestore/signed_by.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include <vmstream/text.h>
#include "common/json_values.h"

namespace vmrestore {
namespace {

using vmstream::OpenPgpSignature;

// "signed by Jo <jo@example.org> (ABCD...) on 2026-11-21 10:00:00 UTC as 'guest.zst.gpg'"
std::string words(const OpenPgpSignature& signature) {
  std::string text = "signed by " + signature.fingerprint;
  if (!signature.user_id.empty()) {
    text = fmt::format("signed by {} ({})", signature.user_id, signature.fingerprint);
  }
  if (signature.created != 0) {
    text += fmt::format(" on {:%Y-%m-%d %H:%M:%S} UTC",
                        fmt::gmtime(static_cast<std::time_t>(signature.created)));
  }
  if (!signature.file_name.empty()) text += fmt::format(" as '{}'", signature.file_name);
  return text;
}

// Null only where the restore would have failed.
const OpenPgpSignature* find_signature(const std::vector<vmstream::Container>& containers,
                                       const vmstream::RequiredSigner& signer) {
  for (const auto& container : containers) {
    if (!container.openpgp) continue;
    for (const auto& signature : container.openpgp->signatures) {
      if (signer.made(signature)) return &signature;
    }
  }
  return nullptr;
}

// A file on stdin or from a command has no name to compare.
bool is_called_otherwise(const Options& options, const OpenPgpSignature& signature) {
  if (!options.file || *options.file == "-" || signature.file_name.empty()) return false;
  std::string name = options.file->substr(options.file->rfind('/') + 1);
  return vmstream::escape(name) != signature.file_name;
}

}  // namespace

void tell_signer(const Options& options, const vmstream::RequiredSigner& signer,
                 const std::vector<vmstream::Container>& containers,
                 const vmstream::RestoreSummary& summary, vmtools::Session& session) {
  const auto* signature = find_signature(containers, signer);
  if (!signature) return;
  std::string text = words(*signature);
  if (summary.uuid) text += ", guest " + vmstream::uuid_text(*summary.uuid);
  session.messages().note(input_name(options), text);
  if (!is_called_otherwise(options, *signature)) return;
  session.messages().warning(input_name(options),
                             fmt::format("its signer called it '{}'", signature->file_name));
}

}  // namespace vmrestore
