// SPDX-License-Identifier: MIT
#include "state/signature_gate.h"

namespace vmstream {
namespace {

// Lets the end of a stream pass only if one of the messages around it is signed as demanded.
class SignatureGate final : public ByteSource {
 public:
  SignatureGate(std::unique_ptr<ByteSource> plain, RequiredSigner signer,
                std::vector<std::shared_ptr<const OpenPgpFacts>> messages)
      : plain_(std::move(plain)), signer_(std::move(signer)), messages_(std::move(messages)) {}

  Result<size_t> read(std::span<std::byte> into) override {
    auto count = plain_->read(into);
    if (!count || *count > 0 || into.empty()) return count;
    if (auto checked = signer_.check(messages_); !checked) return checked.error();
    return count;
  }
  Result<std::span<const std::byte>> next() override {
    auto bytes = plain_->next();
    if (!bytes || !bytes->empty()) return bytes;
    if (auto checked = signer_.check(messages_); !checked) return checked.error();
    return bytes;
  }

 private:
  std::unique_ptr<ByteSource> plain_;
  RequiredSigner signer_;
  std::vector<std::shared_ptr<const OpenPgpFacts>> messages_;
};

}  // namespace

Status demand_signature(UnwrappedStream& state, const RequiredSigner& signer) {
  std::vector<std::shared_ptr<const OpenPgpFacts>> messages;
  for (const Container& container : state.containers) {
    if (container.openpgp) messages.push_back(container.openpgp);
  }
  if (messages.empty()) return signer.check(messages);
  state.plain =
      std::make_unique<SignatureGate>(std::move(state.plain), signer, std::move(messages));
  return ok();
}

}  // namespace vmstream
