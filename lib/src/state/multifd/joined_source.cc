// SPDX-License-Identifier: MIT
#include "state/multifd/joined_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include <vmstream/parser.h>
#include <vmstream/text.h>
#include "io/piecewise_source.h"
#include "state/multifd/guest_checks.h"
#include "state/multifd/main_editor.h"
#include "state/multifd/page_channel.h"
#include "state/multifd/preempt_channel.h"

namespace vmstream {
namespace {

// Says which part it is of; an offset in a part is none in the joined stream.
Error blame(const std::string& part, const Error& error) {
  if (!is_stream_fault(error) && error.code != Errc::Unsupported) return error;
  return Error{.code = error.code,
               .message = fmt::format("{}: {}", escape(part), describe(error)),
               .hint = error.hint};
}

// What the page channels give in step with the main stream.
class ChannelPages {
 public:
  ChannelPages(std::vector<GuestPart> parts, GuestChecks& checks)
      : parts_(std::move(parts)), checks_(checks) {}

  bool empty() const { return parts_.empty(); }

  /// Up to the SYNC of each, or to the end of each.
  Status begin(MainEdit::Insert what);
  /// Appends the next packet, or says that there is none: false.
  Result<bool> append_packet(Bytes& out);
  /// What is known of them in the end.
  std::vector<MultifdChannel> take_facts();
  const std::string& name_of(size_t channel) const { return channels_[channel].name; }

 private:
  struct Channel {
    std::string name;
    std::unique_ptr<PageChannel> pages;
    bool has_synced = false;  // in this interval
  };

  Status open();
  Status check_sync(const Channel& channel) const;
  Channel* find_next();

  std::vector<GuestPart> parts_;
  GuestChecks& checks_;
  std::vector<Channel> channels_;
  bool to_the_end_ = false;
  uint64_t intervals_ = 0;
};

Status ChannelPages::begin(MainEdit::Insert what) {
  if (channels_.empty()) {
    if (auto opened = open(); !opened) return opened;
  }
  ++intervals_;
  to_the_end_ = what == MainEdit::Insert::Rest;
  for (Channel& channel : channels_) channel.has_synced = false;
  return ok();
}

// In the order of their ids, in whatever order they were given.
Status ChannelPages::open() {
  if (auto ready = checks_.begin_channel(); !ready) return ready;
  for (GuestPart& part : parts_) {
    Channel channel{part.name,
                    std::make_unique<PageChannel>(std::move(part.bytes), checks_.common())};
    if (auto begun = channel.pages->begin(); !begun) return blame(part.name, begun.error());
    channels_.push_back(std::move(channel));
  }
  std::ranges::sort(channels_, std::less(),
                    [](const Channel& channel) { return channel.pages->id(); });
  return ok();
}

// The channel whose packet has the lowest number.
ChannelPages::Channel* ChannelPages::find_next() {
  Channel* next = nullptr;
  for (Channel& channel : channels_) {
    if (channel.pages->has_ended() || (channel.has_synced && !to_the_end_)) continue;
    if (!next || channel.pages->number() < next->pages->number()) next = &channel;
  }
  return next;
}

Status ChannelPages::check_sync(const Channel& channel) const {
  if (channel.has_synced || to_the_end_) return ok();
  return blame(channel.name,
               {Errc::Truncated,
                fmt::format("the channel ends, and has {} SYNC packets, wanted one more at least",
                            intervals_ - 1),
                channel.pages->offset()});
}

Result<bool> ChannelPages::append_packet(Bytes& out) {
  Channel* next = find_next();
  if (!next) {
    for (const Channel& channel : channels_) {
      if (auto synced = check_sync(channel); !synced) return synced.error();
    }
    return false;
  }
  if (auto appended = next->pages->append_pages(out); !appended) return appended.error();
  next->has_synced = next->has_synced || next->pages->is_sync();
  if (auto advanced = next->pages->advance(); !advanced) {
    return blame(next->name, advanced.error());
  }
  return true;
}

std::vector<MultifdChannel> ChannelPages::take_facts() {
  std::vector<MultifdChannel> facts;
  for (Channel& channel : channels_) facts.push_back(channel.pages->take_facts());
  return facts;
}

class JoinedSource final : public PiecewiseSource {
 public:
  explicit JoinedSource(JoinedParts parts)
      : main_(std::move(parts.main)), pages_(std::move(parts.page_channels), checks_) {
    if (!parts.preempt_channel) return;
    preempt_name_ = parts.preempt_channel->name;
    preempt_.emplace(std::move(parts.preempt_channel->bytes));
  }

 private:
  bool all_made() const override { return done_; }

  // One of three things is going on: channels give pages, main bytes that may go are at hand, or
  // more of them are needed.
  Status make_piece() override {
    if (inserting_ != MainEdit::Insert::Nothing) return insert();
    if (copy() || apply_edit()) return begun_;
    if (main_fault_) return *main_fault_;
    if (main_ended_) return finish();
    return read_main();
  }

  Status read_main();
  Status keep_front(std::span<const std::byte> bytes);
  void drop_given(uint64_t count);
  bool copy();
  bool apply_edit();
  uint64_t ready_offset() const;
  Status begin_insert(MainEdit::Insert what);
  Status insert();
  Status insert_preempt();
  Status finish();

  GuestPart main_;
  GuestChecks checks_{MultifdGuest::kMostSetBytes};
  ChannelPages pages_;
  std::string preempt_name_;
  std::optional<PreemptChannel> preempt_;

