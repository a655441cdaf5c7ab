// SPDX-License-Identifier: MIT
// Writing OpenPGP messages: keys are tried before the first byte, then gpg works while bytes come.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <vmstream/openpgp.h>
#include "crypto/gpg_keys.h"
#include "crypto/gpg_transfer.h"
#include "crypto/openpgp_packets.h"

namespace vmstream {
namespace {

// The recipients were judged when they were looked up, so gpg need not.
gpgme_error_t start_encrypting(gpgme_ctx_t context, const WritingKeys& keys, gpgme_data_t plain,
                               gpgme_data_t cipher) {
  std::vector<gpgme_key_t> recipients;
  for (const GpgKey& key : keys.recipients) recipients.push_back(key.get());
  recipients.push_back(nullptr);
  auto* list = keys.recipients.empty() ? nullptr : recipients.data();
  unsigned flags = GPGME_ENCRYPT_ALWAYS_TRUST | GPGME_ENCRYPT_NO_COMPRESS;
  if (keys.symmetric) flags |= GPGME_ENCRYPT_SYMMETRIC;
  auto chosen = static_cast<gpgme_encrypt_flags_t>(flags);
  return keys.signer ? gpgme_op_encrypt_sign_start(context, list, chosen, plain, cipher)
                     : gpgme_op_encrypt_start(context, list, chosen, plain, cipher);
}

// Encrypts, and signs if there is a signer.
class EncryptingSink final : public ByteSink {
 public:
  static Result<std::unique_ptr<ByteSink>> start(const WritingKeys& keys, ByteSink& next) {
    auto context = make_writing_context(keys);
    if (!context) return context.error();
    auto sink = std::make_unique<EncryptingSink>(std::move(*context), keys, next);
    auto begun =
        sink->feed_.begin([&keys](gpgme_ctx_t gpg, gpgme_data_t plain, gpgme_data_t cipher) {
          return start_encrypting(gpg, keys, plain, cipher);
        });
    if (!begun) return begun.error();
    return std::unique_ptr<ByteSink>(std::move(sink));
  }

  EncryptingSink(GpgContext context, const WritingKeys& keys, ByteSink& next)
      : next_(next),
        passphrase_(keys.passphrase),
        feed_(
            std::move(context), "encryption",
            [this](std::span<const std::byte> bytes) { return pass_on(bytes); }, keys.limits) {}

  Status write(std::span<const std::byte> bytes) override { return feed_.write(bytes); }

  Status finish() override {
    if (auto encrypted = feed_.finish(); !encrypted) return encrypted;
    if (!frames_.at_end()) {
      return Error{Errc::Environment, "encryption: gpg ended before it had written everything"};
    }
    return next_.finish();
  }

 private:
  Status pass_on(std::span<const std::byte> bytes) {
    frames_.follow(bytes);
    return next_.write(bytes);
  }

  ByteSink& next_;
  PacketFrames frames_;
  std::shared_ptr<const Secret> passphrase_;  // asked for while gpg runs
  GpgFeed feed_;                              // last: it calls back
};

constexpr size_t kMostSignatureBytes = 64 * 1024;

// Has gpg make a signature over what it is shown, which goes elsewhere.
class DetachedSigner {
 public:
  static Result<std::unique_ptr<DetachedSigner>> start(const WritingKeys& keys);
  DetachedSigner(GpgContext context, WaitLimits limits);

  Status update(std::span<const std::byte> bytes) { return feed_.write(bytes); }
  Result<SignaturePacket> finish();

 private:
  Status accept(std::span<const std::byte> bytes);

  std::vector<std::byte> signature_;
  GpgFeed feed_;  // last: it calls back
};

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

// Signs without encrypting. gpg would compress such a message and cannot be told through GPGME not
// to; so the packets around the content are written here, and gpg makes the signature over it.
class SigningSink final : public ByteSink {
 public:
  // `trial` is a signature of the same key: the next one will look like it, and a message says how
  // it looks before its content begins.
  static Result<std::unique_ptr<ByteSink>> start(std::shared_ptr<const WritingKeys> keys,
                                                 const SignaturePacket& trial, ByteSink& next) {
    auto signer = DetachedSigner::start(*keys);
    if (!signer) return signer.error();
    return std::unique_ptr<ByteSink>(
        std::make_unique<SigningSink>(std::move(keys), std::move(*signer), trial, next));
  }

