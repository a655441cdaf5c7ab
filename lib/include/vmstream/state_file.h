// SPDX-License-Identifier: MIT
// A state file: what it is wrapped in, its stream, its index, its guest's memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/codec.h>
#include <vmstream/container.h>
#include <vmstream/image_snapshot.h>
#include <vmstream/openpgp.h>
#include <vmstream/ram_image.h>
#include <vmstream/random_source.h>
#include <vmstream/state_index.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// A state file as people name it: FILE, or FILE#SNAPSHOT for an internal snapshot of a disk image.
struct StateName {
  std::string file;
  std::optional<std::string> snapshot = std::nullopt;  ///< its name or its id

  /// A file that has all of `text` for its name comes first. Else the name of the file is as much
  /// of it before a '#' as there is a file for.
  static StateName parse(const std::string& text);
};

/// How a file is opened.
struct OpenOptions {
  DecodeOptions decode = {};  ///< its limits are those of all reading
  unsigned nesting = 4;  ///< containers within containers; stops a file that never ends unwrapping
  /// Whether a page channel of a multifd migration is taken too, whose last container is "multifd",
  /// and the second connection of a postcopy migration, "postcopy-preempt".
  bool page_channels = false;
  /// More files of the same guest, see StateFile::open().
  std::vector<std::string> parts = {};
  /// Of a qcow2 image, the snapshot whose state is read, by its name or id: Errc::Usage for any
  /// other file. Default: the only one that holds a state.
  std::optional<std::string> snapshot = std::nullopt;
  bool decrypt = true;  ///< whether gpg may be run on OpenPGP messages; else Errc::Unsupported
  OpenPgpReadOptions openpgp = {};
  /// Where one is set, the stream ends well only if one of the OpenPGP containers carries a good
  /// signature of the key. A file without such a container is Errc::Refused at once, and no file is
  /// read by position.
  std::optional<RequiredSigner> required_signer = std::nullopt;
  /// Where to look, when it is first wanted, for the index of a file that carries none. Default: at
  /// sidecar_path() (indexing.h) of the path that is opened, nowhere for what is opened without
  /// one.
  std::optional<std::string> sidecar = std::nullopt;
  size_t cache_bytes = 16 * 1024 * 1024;  ///< decoded blocks that random() keeps, at most
};

/// Told when a file has no index that can be used, before it is read from front to end for one, and
/// after.
struct IndexingObserver {
  std::function<void(const std::string& reason)> on_begin = {};
  std::function<void(std::chrono::duration<double> taken)> on_end = {};
};

/// How an index is made.
struct IndexingOptions {
  /// Reads the stream to its end and gives its index, as an IndexBuilder makes it; Errc::Usage
  /// where bytes are left. Default: a reader for which a stream that breaks off or is damaged is an
  /// error, and whose index has no SHA-256.
  std::function<Result<StateIndex>(ByteSource& stream)> read = {};
  /// A file that no index makes readable by position is Errc::Unsupported, as early as can be; and
  /// gpg is not run.
  bool for_positions = false;
  /// From then on stream(), random() and ram() give nothing but what was read for the index.
  /// Implies for_positions.
  bool prove = false;
};

/// An index that was made.
struct MadeIndex {
  std::shared_ptr<const StateIndex> index;
  /// The same as bytes, with the places from which a packed file can be decoded. To be kept beside
  /// the file: publish_sidecar(sidecar_path(path), *bytes, ...), of indexing.h.
  std::shared_ptr<const std::vector<std::byte>> bytes;
  bool by_position = false;  ///< the file can be read by position with it
};

/// The files in `folder` that are parts of one guest, sorted by name: all but hidden ones and
/// indexes (.vmsx). Errc::Usage for a folder with something in it that is no file, Errc::Malformed
/// for an empty one.
Result<std::vector<std::string>> list_guest_parts(const std::string& folder);

/// A state file, opened once; all that is asked of it is asked of what was opened, whatever becomes
/// of its name (a sidecar has a name only). Used by one thread at a time; again() is for others.
/// What random(), index() and ram() have given stays valid, and as it was, as long as the
/// StateFile; after make_index() and prove() they give anew, by what those have read.
///
///   StateFile::open(path) -> stream(): from front to end, any file
///                         -> random(), ram(): by position, at once where the file has an index
///
/// Opening reads nothing. The first bytes of the file tell what it is, never its name.
class StateFile {
 public:
  /// A file, a block device, a FIFO; a snapshot of a disk image, see StateName; or the parts of one
  /// guest that was sent through several connections: a folder of them, see list_guest_parts(), or
  /// `path` and OpenOptions::parts, in any order. They are the main stream, and the page channels
  /// of a multifd migration or the second connection of a postcopy migration with preemption, all
  /// files, each packed as it likes.
  ///
  /// Such parts are read as one file with the stream that QEMU would have sent through one
  /// connection: the pages of the channels stand in its ram sections as ordinary records. Its first
  /// container is "multifd" or "postcopy-preempt", the others are those of the main stream. It can
  /// be read from front to end only. stream() fails, at the latest at its end, for parts that are
  /// not one guest and all of it; a required signature must be on each part.
  static Result<StateFile> open(const std::string& path, OpenOptions options = {});
  /// What has been opened already: a file, or bytes that come once.
  static StateFile open(OpenedInput input, OpenOptions options = {});
  StateFile(StateFile&&) noexcept;
  StateFile& operator=(StateFile&&) noexcept;
  ~StateFile();