  MainEditor editor_;
  VisitorList visitors_{&checks_.common().main, &editor_};
  StreamParser parser_{visitors_};
  Bytes front_;            // of the main stream, up to behind ram's START; for the preempt channel
  Bytes held_;             // bytes of the main stream
  size_t given_ = 0;       // of held_
  uint64_t given_to_ = 0;  // offset in the main stream
  std::optional<Error> main_fault_;
  bool main_ended_ = false;

  MainEdit::Insert inserting_ = MainEdit::Insert::Nothing;
  Status begun_ = ok();  // the insertion that the last edit has begun
  bool preempt_done_ = false;
  bool done_ = false;
};

// What is wrong behind the memory is left to the reader: it gets these bytes as they are.
Status JoinedSource::read_main() {
  auto bytes = main_.bytes->next();
  if (!bytes) {
    main_fault_ = blame(main_.name, bytes.error());
    return ok();
  }
  auto parsed = bytes->empty() ? parser_.finish() : parser_.feed(*bytes);
  if (!parsed && !editor_.is_memory_over()) main_fault_ = blame(main_.name, parsed.error());
  main_ended_ = bytes->empty();
  held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(std::exchange(given_, 0)));
  append_bytes(held_, *bytes);
  return preempt_ ? keep_front(*bytes) : ok();
}

Status JoinedSource::keep_front(std::span<const std::byte> bytes) {
  constexpr size_t kMostFrontBytes = 16u << 20;
  const auto& start = editor_.ram_start();
  if (start && (preempt_done_ || front_.size() >= start->end_offset)) return ok();
  append_bytes(front_, bytes);
  if (start) front_.resize(static_cast<size_t>(start->end_offset));
  if (front_.size() <= kMostFrontBytes) return ok();
  return blame(main_.name, {Errc::Unsupported,
                            fmt::format("the list of RAM blocks ends behind {} bytes, wanted less",
                                        kMostFrontBytes)});
}

void JoinedSource::drop_given(uint64_t count) {
  given_ += static_cast<size_t>(count);
  given_to_ += count;
}

// Up to there edits are known: behind it a record may lack its end.
uint64_t JoinedSource::ready_offset() const {
  bool all = editor_.is_memory_over() || (main_ended_ && !main_fault_);
  return all ? given_to_ + held_.size() - given_ : parser_.confirmed_offset();
}

bool JoinedSource::copy() {
  const auto& edits = editor_.edits();
  uint64_t end = edits.empty() ? ready_offset() : edits.front().offset;
  if (end <= given_to_) return false;
  uint64_t count = end - given_to_;
  append_bytes(piece_, std::span(held_).subspan(given_, static_cast<size_t>(count)));
  drop_given(count);
  return true;
}

bool JoinedSource::apply_edit() {
  auto& edits = editor_.edits();
  if (edits.empty()) return false;
  MainEdit edit = std::move(edits.front());
  edits.pop_front();
  drop_given(edit.length);
  append_bytes(piece_, edit.bytes);
  begun_ = begin_insert(edit.insert);
  return true;
}

Status JoinedSource::begin_insert(MainEdit::Insert what) {
  if (what == MainEdit::Insert::Nothing) return ok();
  inserting_ = what;
  return pages_.empty() ? ok() : pages_.begin(what);
}

Status JoinedSource::insert() {
  if (!pages_.empty()) {
    auto appended = pages_.append_packet(piece_);
    if (!appended) return appended.error();
    if (*appended) return ok();
  }
  bool is_last = inserting_ == MainEdit::Insert::Rest;
  if (is_last && preempt_ && !preempt_done_) return insert_preempt();
  inserting_ = MainEdit::Insert::Nothing;
  return ok();
}

Status JoinedSource::insert_preempt() {
  if (!front_.empty()) {
    auto begun = preempt_->begin(std::exchange(front_, {}), editor_.ram_start()->section_id);
    if (!begun) return blame(main_.name, begun.error());
  }
  auto appended = preempt_->append_some(piece_);
  if (!appended) return blame(preempt_name_, appended.error());
  preempt_done_ = !*appended;
  return ok();
}

// What no part told while it was read.
Status JoinedSource::finish() {
  if (!editor_.is_memory_over()) {
    return blame(main_.name, {Errc::Malformed,
                              "no section 'end' of ram, wanted one to put the last pages into"});
  }
  done_ = true;
  if (pages_.empty()) return ok();
  if (auto known = checks_.begin_channel(); !known) return known;
  auto found = checks_.finish(pages_.take_facts());
  auto tell = [&](const ProblemLog& problems, const std::string& part) -> Status {
    for (LoadEffect effect : {LoadEffect::Refused, LoadEffect::Depends}) {
      const Problem* problem = problems.first(effect);
      if (problem == nullptr) continue;
      if (part.empty()) return Error{Errc::Malformed, problem->message};
      return blame(part, {Errc::Malformed, problem->message, problem->offset});
    }
    return ok();
  };
  for (size_t i = 0; i < found.channels.size(); ++i) {
    if (auto good = tell(found.channels[i].problems, pages_.name_of(i)); !good) return good;
  }
  return tell(found.problems, "");
}

}  // namespace

std::unique_ptr<ByteSource> make_joined_source(JoinedParts parts) {
  return std::make_unique<JoinedSource>(std::move(parts));
}

}  // namespace vmstream
