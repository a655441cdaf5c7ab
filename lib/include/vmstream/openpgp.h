// SPDX-License-Identifier: MIT
// OpenPGP messages around a state file: written, read and judged by GnuPG through GPGME.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

/// A passphrase in memory of its own, which is overwritten with zeros before it is given back.
///
/// Shared, never copied: whoever may need it holds a pointer. It appears in no message. The first
/// line counts, without its line end, as gpg has it; lines of more than 1023 bytes are refused.
class Secret {
 public:
  /// From the front of a file.
  static Result<std::shared_ptr<const Secret>> read_file(const std::string& path,
                                                         WaitLimits limits = {});
  /// From a descriptor, which stays open. Takes no byte behind the line's end.
  static Result<std::shared_ptr<const Secret>> read_fd(int borrowed_fd, WaitLimits limits = {});

  Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  /// The passphrase, without a line end. Lives as long as this object.
  std::string_view text() const { return {bytes_.get(), length_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t length_ = 0;
};

// All work is done by the gpg program with the user's keys and its agent. Every sink and source
// here moves its bytes to and from gpg on the thread that drives it, within the given limits, and
// ends gpg's work when it is destroyed early. A process that uses them must ignore SIGPIPE.
// Memory: below 1 MiB for each, and gpg's own.

/// What became of the check of a signature.
enum class SignatureStatus {
  Good,        ///< the bytes are those that were signed
  Expired,     ///< good, but it was made to be valid for some time only, which is over
  KeyExpired,  ///< good, but its key has expired since
  KeyRevoked,  ///< good, but its key was revoked
  Bad,         ///< the bytes are not those that were signed
  NoKey,       ///< not checked: the signer's public key is not here
  Unchecked,   ///< not checked for another reason, such as an algorithm gpg does not know
};
/// "good", "expired", "key expired", "key revoked", "bad", "no key", "unchecked".
std::string_view name_of(SignatureStatus status);

/// A signature. Texts are escaped.
struct OpenPgpSignature {
  SignatureStatus status = SignatureStatus::Unchecked;
  std::string fingerprint = {};  ///< of the (sub)key that signed; its key id where that is unknown
  std::string user_id = {};      ///< empty where the key is unknown
  int64_t created = 0;           ///< seconds since 1970; 0: not said
  /// What the signer called the file, as part of what he signed; empty where he did not say. The
  /// name and the date that stand beside a message's content are signed by nobody, and not shown.
  std::string file_name = {};
  /// Whether gpg takes the key for the named person's: "unknown", "undefined", "never", "marginal",
  /// "full", "ultimate".
  std::string trust = {};
};

/// What an OpenPGP message says of itself.
struct OpenPgpFacts {
  bool encrypted = false;
  bool complete = false;  ///< the message has been read to its end: what is below is known
  /// Key ids it is encrypted to, zeros where they are hidden; none: to a passphrase only.
  std::vector<std::string> recipients = {};
  std::vector<OpenPgpSignature> signatures = {};
};

/// Ways to begin a message.
enum class OpenPgpKind {
  Encrypted,
  Signed,  ///< or compressed, which gpg does to what it signs
};
/// Bytes that suffice to tell, armor and its headers included.
constexpr size_t kOpenPgpHeadBytes = 1024;
/// Tells a message, binary or in ASCII armor, by its first bytes. Empty: none, or not of a kind
/// that holds a file.
std::optional<OpenPgpKind> recognise_openpgp(std::span<const std::byte> head);

struct OpenPgpReadOptions {
  std::shared_ptr<const Secret> passphrase = nullptr;  ///< null: gpg-agent has it or asks for it
  WaitLimits limits = {};
};

/// A message being read.
struct OpenPgpMessage {
  std::unique_ptr<ByteSource> content;
  /// Becomes complete when `content` has come to its end, well or not.
  std::shared_ptr<const OpenPgpFacts> facts;
};

/// Decrypts `message` and checks its signatures while it streams.
///
/// Bytes are handed out before they have proved true: gpg checks integrity and signatures last. The
/// end of `content` is the proof: it is an error instead if the message was cut or changed, or if a
/// signature is bad (Errc::Malformed). Signatures that cannot be checked are no error: judge
/// `facts`. A missing key or passphrase is Errc::Environment.
Result<OpenPgpMessage> open_openpgp(OpenPgpKind kind, std::unique_ptr<ByteSource> message,
                                    const OpenPgpReadOptions& options = {});

/// Has gpg-agent ask for the passphrase of a new message, twice, through its pinentry. gpg itself
/// would ask only when the first bytes of the message come.
Result<std::shared_ptr<const Secret>> ask_new_passphrase(WaitLimits limits = {});

// A key is named by its fingerprint (40 or 64 hex digits; that of a subkey means its key) or by the
// whole mail address of one of its user ids, <> around it or not, in any case of letters. gpg would
// take parts of user ids and short key ids too, and so a key that somebody made for the purpose.
// An address stands for the one key that has it and that gpg holds valid, fully or ultimately; for
// a signing key, the one secret key. One's own key is also known by a key id of 16 digits when it
// encrypts or signs. A key that is revoked, expired, disabled or of no use for its purpose is none.
// Everything else is Errc::Environment, with the fingerprints of what may have been meant as hint.

/// How to write a message. At least one of the first three.
struct OpenPgpWriteOptions {
  std::vector<std::string> recipients = {};  ///< names of keys
  bool symmetric = false;                    ///< to a passphrase, beside recipients or alone
  std::optional<std::string> signer = std::nullopt;
  std::string file_name =
      {};  ///< without a folder: what the signature calls the file; may be empty
  std::shared_ptr<const Secret> passphrase = nullptr;  ///< null: gpg-agent has it or asks for it
  WaitLimits limits = {};

  bool any() const { return !recipients.empty() || symmetric || signer; }
};

/// A sink that writes a binary OpenPGP message into `next` (borrowed), uncompressed: what comes
/// here has been compressed before. finish() ends the message and finishes `next`.
///
/// All keys are looked up, judged and tried before this returns: one that is of no use is an
/// Errc::Environment error that names it.
Result<std::unique_ptr<ByteSink>> make_openpgp_sink(ByteSink& next,
                                                    const OpenPgpWriteOptions& options);

/// Whether what is written with `options` can be read again here: a recipient's secret key, or a
/// passphrase. An error says what is missing.
Status check_readable(const OpenPgpWriteOptions& options);

/// A key whose signature is demanded.
class RequiredSigner {
 public:
  /// Looks up the one key of that name, which is no key id; Errc::Environment if there is none.
  static Result<RequiredSigner> find(const std::string& name, WaitLimits limits = {});

  /// Success if one of the messages carries a good signature of the key. Otherwise Errc::Refused,
  /// saying what was found instead.
  Status check(std::span<const std::shared_ptr<const OpenPgpFacts>> messages) const;

  /// Whether this signature is a good one of the key.
  bool made(const OpenPgpSignature& signature) const;

  const std::string& fingerprint() const { return fingerprints_.front(); }

 private:
  RequiredSigner() = default;

  std::vector<std::string> fingerprints_;  // the key's own, then those of its subkeys
};

/// "GPGME 1.18.0", for --version.
std::string openpgp_engine();

}  // namespace vmstream
