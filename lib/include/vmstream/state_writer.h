// SPDX-License-Identifier: MIT
// Writing a state file: from the plain stream to bytes that last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include <vmstream/codec.h>
#include <vmstream/openpgp.h>
#include <vmstream/output_file.h>
#include <vmstream/random_source.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// What a file is made of.
enum class FileForm {
  Qevm,  ///< the stream, packed or not
  /// A save image of libvirt, for `virsh restore`: a regular file, not encrypted; packed by
  /// nothing, gzip, bzip2, or zstd, which libvirt 9.0 refuses. See WriteOptions::libvirt.
  Libvirt,
  /// The stream with a place for each page, as QEMU 9.0 and later writes it (mapped-ram): a regular
  /// file, neither packed nor encrypted. See StateWriter::leave_index_beside().
  MappedRam,
};
/// "qevm", "libvirt", "mapped-ram".
std::string_view name_of(FileForm form);

/// What libvirt wants to know of a guest. The texts may hold passwords.
struct LibvirtDomain {
  /// The domain as it ran (`virsh dumpxml --migratable --security-info`): libvirt starts its QEMU
  /// by this, and names devices its own way, so that the stream must come from such a one.
  std::string xml;
  std::string cookie = {};  ///< of another image of this guest; empty: none
  /// Whether the guest runs once it is restored. Default: as the stream was saved.
  std::optional<bool> runs = std::nullopt;
};

/// What the plain stream is made into.
struct WriteOptions {
  FileForm form = FileForm::Qevm;
  std::optional<LibvirtDomain> libvirt = std::nullopt;  ///< for FileForm::Libvirt, which needs it
  Coding coding = Coding::Zstd;
  std::optional<int> level = std::nullopt;  ///< default: the coding's own
  /// A shell's command that packs instead: what it reads from stdin it prints packed.
  std::optional<std::string> filter = std::nullopt;
  /// Gzip and Zstd get an index behind their blocks. set_index() gives it.
  bool indexed = true;
  /// An OpenPGP message around what is packed.
  std::optional<OpenPgpWriteOptions> openpgp = std::nullopt;
  /// Keys that could not read the message here are an error at once, not in read_back().
  bool must_read_back = false;
  bool digest = false;                                ///< sha256() is wanted
  std::optional<uint64_t> most_bytes = std::nullopt;  ///< of the file; one more byte fails
  unsigned threads = 0;                               ///< 0: one a core
  WaitLimits limits = {};
};

/// A state file that is being written.
///
///   create() -> entrance(): write the plain stream -> set_index() -> entrance().finish()
///            -> read_back(), where wanted -> publish()
///
/// StateIndex comes from an IndexBuilder, or from a capture (CaptureOptions::index), which calls
/// set_index() when it is time. Destroyed without publish(), a file leaves nothing behind.
/// Memory: that of the encoder.
class StateWriter {
 public:
  /// Errc::Usage where the form does not go with the other options or with the target, and for XML
  /// that is none of a domain. A save image of libvirt calls itself unfinished until publish().
  ///
  /// A file of mode 0600 that appears under its name with publish(), see OutputFile; devices and
  /// FIFOs are written in place.
  static Result<StateWriter> create(const std::string& path, Overwrite overwrite,
                                    WriteOptions options = {});
  /// The same for a file that has been created.
  static Result<StateWriter> create(std::unique_ptr<OutputFile> file, WriteOptions options = {});
  /// Into any other sink, such as stdout or a command. finish() finishes it.
  static Result<StateWriter> create(std::unique_ptr<ByteSink> target, WriteOptions options = {});
  StateWriter(StateWriter&&) noexcept;
  ~StateWriter();

  /// Takes the plain stream.
  ByteSink& entrance();
  /// The file, for one who writes it instead of entrance(); null for another sink.
  OutputFile* file();

  /// Whether the file has a place for an index: then finish() of the entrance needs it.
  bool wants_index() const;
  void set_index(StateIndex index);
  /// Whether the file can be read by position, as far as that is known: it is neither encrypted nor
  /// bzip2, nor packed by a filter.
  bool is_for_positions() const;
  /// After publish(), for a file without such a place: leaves the index that was set beside it. Of
  /// a mapped-ram file that entrance() has written, places are looked up in the file. Nothing of
  /// that name is replaced but, where that is wanted, an index.
  Status leave_index_beside(Overwrite overwrite) const;

  /// After entrance().finish(): the file as it is on the disk, to be read once from front to end.
  /// Errc::Unsupported without a file.
  Result<StateFile> read_back();
  /// After entrance().finish(): makes a file durable and visible. Errc::Usage where that has not
  /// been called or has failed, and where the file is empty. For other sinks that is the caller's
  /// affair.
  Status publish();

  /// Bytes on their way to the far end; all of them have arrived once entrance().finish() is ok.
  uint64_t bytes_written() const;
  /// Their SHA-256, in hexadecimal, after entrance().finish(); empty unless it was asked for.
  std::string sha256() const;

 private:
  struct State;
  explicit StateWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The stream in `plain` (borrowed), of which `index` is the index, written anew: each page that
/// was sent comes once, as it was last, in the order of the block list, in a single section. All
/// that is not memory stays as it is, byte for byte. A receiver comes to the same guest; the same
/// memory gives the same bytes, however often it was sent.
///
/// Memory: that of RamImage, and 2 MiB. A stream of more records than an index keeps is read once
/// more; then 24 bytes for each place at which something else stands between its memory, 48 MiB at
/// most. Errc::Unsupported where pages cannot be put into another order: postcopy and mapped-ram
/// streams, those of QEMU before 0.13, one with pages in front of its first PART, one with more
/// such places, and where the index has no page map. Errc::Malformed for a stream that the parser
/// found incomplete.
Result<std::unique_ptr<ByteSource>> make_compact_source(RandomSource& plain, StateIndex index);

}  // namespace vmstream
