// SPDX-License-Identifier: MIT
// Sections are written again from what the parser tells, which gives the bytes that it read.
#include <vmstream/extract.h>

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include <vmstream/text.h>
#include <vmstream/writer.h>

namespace vmstream {
namespace {

std::optional<uint32_t> number_in(std::string_view text) {
  uint32_t value = 0;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

SectionChoice SectionChoice::parse(std::string_view text) {
  SectionChoice choice;
  choice.section_id = number_in(text);
  if (choice.section_id) return choice;
  size_t hash = text.rfind('#');
  if (hash != std::string_view::npos) choice.instance_id = number_in(text.substr(hash + 1));
  choice.idstr = choice.instance_id ? text.substr(0, hash) : text;
  return choice;
}

bool SectionChoice::names(const SectionHeader& header) const {
  if (section_id) return header.section_id == *section_id;
  if (header.idstr != idstr && escape(header.idstr) != idstr) return false;
  return !instance_id || header.instance_id == *instance_id;
}

struct SectionExtractor::State {
  State(ByteSink& out, SectionChoice what) : writer(out), choice(std::move(what)) {}

  StreamWriter writer;
  SectionChoice choice;
  std::optional<uint32_t> found;  // section id
  bool inside = false;
  std::optional<Error> lost;     // a fault inside
  bool counted_records = false;  // stream versions 1 and 2: a length goes before the body
  std::vector<std::byte> record;
  bool listed = false;  // the head of a mapped-ram list has been written
};

SectionExtractor::SectionExtractor(ByteSink& out, SectionChoice choice)
    : state_(std::make_unique<State>(out, std::move(choice))) {}
SectionExtractor::~SectionExtractor() = default;

Status SectionExtractor::on_header(const StreamHeader& header) {
  state_->counted_records = header.version < 3;
  return ok();
}

Status SectionExtractor::on_section(const SectionHeader& header) {
  State& state = *state_;
  state.inside = false;
  if (!state.choice.names(header)) return ok();
  if (state.found && *state.found != header.section_id && !state.counted_records) {
    return Error{Errc::Usage, fmt::format("several sections are '{}'; name one by its id, {} or {}",
                                          escape(header.idstr), *state.found, header.section_id)};
  }
  state.found = header.section_id;
  state.inside = true;
  return state.counted_records ? ok() : state.writer.section(header);
}

// In a mapped-ram stream bitmaps and pages stand between the entries of the list.
Status SectionExtractor::on_ram_blocks(const RamBlockList& list) {
  State& state = *state_;
  if (!state.inside) return ok();
  if (list.blocks.empty() || !list.blocks.back().mapped) return state.writer.ram_blocks(list);
  if (!std::exchange(state.listed, true)) {
    if (auto head = state.writer.ram_total(list.total_bytes); !head) return head;
  }
  return state.writer.ram_block(list.blocks.back());
}

Status SectionExtractor::on_page(const Page& page) {
  if (!state_->inside) return ok();
  bool placed = page.block && page.block->mapped;
  return placed ? state_->writer.body(page.payload) : state_->writer.page(page);
}

Status SectionExtractor::on_ram_mark(RamMark mark, uint64_t) {
  return state_->inside ? state_->writer.ram_mark(mark) : ok();
}

Status SectionExtractor::on_body(uint64_t, std::span<const std::byte> bytes) {
  State& state = *state_;
  if (!state.inside) return ok();
  if (!state.counted_records) return state.writer.body(bytes);
  state.record.insert(state.record.end(), bytes.begin(), bytes.end());
  return ok();
}

Status SectionExtractor::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  State& state = *state_;
  if (!std::exchange(state.inside, false)) return ok();
  if (state.counted_records) {
    return state.writer.counted_record(header, std::exchange(state.record, {}));
  }
  return end.footer ? state.writer.footer(header.section_id) : ok();
}

Status SectionExtractor::on_gap(const StreamGap& gap) {
  if (state_->inside && !state_->lost) state_->lost = gap.fault;
  state_->inside = state_->inside && gap.in_section;
  return ok();
}

Status SectionExtractor::finish() {
  if (state_->lost) return *state_->lost;
  if (!state_->found) {
    const SectionChoice& choice = state_->choice;
    return Error{Errc::Usage, choice.section_id
                                  ? fmt::format("there is no section {}", *choice.section_id)
                                  : fmt::format("there is no section '{}'", escape(choice.idstr))};
  }
  if (state_->inside) return Error{Errc::Truncated, "the stream ends inside of the section"};
  return ok();
}

Status VmdescExtractor::on_vmdesc(const VmdescRecord& vmdesc) {
  found_ = true;
  return out_.write(std::as_bytes(std::span(vmdesc.json)));
}

Status VmdescExtractor::finish() const {
  if (found_) return ok();
  return Error{Errc::Usage, "the stream has no description (vmdesc)"};
}

}  // namespace vmstream
