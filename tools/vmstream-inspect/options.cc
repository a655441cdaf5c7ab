// SPDX-License-Identifier: MIT
#include "vmstream-inspect/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <vmstream/text.h>

namespace vminspect {

using vmstream::did_you_mean;
using vmstream::Errc;
using vmstream::Error;
using vmstream::Status;
using vmtools::add_common_options;
using vmtools::add_passphrase_options;
using vmtools::CommandLine;
using vmtools::ToolText;

namespace {

struct QuestionWord {
  std::string_view word;
  Question question;
  std::string_view help;
  size_t least_arguments = 0;  // behind FILE
  size_t most_arguments = 0;
  std::string_view wanted = {};  // these, for messages
  std::string_view hint = {};
};

constexpr size_t kAnyNumber = std::numeric_limits<size_t>::max();

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
                 "FILE IDSTR [FIELD.PATH]: the fields of a device, or one of them; a part of "
                 "its idstr is enough, and registers have their usual names (cpu rip)",
                 1, 2, "FILE IDSTR", "vmstream-inspect devices FILE lists them"},
    QuestionWord{"vmdesc", Question::Vmdesc, "the description that the stream carries, as JSON"},
    QuestionWord{"dump", Question::Dump, "everything decoded, see --format"},
    QuestionWord{"hexdump", Question::Hexdump, "offset, bytes and meaning of every byte"},
    QuestionWord{
        "extract", Question::Extract,
        "ram, block, section, stream, vmdesc, xml or cookie FILE: a part into a file, see -o; "
        "physical, core, kdump, lime or avml FILE: the memory by its addresses, for debuggers and "
        "forensic tools"},
    QuestionWord{"verify", Question::Verify,
                 "read everything: is it whole, and does it agree with itself? Takes many FILEs", 0,
                 kAnyNumber},
    QuestionWord{"index", Question::Index,
                 "read the file once and leave an index beside it, FILE.vmsx or -o"},
    QuestionWord{"memory-map", Question::MemoryMap,
                 "where the guest's memory is in its address space, and how that is known"},
    QuestionWord{"explain", Question::Explain, "where and why a load would fail, in sentences"},
    QuestionWord{"registers", Question::Registers,
                 "the registers of each processor by their names"},
    QuestionWord{"mount", Question::Mount,
                 "FILE DIR: memory, stream and descriptions as files in an empty folder, until "
                 "umount or a signal",
                 1, 1, "FILE DIR", "DIR is an empty folder"},
    QuestionWord{"report", Question::Report,
                 "one HTML page about the guest, for people, see -o: facts, screen, memory map, "
                 "pictures of the RAM, registers, devices"},
    QuestionWord{"memory", Question::Memory,
                 "FILE ADDRESS[,LENGTH]: bytes at a physical address of the guest, or with "
                 "--virtual at a virtual one [256 bytes]",
                 1, 1, "FILE ADDRESS"},
    QuestionWord{"translate", Question::Translate,
                 "FILE ADDRESS: where a virtual address leads, level by level", 1, 1,
                 "FILE ADDRESS"},
    QuestionWord{"gdb", Question::Gdb,
                 "serves a debugger on stdin and stdout: gdb -ex 'target remote | "
                 "vmstream-inspect gdb FILE'"},
};

struct PartWord {
  std::string_view word;
  Part part;
};

constexpr std::array kParts{
    PartWord{"ram", Part::Ram},         PartWord{"block", Part::Block},
    PartWord{"section", Part::Section}, PartWord{"stream", Part::Stream},
    PartWord{"vmdesc", Part::Vmdesc},   PartWord{"xml", Part::Xml},
    PartWord{"cookie", Part::Cookie},   PartWord{"physical", Part::Physical},
    PartWord{"core", Part::Core},       PartWord{"kdump", Part::Kdump},
    PartWord{"lime", Part::Lime},       PartWord{"avml", Part::Avml},
};

// Options that only some commands know.
struct OptionScope {
  std::string_view option;
  std::string_view commands;  // apart by ", "
};

