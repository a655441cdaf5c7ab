// SPDX-License-Identifier: MIT
// Reading OpenPGP messages.
#include <fmt/format.h>

#include <algorithm>

#include <vmstream/openpgp.h>
#include "crypto/gpg_transfer.h"
#include "crypto/openpgp_facts.h"

namespace vmstream {
namespace {

class OpenPgpSource final : public ByteSource {
 public:
  OpenPgpSource(GpgContext context, OpenPgpKind kind, std::unique_ptr<ByteSource> message,
                const OpenPgpReadOptions& options)
      : message_(std::move(message)),
        kind_(kind),
        passphrase_(options.passphrase),
        limits_(options.limits),
        transfer_(
            std::move(context), [this](std::span<std::byte> into) { return message_->read(into); },
            [this](std::span<const std::byte> bytes) { return accept(bytes); }, options.limits) {
    facts_->encrypted = kind == OpenPgpKind::Encrypted;
  }

  Status begin() {
    if (auto listening = notes_.listen(transfer_.context()); !listening) return listening;
    return transfer_.begin([this](gpgme_ctx_t gpg, gpgme_data_t message, gpgme_data_t content) {
      return kind_ == OpenPgpKind::Encrypted
                 ? gpgme_op_decrypt_verify_start(gpg, message, content)
                 : gpgme_op_verify_start(gpg, message, nullptr, content);
    });
  }

  Result<std::span<const std::byte>> next() override {
    if (auto filled = fill(); !filled) return filled.error();
    size_t from = std::exchange(taken_, got_.size());
    return std::span<const std::byte>(got_).subspan(from);
  }

  Result<size_t> read(std::span<std::byte> into) override {
    if (auto filled = fill(); !filled) return filled.error();
    size_t count = std::min(into.size(), got_.size() - taken_);
    std::copy_n(got_.begin() + static_cast<ptrdiff_t>(taken_), count, into.begin());
    taken_ += count;
    return count;
  }

  std::shared_ptr<const OpenPgpFacts> facts() const { return facts_; }

 private:
  Status accept(std::span<const std::byte> bytes) {
    got_.insert(got_.end(), bytes.begin(), bytes.end());
    return ok();
  }

  // Something to hand out, or the end.
  Status fill() {
    if (taken_ < got_.size()) return ok();
    got_.clear();
    taken_ = 0;
    while (got_.empty() && !end_) {
      if (transfer_.done()) {
        end_ = judge();
      } else if (auto moved = transfer_.step(); !moved) {
        end_ = moved;
      }
    }
    return got_.empty() ? *end_ : ok();
  }

  // gpg's last word.
  Status judge() {
    *facts_ = collect_facts(transfer_.context(), kind_, limits_);
    if (auto error = notes_.correct(transfer_.verdict())) {
      return explain(openpgp_error("OpenPGP", error));
    }
    // A gpg that was killed on the way has judged nothing yet.
    if (transfer_.left_input_unread() && notes_.has_judged_signature()) {
      return Error{Errc::Malformed, "OpenPGP: what stands behind the message is no part of it"};
    }
    if (auto outcome = transfer_.outcome("OpenPGP"); !outcome) return outcome;
    return check_signatures(*facts_);
  }

  Status explain(Error error) const {
    if (error.code == Errc::Environment && !facts_->recipients.empty()) {
      error.message += fmt::format("; encrypted to {}", fmt::join(facts_->recipients, ", "));
    }
    return error;
  }

  std::unique_ptr<ByteSource> message_;
  OpenPgpKind kind_;
  std::shared_ptr<const Secret> passphrase_;  // asked for while gpg runs
  WaitLimits limits_;
  std::shared_ptr<OpenPgpFacts> facts_ = std::make_shared<OpenPgpFacts>();
  std::vector<std::byte> got_;
  size_t taken_ = 0;           // of got_, handed out
  std::optional<Status> end_;  // the clean end, or why there is none
  DecryptionNotes notes_;
  GpgTransfer transfer_;  // last: it calls back
};

}  // namespace

Result<OpenPgpMessage> open_openpgp(OpenPgpKind kind, std::unique_ptr<ByteSource> message,
                                    const OpenPgpReadOptions& options) {
  auto context = make_gpg_context(options.passphrase.get());
  if (!context) return context.error();
  auto source =
      std::make_unique<OpenPgpSource>(std::move(*context), kind, std::move(message), options);
  if (auto begun = source->begin(); !begun) return begun.error();
  auto facts = source->facts();
  return OpenPgpMessage{std::move(source), std::move(facts)};
}

}  // namespace vmstream
