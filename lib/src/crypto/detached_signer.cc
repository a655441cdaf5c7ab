// SPDX-License-Identifier: MIT
#include "crypto/detached_signer.h"

namespace vmstream {
namespace {

constexpr size_t kMostSignatureBytes = 64 * 1024;

}  // namespace

DetachedSigner::DetachedSigner(GpgContext context, WaitLimits limits)
    : feed_(
          std::move(context), "signing",
          [this](std::span<const std::byte> bytes) { return accept(bytes); }, limits) {}

Result<std::unique_ptr<DetachedSigner>> DetachedSigner::start(const WritingKeys& keys) {
  auto context = make_writing_context(keys);
  if (!context) return context.error();
  auto signer = std::make_unique<DetachedSigner>(std::move(*context), keys.limits);
  auto begun =
      signer->feed_.begin([](gpgme_ctx_t gpg, gpgme_data_t content, gpgme_data_t signature) {
        return gpgme_op_sign_start(gpg, content, signature, GPGME_SIG_MODE_DETACH);
      });
  if (!begun) return begun.error();
  return signer;
}

Result<SignaturePacket> DetachedSigner::finish() {
  if (auto finished = feed_.finish(); !finished) return finished.error();
  auto* result = gpgme_op_sign_result(feed_.context());
  if (!result || !result->signatures || !result->signatures->fpr) {
    return Error{Errc::Environment, "signing: gpg made no signature"};
  }
  return parse_signature(std::move(signature_), result->signatures->fpr);
}

Status DetachedSigner::accept(std::span<const std::byte> bytes) {
  if (bytes.size() > kMostSignatureBytes - signature_.size()) {
    return Error{Errc::Environment, "signing: gpg's signature does not end"};
  }
  signature_.insert(signature_.end(), bytes.begin(), bytes.end());
  return ok();
}

}  // namespace vmstream
