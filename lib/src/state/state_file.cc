// SPDX-License-Identifier: MIT
#include <vmstream/state_file.h>

#include <filesystem>
#include <utility>

#include <vmstream/indexing.h>
#include "io/wait.h"
#include "state/index_comparison.h"
#include "state/open_contents.h"
#include "state/recognise.h"
#include "state/state_file_state.h"
#include "state/unmapped.h"
#include "state/unwrapping.h"
#include "state/watched_source.h"

namespace vmstream {
namespace {

// Enough for the header and a configuration.
constexpr size_t kConfigurationBytes = 4096;

// A stream that is read by position, and what it is read from.
class StreamOfFile final : public ByteSource {
 public:
  using Make = Result<std::unique_ptr<ByteSource>> (*)(RandomSource& plain);

  static Result<std::unique_ptr<ByteSource>> open(std::unique_ptr<SeekableState> file, Make make) {
    if (!file || !file->plain()) return no_positions();
    auto stream = make(*file->plain());
    if (!stream) return stream.error();
    return std::unique_ptr<ByteSource>(new StreamOfFile(std::move(file), std::move(*stream)));
  }
  Result<size_t> read(std::span<std::byte> into) override { return stream_->read(into); }
  Result<std::span<const std::byte>> next() override { return stream_->next(); }

 private:
  StreamOfFile(std::unique_ptr<SeekableState> file, std::unique_ptr<ByteSource> stream)
      : file_(std::move(file)), stream_(std::move(stream)) {}

  std::unique_ptr<SeekableState> file_;
  std::unique_ptr<ByteSource> stream_;  // reads the file
};

Result<std::unique_ptr<ByteSource>> make_whole_stream(RandomSource& plain) {
  return make_stretch_source(plain, 0, plain.length());
}

// Pages that have their places in the file are of no use to who reads a pipe.
Result<std::unique_ptr<ByteSource>> refuse_mapped_ram(std::unique_ptr<ByteSource> plain) {
  std::vector<std::byte> head(kConfigurationBytes);
  auto count = read_fully(*plain, head);
  if (!count) return count.error();
  head.resize(*count);
  if (is_mapped_ram(*make_random_memory(head))) {
    return Error{
        .code = Errc::Unsupported,
        .message = "a mapped-ram stream must be read by position",
        .hint = "unpack it first: vmstream-inspect extract stream FILE -o X, then restore X"};
  }
  return make_prefixed_source(std::move(head), std::move(plain));
}

// All of them; none where `path` is a file that is read alone.
Result<std::vector<std::string>> find_parts(const std::string& path,
                                            const std::vector<std::string>& more) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown)) {
    if (more.empty()) return list_guest_parts(path);
    return Error{Errc::Usage, "a folder is one guest, and must be given alone"};
  }
  std::vector<std::string> paths;
  if (more.empty()) return paths;
  paths.push_back(path);
  paths.insert(paths.end(), more.begin(), more.end());
  return paths;
}

Error read_already() {
  return Error{Errc::Usage, "what is no file can be read once only"};
}

}  // namespace

Error no_positions(const std::string& reason) {
  return Error{Errc::Unsupported, "the file cannot be read by position: " + reason};
}

std::unique_ptr<SeekableState> StateFile::State::open_seekable() const {
  auto opened = open_seekable_state(reader(), {.decode = {.cache_bytes = options.cache_bytes},
                                               .sidecar = sidecar,
                                               .nesting = options.nesting,
                                               .limits = limits(),
                                               .index = made ? made->bytes : nullptr,
                                               .digests = stream_digests});
  return opened ? std::make_unique<SeekableState>(std::move(*opened)) : nullptr;
}

Status StateFile::State::look_inside() {
  if (!input.file) {
    if (!options.snapshot) return ok();
    return Error{.code = Errc::Unsupported,
                 .message = "the snapshots of an image are read by position, not from a pipe",
                 .hint = "put the image into a file, and read FILE#SNAPSHOT"};
  }
  if (!chosen) chosen = choose_snapshot(*input.file->reader(limits()), options.snapshot);
  return *chosen ? ok() : Status(chosen->error());
}

std::unique_ptr<RandomSource> StateFile::State::reader() const {
  auto file = input.file->reader(limits());
  return is_in_image() ? make_snapshot_source(std::move(file), (**chosen)->state) : std::move(file);
}

void StateFile::State::set_containers(std::vector<Container> within) {
  containers = std::move(within);
  if (!is_in_image()) return;
  containers.insert(containers.begin(), {.type = "qcow2", .snapshot = (**chosen)->facts});
}

void StateFile::State::note_outer_containers() {
  if (!input.file || !containers.empty()) return;
  auto file = reader();
  auto contents = open_contents(*file, options.nesting);
  if (contents) set_containers(descriptions_of(*contents));
}

SeekableState* StateFile::State::seek() {
  if (!sought && may_be_sought()) {
    if (look_inside()) seekable = open_seekable();
    sought = true;
    if (seekable && containers.empty()) set_containers(seekable->containers);
  }
  return seekable.get();
}