constexpr std::array kScopes{
    OptionScope{"--digest", "info"},
    OptionScope{"--passes", "ram"},
    OptionScope{"--resends", "ram"},
    OptionScope{"--map", "ram"},
    OptionScope{
        "--multifd",
        "info, sections, devices, ram, vmdesc, dump, hexdump, extract, verify, explain, report"},
    OptionScope{"--block", "extract ram, extract block"},
    OptionScope{"--instance", "device"},
    OptionScope{"--schema", "device, dump, registers, report, extract core, extract kdump"},
    OptionScope{"--cpu", "registers, memory, translate, gdb"},
    OptionScope{"--root", "memory, translate"},
    OptionScope{"--virtual", "memory"},
    OptionScope{"--raw", "memory"},
    OptionScope{"--section", "hexdump, extract section"},
    OptionScope{"--offset", "hexdump"},
    OptionScope{"--length", "hexdump"},
    OptionScope{"--error", "explain"},
    OptionScope{"--qemu", "explain"},
    OptionScope{"--output", "extract, index, report"},
    OptionScope{"--force", "extract, index, report, memory"},
    OptionScope{"--place",
                "memory-map, mount, report, extract physical, extract core, extract kdump, "
                "extract lime, extract avml, memory, translate, gdb"},
    OptionScope{"--compress", "extract kdump"},
    OptionScope{"--record",
                "extract physical, extract core, extract kdump, extract lime, extract avml"},
    OptionScope{"--with-firmware",
                "extract physical, extract core, extract kdump, extract lime, extract avml, mount"},
    OptionScope{"--background", "mount"},
    OptionScope{"--idle", "mount"},
    OptionScope{"--format", "dump"},
    OptionScope{"--no-offsets", "dump"},
};

const OptionScope& scope_of(std::string_view option) {
  return *std::ranges::find(kScopes, option, &OptionScope::option);
}

// "hexdump, extract section: this section only"
std::string scoped(std::string_view option, std::string_view help) {
  return fmt::format("{}: {}", scope_of(option).commands, help);
}

const QuestionWord* find_question(std::string_view word) {
  auto found = std::ranges::find(kQuestions, word, &QuestionWord::word);
  return found == kQuestions.end() ? nullptr : found;
}

const PartWord* find_part(std::string_view word) {
  auto found = std::ranges::find(kParts, word, &PartWord::word);
  return found == kParts.end() ? nullptr : found;
}

template <typename Table>
std::vector<std::string> words_of(const Table& table) {
  std::vector<std::string> words;
  words.reserve(std::size(table));
  for (const auto& entry : table) words.emplace_back(entry.word);
  return words;
}

template <typename Table>
Error unknown_word(std::string_view word, std::string_view kind, const Table& table) {
  auto known = words_of(table);
  return Error{Errc::Usage,
               fmt::format("'{}' is no {}; there are {}", vmstream::escape(word), kind,
                           fmt::join(known, ", ")),
               {},
               {},
               did_you_mean(word, known)};
}

// Of two words neither of which is a command: FILE may stand in front of it.
Error unknown_command(const std::vector<std::string>& words) {
  auto known = words_of(kQuestions);
  bool is_second = did_you_mean(words[0], known).empty() && !did_you_mean(words[1], known).empty();
  return unknown_word(words[is_second ? 1 : 0], "command", kQuestions);
}

// Takes "ram" of "extract ram", which stands at `place`.
Status take_part(InspectOptions& options, std::vector<std::string>& words, size_t place) {
  if (place >= words.size()) {
    return Error{Errc::Usage,
                 fmt::format("extract wants a part: {}", fmt::join(words_of(kParts), ", "))};
  }
  const PartWord* part = find_part(words[place]);
  if (part == nullptr) return unknown_word(words[place], "part", kParts);
  options.part = part->part;
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(place));
  return vmstream::ok();
}

Status take_number(std::optional<uint64_t>& into, std::string_view what, const std::string& text) {
  uint32_t number = 0;
  const char* behind = text.data() + text.size();
  auto [end, failure] = std::from_chars(text.data(), behind, number);
  if (failure != std::errc{} || end != behind) {
    return Error{Errc::Usage,
                 fmt::format("'{}' is no {}, such as 0", vmstream::escape(text), what)};
  }
  into = number;
  return vmstream::ok();
}

// At most one of them may.
Status check_stdin(const InspectOptions& options) {
  bool takes_files = options.question == Question::Verify || options.multifd;
  auto more = takes_files ? std::ranges::count(options.arguments, "-") : 0;
  std::vector<std::string_view> readers(static_cast<size_t>(more), "FILE -");
  if (options.file == "-") readers.push_back("FILE -");
  if (options.passphrase.uses_stdin()) readers.push_back("--passphrase-fd 0");
  if (options.error == "-") readers.push_back("--error -");
  if (readers.size() < 2) return vmstream::ok();
  if (readers[0] == readers[1]) return Error{Errc::Usage, "FILE - can be read once only"};
  return Error{Errc::Usage, fmt::format("{} and {} both want stdin", readers[0], readers[1])};
}

