// SPDX-License-Identifier: MIT
#include <vmstream/state_file.h>

#include <fmt/format.h>

#include "state/recognise.h"

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

// Of a file that begins with nothing known.
Result<StateFile> open_within(StateFile state, std::vector<std::byte> head) {
  Error unknown = explain_unrecognised(head, place_of(state.containers));
  if (!state.containers.empty() || head.size() < kRecogniseBytes || is_known_foreign(head)) {
    return unknown;
  }
  auto found = find_stream_within(*state.plain, std::move(head));
  if (!found) return found.error();
  if (!*found) return unknown;
  state.containers = {{"offset", (*found)->offset}, {"qevm"}};
  state.plain = make_prefixed_source(std::move((*found)->front), std::move(state.plain));
  return state;
}

}  // namespace

Result<StateFile> open_state(std::unique_ptr<ByteSource> file, OpenOptions options) {
  StateFile state;
  state.plain = std::move(file);
  for (;;) {
    auto head = read_head(*state.plain);
    if (!head) return head.error();
    bool is_plain = is_plain_stream(*head);
    auto coding = recognise_coding(*head);
    if (!is_plain && !coding) return open_within(std::move(state), std::move(*head));
    state.plain = make_prefixed_source(std::move(*head), std::move(state.plain));
    if (is_plain) {
      state.containers.push_back({"qevm"});
      return state;
    }
    if (state.containers.size() == options.nesting) {
      return Error{Errc::Unsupported, fmt::format("{}{}, more than {} containers within each other",
                                                  place_of(state.containers),
                                                  traits_of(*coding).name, options.nesting)};
    }
    state.containers.push_back({std::string(traits_of(*coding).name)});
    auto decoder = make_decoder(*coding, std::move(state.plain), options.decode);
    if (!decoder) return decoder.error();
    state.plain = std::move(*decoder);
  }
}

}  // namespace vmstream