  /// The same file once more, for another thread, or with other options. What was made or proved of
  /// it holds there too, and so does its sidecar where `options` name none. Errc::Usage for bytes
  /// that come once.
  Result<StateFile> again() const;
  Result<StateFile> again(OpenOptions options) const;

  /// The snapshots of a qcow2 image; empty for any other file.
  Result<std::optional<ImageSnapshots>> snapshots();
  /// The one of them that is read; null for any other file, and where that is not clear.
  std::shared_ptr<const ImageSnapshot> chosen_snapshot();
  /// What those should know who take what is read for the state of a guest: of an image that a QEMU
  /// writes to, or that was not closed, or whose tables contradict each other.
  std::vector<std::string> warnings();

  /// Whether it is a file or a block device; anything else gives its stream once.
  bool can_be_reread() const;
  /// The layers, as functions below have found them; empty before.
  const std::vector<Container>& containers() const;
  /// What is wrong with them although the stream can be read: at offset 0 each, since it is not in
  /// the stream, and nothing that QEMU sees.
  std::vector<Problem> container_problems() const;

  /// Puts something between the file's own bytes and what unwraps them. Parts of a guest have no
  /// bytes of their own together: there it is not used.
  using ByteFilter = std::function<std::unique_ptr<ByteSource>(std::unique_ptr<ByteSource>)>;

  /// The stream from its first byte, decoded and checked; lives on without the StateFile.
  ///
  /// The file is unwrapped until the stream's magic appears. In one that begins with nothing known
  /// the head of a stream is searched, at multiples of 512 within the first 16 MiB. Fails with
  /// Errc::Malformed for bytes that are no state file (saying what was found), Errc::Truncated for
  /// an empty one, Errc::Unsupported for a container that is known but not read, with a hint what
  /// to do. The message of a failure inside a container names it: "gzip holds …". Decoded and
  /// checked are the containers: that the stream is whole is for verify_stream() to say.
  Result<std::unique_ptr<ByteSource>> stream(const ByteFilter& filter = {});

  /// The stream as QEMU sends it over a connection: that of a mapped-ram file, which QEMU takes
  /// from a file only and of 9.0 at least, is written anew without places in the file. Any QEMU
  /// that knows the machine takes it through a pipe. Lives on without the StateFile.
  /// Errc::Unsupported for a mapped-ram stream in a file for which is_mapped_ram() is false.
  Result<std::unique_ptr<ByteSource>> piped_stream();

  /// The stream by position, decoded and checked where it is read. Belongs to the StateFile.
  /// Errc::Unsupported where the file's form does not allow it: a container within another, an
  /// encrypted file, bytes that come once, and foreign files whose blocks cannot be found without
  /// decoding, as long as they have no index. Errc::Malformed and Errc::Truncated as in stream().
  Result<RandomSource*> random();
  /// Whether random() decodes blocks.
  bool is_packed();
  /// Whether each page has a place of its own in the file (capability mapped-ram). False where
  /// random() fails, and where its own tables or a sidecar alone tell where the blocks of a packed
  /// file lie; make_index() finds that out.
  bool is_mapped_ram();

  /// The index that the file carries, or that lies beside it; null where there is none that can be
  /// used. What it says is to be held against the stream's own framing where it is used.
  const IndexReader* index();
  /// Why an index that is there is not used. Errc::Refused for one beside the file that somebody
  /// else may have written.
  std::optional<Error> index_fault();

  /// What the file says otherwise than `scanned`, which an IndexBuilder made while the whole stream
  /// was read: in the index that it carries or that lies beside it, a fault of that index included,
  /// and in the tables by which it is read by position. None where all agree, and where the file
  /// has neither. An index that somebody else may have written is none.
  ///
  /// Compared is everything that the stream tells: lengths, SHA-256 where both have one, facts, RAM
  /// blocks, counts of pages, the table of records, and the place of every page and delta. Of each
  /// table the first entry that differs is named, of the page map the first page of each block,
  /// with both places. What only the sender knew (passes by time, circumstances of the capture) is
  /// not compared, nor are tables that the index left out. Of a stream that is not complete only
  /// the facts are.
  std::vector<Problem> check_index(const StateIndex& scanned);

  /// Reads the stream once, whole, and makes its index. The file is read by it from then on; the
  /// one that it carries and the one beside it are not looked at.
  Result<MadeIndex> make_index(const IndexingOptions& options = {});
  /// An index with records and the places of pages: the one that the file has, or else one that is
  /// made. Errc::Unsupported where the file cannot be read by position.
  Result<std::shared_ptr<const StateIndex>> page_index(const IndexingObserver& observer = {});
  /// The bytes of the index that page_index() had to make of a file that only an index makes
  /// readable by position; else null.
  std::shared_ptr<const std::vector<std::byte>> new_sidecar() const;
  /// The memory of the guest, by page_index(); belongs to the StateFile.
  Result<RamImage> ram(const IndexingObserver& observer = {});

  /// Lets `judge` read the stream to its end; Errc::Usage where it leaves bytes. What stream() or
  /// piped_stream() gives from then on is what was judged, or an error. Of a mapped-ram file that
  /// holds for all reading, any other is no longer read by position. Errc::Usage for bytes that
  /// come once.
  Status prove(const std::function<Status(ByteSource& stream)>& judge);

  struct State;  ///< of the library alone

 private:
  explicit StateFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