// "extract ram", as its user typed it.
std::string command_of(const InspectOptions& options) {
  auto question = std::ranges::find(kQuestions, options.question, &QuestionWord::question);
  std::string command(question->word);
  if (options.question != Question::Extract) return command;
  auto part = std::ranges::find(kParts, options.part, &PartWord::part);
  return fmt::format("{} {}", command, part->word);
}

// `words` without the command: FILE and its arguments.
Status take_arguments(InspectOptions& options, const QuestionWord& question,
                      const std::vector<std::string>& words) {
  if (words.empty()) {
    return Error{Errc::Usage,
                 fmt::format("{} wants a FILE", command_of(options)),
                 {},
                 {},
                 fmt::format("for a file of that name: ./{}", question.word)};
  }
  size_t most = options.multifd ? kAnyNumber : question.most_arguments;
  if (words.size() - 1 > most) {
    return Error{Errc::Usage, fmt::format("one FILE at a time; '{}' is one too many",
                                          vmstream::escape(words[1 + most]))};
  }
  options.file = words[0];
  options.arguments.assign(words.begin() + 1, words.end());
  if (options.arguments.size() >= question.least_arguments) return check_stdin(options);
  return Error{Errc::Usage,
               fmt::format("{} wants {}", question.word, question.wanted),
               {},
               {},
               std::string(question.hint)};
}

// COMMAND FILE or FILE COMMAND; where both words are commands, the first one is.
Status split_words(InspectOptions& options) {
  auto words = options.words;
  if (words.empty()) return Error{Errc::Usage, "a FILE is wanted"};
  size_t place = 0;
  const QuestionWord* question = find_question(words[0]);
  if (question == nullptr && words.size() > 1) question = find_question(words[place = 1]);
  if (question == nullptr) {
    if (words.size() > 1 && !options.multifd) return unknown_command(words);
    return take_arguments(options, kQuestions.front(), words);
  }
  options.question = question->question;
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(place));
  if (question->question == Question::Extract) {
    if (auto taken = take_part(options, words, place); !taken) return taken;
  }
  return take_arguments(options, *question, words);
}

// Whether `command`, such as "extract ram", is in the list, as a whole or by its first word.
bool is_listed(std::string_view list, std::string_view command) {
  auto first_word = command.substr(0, command.find(' '));
  while (!list.empty()) {
    auto entry = list.substr(0, list.find(", "));
    if (entry == command || entry == first_word) return true;
    list.remove_prefix(std::min(entry.size() + 2, list.size()));
  }
  return false;
}

// An option that would be without effect is a mistake.
Status check_options(const CommandLine& line, const InspectOptions& options) {
  std::string command = command_of(options);
  for (const OptionScope& scope : kScopes) {
    if (!line.given(scope.option) || is_listed(scope.commands, command)) continue;
    return Error{Errc::Usage, fmt::format("{} does not know {}, which is of {}", command,
                                          scope.option, scope.commands)};
  }
  // Each part is opened twice: to know it, and to read it.
  bool reads_stdin = options.file == "-" || std::ranges::count(options.arguments, "-") > 0;
  if (options.multifd && reads_stdin) {
    return Error{Errc::Usage, "--multifd wants files, and - is none"};
  }
  if (options.common.json && options.format == DumpFormat::Xml) {
    return Error{Errc::Usage, "--json and --format xml exclude each other"};
  }
  return vmstream::ok();
}

}  // namespace

bool is_image(Part part) {
  switch (part) {
    case Part::Physical:
    case Part::Core:
    case Part::Kdump:
    case Part::Lime:
    case Part::Avml:
      return true;
    default:
      return false;
  }
}

ToolText tool_text() {
  return {.name = "vmstream-inspect",
          .purpose = "read the saved state of a QEMU guest without QEMU",
          .synopsis =
              "vmstream-inspect [OPTIONS] [COMMAND] FILE [ARGUMENT...]\n"
              "vmstream-inspect [OPTIONS] FILE COMMAND [ARGUMENT...]",
          .examples =
              "vmstream-inspect guest.zst\n"
              "vmstream-inspect extract ram guest.zst --block pc.ram -o ram.img\n"
              "vmstream-inspect sections --json guest.gz | jq '.sections[].idstr'\n"
              "vmstream-inspect device guest.zst cpu rip\n"
              "ssh host cat guest.zst | vmstream-inspect devices -"};
}

