// SPDX-License-Identifier: MIT
#include "state/unwrapping.h"

#include <fmt/format.h>

#include <algorithm>

#include "container/content.h"
#include "state/open_contents.h"
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

bool is_coding(const Container& container) {
  return std::ranges::any_of(
      codings(), [&](const CodingTraits& coding) { return coding.name == container.type; });
}

// A header that nobody has signed must not tell what becomes of a guest whose stream is signed.
bool has_unsigned_facts(const std::vector<Container>& containers) {
  return std::ranges::any_of(containers,
                             [](const Container& one) { return one.libvirt != nullptr; });
}

// Takes layer after layer off.
class Unwrapping {
 public:
  Unwrapping(UnwrappedStream& state, const OpenOptions& options, PlaceInFile place)
      : state_(state), options_(options), place_(std::move(place)) {}

  // Until the stream's magic appears.
  Status run() {
    for (;;) {
      auto head = read_head(*state_.plain);
      if (!head) return head.error();
      const char* channel = options_.page_channels ? channel_type(*head) : nullptr;
      bool is_plain = channel || is_plain_stream(*head);
      auto wrapping = recognise_wrapping(*head);
      if (!is_plain && !wrapping) return open_within(std::move(*head));
      state_.plain = make_prefixed_source(std::move(*head), std::move(state_.plain));
      if (is_plain) {
        state_.containers.push_back({channel ? channel : "qevm"});
        return ok();
      }
      if (auto taken = take_off(wrapping); !taken) return taken;
      if (state_.containers.size() > options_.nesting) return too_deep();
    }
  }

 private:
  // Replaces the plain bytes by what they hold.
  Status take_off(const Wrapping& wrapping) {
    FaultBorder border(place_);
    if (!state_.containers.empty()) state_.plain = border.below(std::move(state_.plain));
    auto taken = wrapping.container ? take_container(*wrapping.container)
                 : wrapping.coding  ? take_coding(*wrapping.coding)
                                    : take_openpgp(*wrapping.openpgp);
    if (!taken) return border.placed(taken.error());
    if (state_.containers.size() > 1) state_.plain = border.above(std::move(state_.plain));
    return ok();
  }

  Status take_container(ContainerKind kind) {
    auto content = open_content(kind, std::move(state_.plain), begins_state_file);
    if (!content) return content.error();
    state_.plain = std::move(content->bytes);
    state_.containers.push_back(std::move(content->description));
    place_ = place_within(std::move(place_), std::move(content->places));
    return ok();
  }

  Status take_coding(Coding coding) {
    auto decoder = make_decoder(coding, std::move(state_.plain), options_.decode);
    if (!decoder) return decoder.error();
    state_.plain = std::move(*decoder);
    state_.containers.push_back({std::string(traits_of(coding).name)});
    place_ = nowhere();
    return ok();
  }

  Status take_openpgp(OpenPgpKind kind) {
    if (!options_.decrypt) {
      return Error{Errc::Unsupported, place_of(state_.containers) +
                                          "an OpenPGP message, which is not to be decrypted"};
    }
    if (options_.required_signer && has_unsigned_facts(state_.containers)) {
      return Error{Errc::Refused, place_of(state_.containers) +
                                      "an OpenPGP message: what stands around it is not signed"};
    }
    auto message = open_openpgp(kind, std::move(state_.plain), options_.openpgp);
    if (!message) return message.error();
    state_.plain = std::move(message->content);
    state_.containers.push_back({.type = "openpgp", .openpgp = std::move(message->facts)});
    place_ = nowhere();
    return ok();
  }

  // Of a file that begins with nothing known: leaves the state at the stream found within it.
  Status open_within(std::vector<std::byte> head) {
    Error unknown = explain_unrecognised(head, place_of(state_.containers));
    bool in_coding = std::ranges::all_of(state_.containers, is_coding);
    if (!in_coding || head.size() < kRecogniseBytes || is_known_foreign(head)) return unknown;
    auto found = find_stream_within(*state_.plain, std::move(head));
    if (!found) return found.error();
    if (!*found) return unknown;
    state_.containers.push_back({.type = "offset", .content_offset = (*found)->offset});
    state_.containers.push_back({"qevm"});
    state_.plain = make_prefixed_source(std::move((*found)->front), std::move(state_.plain));
    return ok();
  }

  Error too_deep() const {
    auto outer = state_.containers;
    std::string innermost = std::move(outer.back().type);
    outer.pop_back();
    return Error{Errc::Unsupported, fmt::format("{}{}, more than {} containers within each other",
                                                place_of(outer), innermost, options_.nesting)};
  }

  UnwrappedStream& state_;
  const OpenOptions& options_;
  PlaceInFile place_;  // of the plain bytes
};

}  // namespace

Result<UnwrappedStream> unwrap(std::unique_ptr<ByteSource> file, const OpenOptions& options,
                               std::vector<Container> outer, PlaceInFile place) {
  UnwrappedStream state{std::move(outer), std::move(file)};
  if (!place) place = same_place();
  auto found = Unwrapping(state, options, std::move(place)).run();
  if (!found) return found.error();
  if (options.required_signer) {
    auto demanded = demand_signature(state, *options.required_signer);
    if (!demanded) return demanded.error();
  }
  return state;
}

}  // namespace vmstream