  SigningSink(std::shared_ptr<const WritingKeys> keys, std::unique_ptr<DetachedSigner> signer,
              const SignaturePacket& trial, ByteSink& next)
      : next_(next),
        keys_(std::move(keys)),
        announced_(one_pass_packet(trial)),
        signer_(std::move(signer)) {
    part_.reserve(kPartBytes);
    auto head = literal_head();
    part_.assign(head.begin(), head.end());
  }

  Status write(std::span<const std::byte> bytes) override {
    if (auto shown = signer_->update(bytes); !shown) return shown;
    while (!bytes.empty()) {
      if (part_.size() == kPartBytes) {
        if (auto written = write_part(part_length()); !written) return written;
      }
      auto taken = bytes.first(std::min(bytes.size(), kPartBytes - part_.size()));
      part_.insert(part_.end(), taken.begin(), taken.end());
      bytes = bytes.subspan(taken.size());
    }
    return ok();
  }

  Status finish() override {
    auto signature = signer_->finish();
    if (!signature) return signature.error();
    if (one_pass_packet(*signature) != announced_) {
      return Error{Errc::Environment, "signing: gpg changed key or hash while the content came"};
    }
    if (auto written = write_part(last_length(part_.size())); !written) return written;
    if (auto written = next_.write(signature->bytes); !written) return written;
    return next_.finish();
  }

 private:
  Status write_part(std::span<const std::byte> length) {
    if (!begun_) {
      begun_ = true;
      if (auto written = next_.write(announced_); !written) return written;
      if (auto written = next_.write(literal_tag()); !written) return written;
    }
    if (auto written = next_.write(length); !written) return written;
    auto written = next_.write(part_);
    part_.clear();
    return written;
  }

  ByteSink& next_;
  std::shared_ptr<const WritingKeys> keys_;
  std::vector<std::byte> announced_;
  bool begun_ = false;
  std::vector<std::byte> part_;  // of the literal packet's body, not yet written
  std::unique_ptr<DetachedSigner> signer_;
};

constexpr std::array kTrialBytes{std::byte{'v'}};

// What gpg has against recipients or passphrase must be known before it matters. A passphrase that
// the agent would ask for is left out: nobody wants to type it twice.
Status try_encryption(const WritingKeys& keys) {
  WritingKeys trial{.symmetric = keys.symmetric && keys.passphrase,
                    .passphrase = keys.passphrase,
                    .limits = keys.limits};
  for (const GpgKey& key : keys.recipients) {
    gpgme_key_ref(key.get());
    trial.recipients.emplace_back(key.get());
  }
  if (trial.recipients.empty() && !trial.symmetric) return ok();
  std::vector<std::byte> packed;
  auto target = make_memory_sink(packed);
  auto sink = EncryptingSink::start(trial, *target);
  if (!sink) return sink.error();
  if (auto written = (*sink)->write(kTrialBytes); !written) return written;
  return (*sink)->finish();
}

// The same for the signer, whose passphrase the agent then has: gpg signs last, when a failure
// would cost most.
Result<SignaturePacket> try_signing(const WritingKeys& keys) {
  auto signer = DetachedSigner::start(keys);
  if (!signer) return signer.error();
  if (auto shown = (*signer)->update(kTrialBytes); !shown) return shown.error();
  return (*signer)->finish();
}

}  // namespace

Result<std::unique_ptr<ByteSink>> make_openpgp_sink(ByteSink& next,
                                                    const OpenPgpWriteOptions& options) {
  if (!options.any()) return Error{Errc::Usage, "neither a recipient, a passphrase nor a signer"};
  auto keys = find_writing_keys(options);
  if (!keys) return keys.error();
  SignaturePacket signature;
  if (options.signer) {
    auto trial = try_signing(**keys);
    if (!trial) return trial.error();
    signature = std::move(*trial);
  }
  if (auto tried = try_encryption(**keys); !tried) return tried.error();
  bool is_encrypted = !options.recipients.empty() || options.symmetric;
  if (is_encrypted) return EncryptingSink::start(**keys, next);
  return SigningSink::start(std::move(*keys), signature, next);
}

Status check_readable(const OpenPgpWriteOptions& options) {
  if (options.symmetric || options.recipients.empty()) return ok();
  for (const std::string& name : options.recipients) {
    auto key = find_key(name, KeyUse::Encrypt, options.limits);
    if (!key) return key.error();
    auto found = has_secret_part(*key, options.limits);
    if (!found) return found.error();
    if (*found) return ok();
  }
  return Error{Errc::Environment, fmt::format("no secret key of a recipient is here, so nothing "
                                              "that is encrypted can be read back")};
}

}  // namespace vmstream
