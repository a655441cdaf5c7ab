// SPDX-License-Identifier: MIT
#include "common/containers.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/json_values.h"

namespace vmtools {
namespace {

using nlohmann::ordered_json;
using vmstream::OpenPgpFacts;
using vmstream::OpenPgpSignature;

// "2026-11-21T10:00:00Z"
ordered_json time_json(int64_t seconds) {
  if (seconds == 0) return nullptr;
  return date_text(seconds) + "Z";
}

ordered_json signature_json(const OpenPgpSignature& signature) {
  return {{"status", vmstream::name_of(signature.status)},
          {"fingerprint", or_null(signature.fingerprint)},
          {"user_id", or_null(signature.user_id)},
          {"created", time_json(signature.created)},
          {"file_name", or_null(signature.file_name)},
          {"trust", signature.trust}};
}

ordered_json signatures_json(const OpenPgpFacts& facts) {
  auto list = ordered_json::array();
  for (const auto& signature : facts.signatures) list.push_back(signature_json(signature));
  return list;
}

}  // namespace

ordered_json containers_json(const std::vector<vmstream::Container>& containers) {
  auto list = ordered_json::array();
  for (const auto& container : containers) {
    ordered_json json{{"type", container.type}};
    if (container.content_offset > 0) json["content_offset"] = container.content_offset;
    if (const OpenPgpFacts* facts = container.openpgp.get()) {
      json["encrypted"] = facts->encrypted;
      json["recipients"] = facts->complete ? ordered_json(facts->recipients) : nullptr;
      json["signatures"] = facts->complete ? signatures_json(*facts) : nullptr;
    }
    list.push_back(std::move(json));
  }
  return list;
}

std::string signature_text(const OpenPgpSignature& signature) {
  std::string who = signature.user_id.empty()
                        ? signature.fingerprint
                        : fmt::format("{} ({})", signature.user_id, signature.fingerprint);
  std::string text = fmt::format("{} signature of {}", vmstream::name_of(signature.status), who);
  if (signature.status == vmstream::SignatureStatus::NoKey) {
    text = fmt::format("signature of {} not checked: the key is not here", who);
  }
  if (signature.created != 0) {
    text += fmt::format(", made {} UTC", date_text(signature.created, ' '));
  }
  if (!signature.file_name.empty()) text += fmt::format(", as '{}'", signature.file_name);
  return fmt::format("{}, trust {}", text, signature.trust);
}

std::string encryption_text(const OpenPgpFacts& facts) {
  if (!facts.encrypted) return "not encrypted";
  if (facts.recipients.empty()) return "encrypted to a passphrase";
  return fmt::format("encrypted to {}", fmt::join(facts.recipients, ", "));
}

}  // namespace vmtools
