// SPDX-License-Identifier: MIT
#include "vmstream-inspect/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <vmstream/text.h>

namespace vmtools {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Status;

namespace {

struct QuestionWord {
  std::string_view word;
  Question question;
  std::string_view help;
  size_t least_arguments = 0;  // behind FILE
  size_t most_arguments = 0;
};

// Parsed, shown in --help and named in messages.
constexpr std::array kQuestions{
    QuestionWord{"info", Question::Info,
                 "machine, QEMU version, RAM, devices, complete or not (default)"},
    QuestionWord{"sections", Question::Sections,
                 "every record in stream order; no byte is left out"},
    QuestionWord{"devices", Question::Devices,
                 "device sections with their number of fields and subsections"},
    QuestionWord{"ram", Question::Ram, "page records by kind, passes, pages sent again"},
    QuestionWord{"device", Question::Device,
                 "FILE IDSTR [FIELD.PATH]: the fields of a device, or one of them; the end of "
                 "its idstr is enough",
                 1, 2},
    QuestionWord{"vmdesc", Question::Vmdesc, "the description that the stream carries, as JSON"},
    QuestionWord{"dump", Question::Dump, "everything decoded, see --format"},
    QuestionWord{"hexdump", Question::Hexdump, "offset, bytes and meaning of every byte"},
    QuestionWord{"extract", Question::Extract,
                 "ram, block, section, stream or vmdesc FILE: a part into a file, see -o"},
    QuestionWord{"verify", Question::Verify,
                 "read everything: is it whole, and does it agree with itself?"},
    QuestionWord{"index", Question::Index,
                 "read the file once and leave an index beside it, FILE.vmsx or -o"},
    QuestionWord{"explain", Question::Explain, "where and why a load would fail, in sentences"},
};

struct PartWord {
  std::string_view word;
  Part part;
};

constexpr std::array kParts{
    PartWord{"ram", Part::Ram},         PartWord{"block", Part::Block},
    PartWord{"section", Part::Section}, PartWord{"stream", Part::Stream},
    PartWord{"vmdesc", Part::Vmdesc},
};

const QuestionWord* find_question(std::string_view word) {
  auto found = std::find_if(kQuestions.begin(), kQuestions.end(),
                            [&](const QuestionWord& entry) { return entry.word == word; });
  return found == kQuestions.end() ? nullptr : found;
}

std::string known_words() {
  std::string words;
  for (const QuestionWord& entry : kQuestions) {
    words += fmt::format("{}{}", words.empty() ? "" : ", ", entry.word);
  }
  return words;
}

// "extract ram FILE" becomes "extract FILE" and the part.
Status take_part(InspectOptions& options) {
  auto& words = options.words;
  if (words.size() < 2 || words[0] != "extract") return vmstream::ok();
  auto found = std::ranges::find(kParts, words[1], &PartWord::word);
  if (found == kParts.end()) {
    return Error{Errc::Usage,
                 fmt::format("'{}' is no part; there are ram, block, section, stream, vmdesc",
                             vmstream::escape(words[1]))};
  }
  options.part = found->part;
  words.erase(words.begin() + 1);
  return vmstream::ok();
}

Status take_instance(InspectOptions& options, const std::string& text) {
  uint32_t number = 0;
  const char* behind = text.data() + text.size();
  auto [end, failure] = std::from_chars(text.data(), behind, number);
  if (failure != std::errc{} || end != behind) {
    return Error{Errc::Usage,
                 fmt::format("'{}' is no instance id, such as 0", vmstream::escape(text))};
  }
  options.instance = number;
  return vmstream::ok();
}

// At most one of them may.
Status check_stdin(const InspectOptions& options) {
  std::vector<std::string_view> readers;
  if (options.file == "-") readers.push_back("FILE -");
  if (options.passphrase.uses_stdin()) readers.push_back("--passphrase-fd 0");
  if (options.error == "-") readers.push_back("--error -");
  if (readers.size() < 2) return vmstream::ok();
  return Error{Errc::Usage, fmt::format("{} and {} both want stdin", readers[0], readers[1])};
}

Status take_arguments(InspectOptions& options, const QuestionWord& question) {
  const auto& words = options.words;
  size_t most = 2 + question.most_arguments;
  if (words.size() > most) {
    return Error{Errc::Usage, fmt::format("one FILE at a time; '{}' is one too many",
                                          vmstream::escape(words[most]))};
  }
  options.question = question.question;
  options.file = words[1];
  options.arguments.assign(words.begin() + 2, words.end());
  if (options.arguments.size() >= question.least_arguments) return check_stdin(options);
  return Error{Errc::Usage,
               fmt::format("{} wants FILE IDSTR", question.word),
               {},
               {},
               "vmstream-inspect devices FILE lists them"};
}

}  // namespace

ToolText inspect_text() {
  return {.name = "vmstream-inspect",
          .purpose = "Read the saved state of a QEMU guest without QEMU.",
          .synopsis = "vmstream-inspect [OPTIONS] [COMMAND] FILE [ARGUMENT...]",
          .examples =
              "vmstream-inspect guest.zst\n"
              "vmstream-inspect extract ram guest.zst --block pc.ram -o ram.img\n"
              "vmstream-inspect sections --json guest.gz | jq '.sections[].idstr'\n"
              "vmstream-inspect device guest.zst cpu env.eip\n"
              "ssh host cat guest.zst | vmstream-inspect devices -"};
}

void add_inspect_options(CommandLine& line, InspectOptions& options) {
  line.group("Commands");
  for (const QuestionWord& entry : kQuestions) line.row(entry.word, entry.help);
  line.group("What is read");
  line.row("FILE", "a saved guest, plain or compressed; - is stdin");
  add_passphrase_options(line, options.passphrase);
  line.flag("--digest", options.digest, "info: also compute the SHA-256 of the plain stream");
  line.flag("--full-scan", options.full_scan,
            "read all of the file, also where its ends or its index hold the answer");
  line.flag("--passes", options.passes, "ram: pages and bytes of each pass, with a plot");
  line.flag("--resends", options.resends, "ram: pages by how often they were sent, with a plot");
  line.flag("--map", options.map, "ram: a picture of each block");
  line.text("--block", "NAME", options.block,
            "extract: the RAM block, or the disk's device; the only one needs no name");
  line.value("--instance", "N", "device: only the one with this instance id",
             [&options](const std::string& text) { return take_instance(options, text); });
  line.text("--schema", "FILE", options.schema,
            "device, dump: for a stream without a description, take that of the stream in FILE, or "
            "FILE from QEMU's -dump-vmstate");
  line.text("--section", "IDSTR", options.section,
            "hexdump, extract: this section only, by its name or id");
  line.size("--offset", options.offset, "hexdump: from this offset of the plain stream on");
  line.size("--length", options.length, "hexdump: so many bytes, each of them");
  line.text("--error", "TEXT", options.error,
            "explain: what QEMU said, - reads it from stdin; shows the section, field and bytes it "
            "speaks of");
  line.text("--qemu", "VERSION", options.qemu, "explain: the release that is to load it");
  line.group("What is written");
  line.text("-o,--output", "FILE", options.output,
            "extract, index: appears whole, with mode 0600, or not at all; - is stdout of extract");
  line.flag("--force", options.force, "replace an existing FILE, allow binary to a terminal");
  line.group("How it is shown");
  line.choice("--format", options.format,
              {{"json", DumpFormat::Json}, {"xml", DumpFormat::Xml}, {"qemu", DumpFormat::Qemu}},
              "dump: qemu is what QEMU's analyze-migration.py prints [json]");
  add_common_options(line, options.common);
  line.positionals(options.words);
}

Status split_words(InspectOptions& options) {
  if (auto taken = take_part(options); !taken) return taken;
  const auto& words = options.words;
  if (words.empty()) return Error{Errc::Usage, "a FILE is wanted"};
  const QuestionWord* question = find_question(words.front());
  if (words.size() == 1) {
    if (question != nullptr) {
      return Error{Errc::Usage,
                   fmt::format("{} wants a FILE", question->word),
                   {},
                   {},
                   fmt::format("for a file of that name: ./{}", question->word)};
    }
    options.file = words.front();
    return check_stdin(options);
  }
  if (question == nullptr) {
    return Error{Errc::Usage, fmt::format("'{}' is no command; there are {}",
                                          vmstream::escape(words.front()), known_words())};
  }
  return take_arguments(options, *question);
}

}  // namespace vmtools