void StateFile::State::seek_anew() {
  if (seekable) earlier.push_back(std::move(seekable));
  sought = false;
}

std::unique_ptr<RandomSource> StateFile::State::proved_reader() const {
  auto file = reader();
  return file_digests ? make_proved_source(std::move(file), file_digests) : std::move(file);
}

// Of what begins with nothing known it is said what that is.
Error StateFile::State::why_not() const {
  if (parts) {
    Error error = no_positions("it is several, the parts of one guest");
    error.hint = "make one file of them: vmdump --from FOLDER -o guest.zst";
    return error;
  }
  if (!input.file) return no_positions("it is no file");
  if (options.required_signer) {
    return no_positions("a signature is demanded, which is its last word");
  }
  if (file_digests) return no_positions("it was proved from front to end");
  auto file = reader();
  auto contents = open_contents(*file, options.nesting);
  if (!contents) return contents.error();
  auto head = read_head(innermost(*file, *contents));
  bool is_known = !contents->empty() || begins_state_file(head);
  return is_known ? no_positions() : explain_unrecognised(head, "");
}

StateFile::StateFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
StateFile::StateFile(StateFile&&) noexcept = default;
StateFile& StateFile::operator=(StateFile&&) noexcept = default;
StateFile::~StateFile() = default;

Result<std::unique_ptr<ByteSource>> StateFile::State::join_parts() {
  auto joined = parts->join(options);
  if (!joined) return joined.error();
  containers = std::move(joined->containers);
  if (!stream_digests) return std::move(joined->plain);
  return make_proved_source(std::move(joined->plain), stream_digests);
}

Result<StateFile> StateFile::open(const std::string& path, OpenOptions options) {
  auto paths = find_parts(path, options.parts);
  if (!paths) return paths.error();
  if (!paths->empty()) {
    auto parts = GuestParts::open(*paths);
    if (!parts) return parts.error();
    return StateFile(std::make_unique<State>(State{
        .input = {}, .options = std::move(options), .sidecar = {}, .parts = std::move(*parts)}));
  }
  StateName name = StateName::parse(path);
  auto input = open_input(name.file, options.decode.limits);
  if (!input) return input.error();
  if (!options.snapshot) options.snapshot = std::move(name.snapshot);
  if (!options.sidecar) options.sidecar = sidecar_path(path);
  return open(std::move(*input), std::move(options));
}

StateFile StateFile::open(OpenedInput input, OpenOptions options) {
  auto sidecar = options.sidecar.value_or("");
  return StateFile(
      std::make_unique<State>(State{std::move(input), std::move(options), std::move(sidecar)}));
}

Result<StateFile> StateFile::again() const {
  return again(state_->options);
}

Result<StateFile> StateFile::again(OpenOptions options) const {
  if (!can_be_reread()) return read_already();
  bool same_snapshot = !options.snapshot || options.snapshot == state_->options.snapshot;
  if (!options.snapshot) options.snapshot = state_->options.snapshot;
  if (!same_snapshot) {
    return Error{Errc::Usage, "another snapshot is another file: open() it"};
  }
  auto state = std::make_unique<State>(State{.input = {.file = state_->input.file},
                                             .options = std::move(options),
                                             .sidecar = state_->sidecar,
                                             .containers = state_->containers,
                                             .made = state_->made,
                                             .page_index = state_->page_index,
                                             .new_sidecar = state_->new_sidecar,
                                             .file_digests = state_->file_digests,
                                             .stream_digests = state_->stream_digests,
                                             .parts = state_->parts,
                                             .chosen = state_->chosen});
  if (state->options.sidecar) state->sidecar = *state->options.sidecar;
  return StateFile(std::move(state));
}

Result<std::optional<ImageSnapshots>> StateFile::snapshots() {
  if (!state_->input.file) return std::optional<ImageSnapshots>();
  return list_snapshots(*state_->input.file->reader(state_->limits()));
}

std::shared_ptr<const ImageSnapshot> StateFile::chosen_snapshot() {
  bool is_clear = bool(state_->look_inside()) && state_->is_in_image();
  return is_clear ? (**state_->chosen)->facts : nullptr;
}

std::vector<std::string> StateFile::warnings() {
  if (!state_->input.file) return {};
  auto warnings = header_warnings(*state_->input.file->reader(state_->limits()));
  if (!warnings) return {};
  if (state_->input.file->is_written_by_qemu()) {
    warnings->emplace_back("a QEMU writes to this image: what is read may be half-written");
  }
  return std::move(*warnings);
}

bool StateFile::can_be_reread() const {
  return state_->input.file || state_->parts;
}

const std::vector<Container>& StateFile::containers() const {
  return state_->containers;
}

std::vector<Problem> StateFile::container_problems() const {
  std::vector<Problem> problems;
  for (const Container& container : containers()) {
    for (const std::string& problem : container.problems) {
      problems.push_back(
          {.message = container.type + ": " + problem, .effect = LoadEffect::Ignored});
    }
  }
  return problems;
}