void add_options(CommandLine& line, InspectOptions& options) {
  line.group("Commands");
  for (const QuestionWord& entry : kQuestions) line.row(entry.word, entry.help);
  line.group("What is read");
  line.row("FILE",
           "a saved guest, plain or compressed, or IMAGE#SNAPSHOT of a qcow2 image; - is stdin");
  add_passphrase_options(line, options.passphrase);
  line.flag("--digest", options.digest,
            scoped("--digest", "also compute the SHA-256 of the plain stream"));
  line.flag("--full-scan", options.full_scan,
            "read all of the file, also where its ends or its index hold the answer");
  line.flag("--passes", options.passes,
            scoped("--passes", "pages and bytes of each pass, with a plot"));
  line.flag("--resends", options.resends,
            scoped("--resends", "pages by how often they were sent, with a plot"));
  line.flag("--map", options.map, scoped("--map", "a picture of each block"));
  line.flag("--multifd", options.multifd,
            "the FILEs are one guest that was sent through several connections: the main stream "
            "and the page channels, in any order; a folder of them, given alone, needs no option");
  line.text("--block", "NAME", options.block,
            scoped("--block", "the RAM block, or the disk's device; the only one needs no name"));
  line.value("--instance", "N", scoped("--instance", "only the one with this instance id"),
             [&options](const std::string& text) {
               return take_number(options.instance, "instance id", text);
             });
  line.value("--cpu", "N", scoped("--cpu", "of this processor only, by its number"),
             [&options](const std::string& text) {
               return take_number(options.cpu, "number of a processor", text);
             });
  line.flag("--virtual", options.is_virtual,
            scoped("--virtual", "the address is virtual, of the first processor or --cpu"));
  line.size("--root", options.root,
            scoped("--root", "with page tables that begin at this physical address (CR3, TTBR0)"));
  line.flag("--raw", options.raw, scoped("--raw", "the bytes as they are"));
  line.text("--schema", "FILE", options.schema,
            scoped("--schema",
                   "for a stream without a description, take that of the stream in "
                   "FILE, or FILE from QEMU's -dump-vmstate"));
  line.text("--section", "IDSTR", options.section,
            scoped("--section", "this section only, by its name or id"));
  line.size("--offset", options.offset,
            scoped("--offset", "from this offset of the plain stream on"));
  line.size("--length", options.length,
            scoped("--length", "exactly so many bytes, none shortened"));
  line.text("--error", "TEXT", options.error,
            scoped("--error",
                   "what QEMU said, - reads it from stdin; shows the section, field and bytes it "
                   "speaks of"));
  line.texts("--place", "BLOCK@ADDRESS", options.places,
             scoped("--place",
                    "where a block of memory begins, if the state does not tell; "
                    "BLOCK@ADDRESS+OFFSET:LENGTH is a part of it. May be given several times"));
  line.text("--qemu", "VERSION", options.qemu, scoped("--qemu", "the release that is to load it"));
  line.group("What is written");
  line.text(
      "-o,--output", "FILE", options.output,
      scoped("--output",
             "appears whole, with mode 0600, or not at all; - is stdout of extract and report"));
  line.flag("--force", options.force,
            scoped("--force", "replace an existing FILE, allow binary to a terminal"));
  line.choice("--compress", options.compression,
              {{"zlib", PageCompression::Zlib},
               {"lzo", PageCompression::Lzo},
               {"zstd", PageCompression::Zstd}},
              scoped("--compress", "how each page is packed; all tools take zlib [zlib]"));
  line.flag("--with-firmware", options.with_firmware,
            scoped("--with-firmware", "ROMs and memory of devices too"));
  line.text("--record", "FILE", options.record,
            scoped("--record",
                   "writes down as JSON what was done: command, version, times, and the SHA-256 "
                   "of what was read and written"));
  line.duration("--idle", options.idle,
                scoped("--idle", "ends when nobody has read for that long"));
  line.flag("--background", options.background,
            scoped("--background", "goes on in a process of its own once the files are there"));
  line.group("How it is shown");
  line.choice("--format", options.format,
              {{"json", DumpFormat::Json}, {"xml", DumpFormat::Xml}, {"qemu", DumpFormat::Qemu}},
              scoped("--format", "qemu is what QEMU's analyze-migration.py prints [json]"));
  line.flag("--no-offsets", options.no_offsets,
            scoped("--no-offsets", "leave the offsets out, so that two dumps can be compared"));
  add_common_options(line, options.common);
  line.positionals(options.words);
}

Status read_words(const CommandLine& line, InspectOptions& options) {
  if (auto split = split_words(options); !split) return split;
  return check_options(line, options);
}

}  // namespace vminspect
