// SPDX-License-Identifier: MIT
#include "state/unwrapping.h"

#include <fmt/format.h>

#include "state/recognise.h"
#include "state/signature_gate.h"

namespace vmstream {
namespace {

Result<std::vector<std::byte>> read_head(ByteSource& source) {
  std::vector<std::byte> head(kRecogniseBytes);
  auto count = read_fully(source, head);
  if (!count) return count.error();
  head.resize(*count);
  return head;
}

// "zstd holds gzip holds: ", to stand before what was found inside.
std::string place_of(const std::vector<Container>& containers) {
  std::string place;
  for (const Container& container : containers) place += container.type + " holds ";
  return place;
}

// What a container is, by its first bytes.
struct Wrapping {
  std::optional<Coding> coding;
  std::optional<OpenPgpKind> openpgp;

  explicit operator bool() const { return coding || openpgp; }
  std::string name() const {
    return coding ? std::string(traits_of(*coding).name) : std::string("openpgp");
  }
};

Wrapping recognise_wrapping(std::span<const std::byte> head) {
  Wrapping wrapping{.coding = recognise_coding(head), .openpgp = {}};
  if (!wrapping.coding) wrapping.openpgp = recognise_openpgp(head);
  return wrapping;
}

// Replaces state.plain by what it holds.
Status take_off(UnwrappedStream& state, const Wrapping& wrapping, const OpenOptions& options) {
  if (wrapping.openpgp && !options.decrypt) {
    return Error{Errc::Unsupported,
                 place_of(state.containers) + "an OpenPGP message, which is not to be decrypted"};
  }
  state.containers.push_back({wrapping.name()});
  if (wrapping.openpgp) {
    auto message = open_openpgp(*wrapping.openpgp, std::move(state.plain), options.openpgp);
    if (!message) return message.error();
    state.plain = std::move(message->content);
    state.containers.back().openpgp = std::move(message->facts);
    return ok();
  }
  auto decoder = make_decoder(*wrapping.coding, std::move(state.plain), options.decode);
  if (!decoder) return decoder.error();
  state.plain = std::move(*decoder);
  return ok();
}

// Of a file that begins with nothing known: leaves state at the stream found within it.
Status open_within(UnwrappedStream& state, std::vector<std::byte> head) {
  Error unknown = explain_unrecognised(head, place_of(state.containers));
  if (!state.containers.empty() || head.size() < kRecogniseBytes || is_known_foreign(head)) {
    return unknown;
  }
  auto found = find_stream_within(*state.plain, std::move(head));
  if (!found) return found.error();
  if (!*found) return unknown;
  state.containers = {{"offset", (*found)->offset}, {"qevm"}};
  state.plain = make_prefixed_source(std::move((*found)->front), std::move(state.plain));
  return ok();
}

// Takes layer after layer off until the stream's magic appears.
Status find_plain(UnwrappedStream& state, const OpenOptions& options) {
  for (;;) {
    auto head = read_head(*state.plain);
    if (!head) return head.error();
    bool is_channel = options.page_channels && is_page_channel(*head);
    bool is_plain = is_channel || is_plain_stream(*head);
    auto wrapping = recognise_wrapping(*head);
    if (!is_plain && !wrapping) return open_within(state, std::move(*head));
    state.plain = make_prefixed_source(std::move(*head), std::move(state.plain));
    if (is_plain) {
      state.containers.push_back({is_channel ? "multifd" : "qevm"});
      return ok();
    }
    if (state.containers.size() == options.nesting) {
      return Error{Errc::Unsupported,
                   fmt::format("{}{}, more than {} containers within each other",
                               place_of(state.containers), wrapping.name(), options.nesting)};
    }
    if (auto taken = take_off(state, wrapping, options); !taken) return taken;
  }
}

}  // namespace

Result<UnwrappedStream> unwrap(std::unique_ptr<ByteSource> file, const OpenOptions& options,
                               std::vector<Container> outer) {
  UnwrappedStream state{std::move(outer), std::move(file)};
  if (auto found = find_plain(state, options); !found) return found.error();
  if (options.required_signer) {
    auto demanded = demand_signature(state, *options.required_signer);
    if (!demanded) return demanded.error();
  }
  return state;
}

}  // namespace vmstream