Result<std::unique_ptr<ByteSource>> StateFile::stream(const ByteFilter& filter) {
  if (state_->parts) return state_->join_parts();
  if (auto found = state_->look_inside(); !found) return found.error();
  auto bytes = std::exchange(state_->input.stream, nullptr);
  if (can_be_reread()) {
    if (state_->stream_digests) {
      return StreamOfFile::open(state_->open_seekable(), make_whole_stream);
    }
    bytes = make_whole_source(state_->proved_reader());
  }
  if (!bytes) return read_already();
  if (filter) bytes = filter(std::move(bytes));
  auto unwrapped = unwrap(std::move(bytes), state_->options);
  if (!unwrapped) {
    state_->note_outer_containers();
    return unwrapped.error();
  }
  state_->set_containers(std::move(unwrapped->containers));
  return std::move(unwrapped->plain);
}

Result<std::unique_ptr<ByteSource>> StateFile::piped_stream() {
  if (is_mapped_ram()) return StreamOfFile::open(state_->open_seekable(), make_unmapped_source);
  auto plain = stream();
  if (!plain) return plain;
  return refuse_mapped_ram(std::move(*plain));
}

Result<RandomSource*> StateFile::random() {
  SeekableState* file = state_->seek();
  if (file && file->plain()) return file->plain();
  if (auto found = state_->look_inside(); !found) return found.error();
  if (auto within = check_limits(state_->limits(), "input"); !within) return within.error();
  return state_->why_not();
}

bool StateFile::is_packed() {
  SeekableState* file = state_->seek();
  return file && file->coding;
}

// A table that lies may leave out a stream and lead to another one behind it.
bool StateFile::is_mapped_ram() {
  SeekableState* file = state_->seek();
  return file && file->plain() && vmstream::is_mapped_ram(*file->plain()) &&
         (state_->made || has_sure_positions(*file));
}

const IndexReader* StateFile::index() {
  SeekableState* file = state_->seek();
  return file && file->index ? &*file->index : nullptr;
}

std::optional<Error> StateFile::index_fault() {
  SeekableState* file = state_->seek();
  return file ? file->index_fault : std::nullopt;
}

std::vector<Problem> StateFile::check_index(const StateIndex& scanned) {
  SeekableState* file = state_->seek();
  if (!file) return {};
  std::vector<Problem> problems;
  auto fault = file->index_fault;
  if (file->index) {
    auto claimed = file->index->read();
    if (claimed) problems = compare_index(*claimed, scanned);
    if (!claimed) fault = claimed.error();
  }
  // Else it is an index beside the file that is not believed or cannot be opened.
  bool is_of_file = fault && is_stream_fault(*fault);
  if (is_of_file) problems.push_back({.offset = 0, .message = describe(*fault)});
  for (Problem& problem : check_positions(*file, scanned.facts)) {
    problems.push_back(std::move(problem));
  }
  return problems;
}

std::shared_ptr<const std::vector<std::byte>> StateFile::new_sidecar() const {
  return state_->new_sidecar;
}

Result<RamImage> StateFile::ram(const IndexingObserver& observer) {
  auto index = page_index(observer);
  if (!index) return index.error();
  auto plain = random();
  if (!plain) return plain.error();
  return RamImage::make(**plain, std::move(*index));
}

// The second reading is the same as the first. By position it is the stream that is compared, since
// a table could lead to other bytes of the file; from front to end it is the file, and what stands
// behind the stream belongs to it. Several files together have nothing but their stream; of a disk
// image it is the state in it, wherever its clusters lie.
Status StateFile::prove(const std::function<Status(ByteSource& stream)>& judge) {
  if (!can_be_reread()) return read_already();
  if (!judge) return Error{Errc::Usage, "prove() wants a judge"};
  if (auto found = state_->look_inside(); !found) return found;
  bool of_stream = is_mapped_ram() || state_->parts;
  bool has_places_of_file = !of_stream && !state_->is_in_image();
  auto digests = std::make_shared<PieceDigests>(has_places_of_file ? PieceDigests::Of::File
                                                                   : PieceDigests::Of::Stream);
  auto note = [&](std::unique_ptr<ByteSource> bytes) {
    return make_noting_source(std::move(bytes), digests);
  };
  auto judged = of_stream ? stream() : stream(note);
  if (!judged) return judged.error();
  if (of_stream) *judged = note(std::move(*judged));
  WatchedSource watched(**judged);
  if (auto good = judge(watched); !good) return good;
  if (auto whole = watched.require_end(); !whole) return whole;
  if (!of_stream) {
    if (auto rest = digests->append_rest(*state_->reader()); !rest) return rest;
  }
  if (auto sealed = digests->seal(); !sealed) return sealed;
  (of_stream ? state_->stream_digests : state_->file_digests) = std::move(digests);
  state_->seek_anew();
  return ok();
}

}  // namespace vmstream
