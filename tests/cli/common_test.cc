// SPDX-License-Identifier: MIT
// What the tools share, below the level of a whole tool.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <vmstream/byte_source.h>
#include "common/help.h"
#include "common/json_text.h"
#include "common/progress.h"
#include "common/signals.h"
#include "common/tool.h"
#include "support/catch.h"

namespace {

using vmtools::CommandLine;
using vmtools::ExitStatus;

// A command line with one option of each kind.
struct Toy {
  std::optional<std::string> output;
  std::optional<uint64_t> size;
  std::optional<std::chrono::milliseconds> time;
  int color = 0;
  bool force = false;
  std::vector<std::string> files;
  std::vector<std::string> command;
  CommandLine line{{"toy", "a toy", "toy FILE", "toy x"}};

  Toy() {
    line.text("-o,--output", "FILE", output, "write FILE");
    line.size("--size", size, "a size");
    line.duration("--time", time, "a time");
    line.choice("--color", color, {{"red", 1}, {"green", 2}}, "a color");
    line.flag("--force", force, "go on");
    line.exclusive("--force", "--size");
    line.positionals(files);
    line.behind_dashes(command);
  }

  vmstream::Result<std::optional<ExitStatus>> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "toy");
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    return line.parse(static_cast<int>(argv.size()), argv.data());
  }
};

// The reading end of a pipe that a tool's progress goes to.
struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() { REQUIRE(::pipe(ends) == 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  std::string read() const {
    std::string text(65536, '\0');
    auto count = ::read(ends[0], text.data(), text.size());
    text.resize(count < 0 ? 0 : static_cast<size_t>(count));
    return text;
  }
};

// A session of a tool that was given no options.
struct ToySession {
  vmstream::Cancellation cancellation = std::move(*vmstream::Cancellation::create());
  vmtools::ToolText text{"toy", "", "", ""};
  vmtools::CommonOptions options;
  vmtools::Session session{text, options, cancellation};
};

// One that tells a pipe how far it has come.
struct ToyProgress : ToySession {
  Pipe pipe;
  ToyProgress() {
    options.progress = vmtools::ProgressMode::Json;
    options.progress_fd = pipe.ends[1];
  }
};

}  // namespace

TEST_CASE("every kind of error has an exit status", "[tools]") {
  using vmstream::Errc;
  auto number = [](Errc code) { return static_cast<int>(vmtools::exit_status_of(code)); };
  CHECK(number(Errc::Environment) == 1);
  CHECK(number(Errc::TimedOut) == 1);
  CHECK(number(Errc::Usage) == 2);
  CHECK(number(Errc::Malformed) == 3);
  CHECK(number(Errc::Truncated) == 3);
  CHECK(number(Errc::Unsupported) == 4);
  CHECK(number(Errc::Refused) == 5);
  CHECK(number(Errc::Interrupted) == 130);
}

TEST_CASE("options of each kind are read", "[tools]") {
  Toy toy;
  REQUIRE_FALSE(*toy.parse({"a", "-o", "-", "--size=4k", "--time", "250ms", "--color=green", "-"}));
  CHECK(toy.output == "-");
  CHECK(toy.size == 4096);
  CHECK(toy.time == std::chrono::milliseconds(250));
  CHECK(toy.color == 2);
  CHECK(toy.files == std::vector<std::string>{"a", "-"});
  CHECK_FALSE(toy.force);
}

TEST_CASE("two dashes end the options of a tool that starts no command", "[tools]") {
  auto parse = [](std::vector<std::string> words) {
    CommandLine line{{"toy", "a toy", "toy FILE", "toy x"}};
    std::vector<std::string> files;
    bool force = false;
    line.flag("--force", force, "go on");
    line.positionals(files);
    words.insert(words.begin(), "toy");
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    REQUIRE(line.parse(static_cast<int>(argv.size()), argv.data()));
    return std::pair(force, files);
  };
  using Files = std::vector<std::string>;
  CHECK(parse({"--force", "--", "a", "--force"}) == std::pair(true, Files{"a", "--force"}));
  CHECK(parse({"a", "--", "-b"}) == std::pair(false, Files{"a", "-b"}));
  CHECK(parse({"a", "--"}) == std::pair(false, Files{"a"}));

  // A tool without positionals names what is too much.
  CommandLine line{{"toy", "a toy", "toy", "toy"}};
  std::vector<char*> argv;
  std::vector<std::string> words{"toy", "--", "--x"};
  for (auto& word : words) argv.push_back(word.data());
  auto parsed = line.parse(static_cast<int>(argv.size()), argv.data());
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().message.find("'--x'") != std::string::npos);
}

TEST_CASE("what stands behind two dashes is left alone", "[tools]") {
  Toy toy;
  REQUIRE_FALSE(*toy.parse({"a", "--force", "--", "qemu", "--size", "-m", "--", "1G"}));
  CHECK(toy.files == std::vector<std::string>{"a"});
  CHECK(toy.command == std::vector<std::string>{"qemu", "--size", "-m", "--", "1G"});
}

TEST_CASE("wrong usage is told apart from right usage", "[tools]") {
  const std::vector<std::vector<std::string>> wrong{{"--bogus"},
                                                    {"-x"},
                                                    {"-o"},
                                                    {"-o", ""},
                                                    {"-o", "a", "-o", "b"},
                                                    {"--size", "4x"},
                                                    {"--time=never"},
                                                    {"--color", "blue"},
                                                    {"--force=yes"},
                                                    {"--force", "--size", "1"},
                                                    {"a", "--"}};
  for (const auto& words : wrong) {
    Toy toy;
    CAPTURE(words);
    auto parsed = toy.parse(words);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == vmstream::Errc::Usage);
  }
}

TEST_CASE("integers that doubles may round have their hexadecimal text beside them", "[tools]") {
  using nlohmann::ordered_json;
  auto text = [](const char* json) { return vmtools::json_text(ordered_json::parse(json)); };
  CHECK(text(R"({"offset": 18446744073709551615, "count": 18446744073709551615})") ==
        R"({"offset":18446744073709551615,"offset_hex":"0xffffffffffffffff",)"
        R"("count":18446744073709551615})");
  CHECK(text(R"({"a": [{"file_offset": 16}, {"offset": null}], "bytes": "ff", "total": []})") ==
        R"({"a":[{"file_offset":16,"file_offset_hex":"0x10"},{"offset":null}],"bytes":"ff",)"
        R"("total":[]})");
  CHECK(text(R"({"value": -2})") == R"({"value":-2,"hex":"0xfffffffffffffffe"})");
  CHECK(text(R"({"array_len": 2, "size": 16, "value": [1, -1]})") ==
        R"({"array_len":2,"size":16,"size_hex":"0x10","value":[1,-1],)"
        R"("hex":["0x1","0xffffffffffffffff"]})");
  CHECK(text(R"({"array_len": 4, "size": 16, "value": [1, 2, 3, 4]})").find("\"hex\"") ==
        std::string::npos);
}

TEST_CASE("JSON is laid out as the library does it", "[tools]") {
  using nlohmann::ordered_json;
  for (const char* json :
       {R"({"a": [], "b": {}, "c": [1, [2, {"d": "\u00e9\"", "e": null}]], "f": 1.5, "g": -1})",
        "[]", "{}", "[true, [], {}, [[]]]", "\"x\""}) {
    auto value = ordered_json::parse(json);
    CHECK(vmtools::json_text(value) == value.dump());
    CHECK(vmtools::json_text(value, 2) == value.dump(2));
  }
  CHECK(vmtools::json_text(ordered_json("\xff")) == "\"\xef\xbf\xbd\"");
}

TEST_CASE("help rows wrap at 80 columns", "[tools]") {
  std::string words;
  for (int i = 0; i < 40; ++i) words += "word ";
  auto help = vmtools::render_help(
      {"toy", "a toy", "toy FILE", "toy x"},
      {{"Things", {{"--short", words}, {"--long-enough-for-a-line-of-its-own", words}}}});
  CHECK(help.starts_with("toy - a toy\n\nUsage:\n  toy FILE\n\nThings:\n"));
  CHECK(help.ends_with("\nExamples:\n  toy x\n"));
  size_t start = 0;
  for (size_t end = help.find('\n'); end != std::string::npos; end = help.find('\n', start)) {
    CHECK(end - start <= 80);
    start = end + 1;
  }
}

TEST_CASE("signals request a cancellation and nothing else", "[tools]") {
  auto cancellation = vmstream::Cancellation::create();
  REQUIRE(cancellation);
  vmtools::SignalGuard guard(*cancellation);
  CHECK_FALSE(cancellation->requested());
  ::raise(SIGINT);
  ::raise(SIGINT);
  ::raise(SIGTERM);
  CHECK(cancellation->requested());
}

TEST_CASE("a signal in front of the first wait ends that wait", "[tools]") {
  auto cancellation = vmstream::Cancellation::create();
  REQUIRE(cancellation);
  vmtools::SignalGuard guard(*cancellation);
  ::raise(SIGTERM);
  std::array<int, 2> silent{};
  REQUIRE(::pipe(silent.data()) == 0);
  std::byte byte{};
  auto source = vmstream::make_fd_source(silent[0], {.cancellation = &*cancellation});
  auto count = source->read(std::span(&byte, 1));
  REQUIRE_FALSE(count);
  CHECK(count.error().code == vmstream::Errc::Interrupted);
  for (int end : silent) ::close(end);
}

TEST_CASE("a signal that comes when all is done changes nothing", "[tools]") {
  auto cancellation = vmstream::Cancellation::create();
  REQUIRE(cancellation);
  { vmtools::SignalGuard guard(*cancellation); }
  for (int number : {SIGINT, SIGTERM, SIGHUP}) ::raise(number);
  CHECK_FALSE(cancellation->requested());
}

TEST_CASE("under nohup a SIGHUP stays ignored", "[tools]") {
  auto cancellation = vmstream::Cancellation::create();
  REQUIRE(cancellation);
  ::signal(SIGHUP, SIG_IGN);  // as under nohup
  {
    vmtools::SignalGuard guard(*cancellation);
    ::raise(SIGHUP);
    CHECK_FALSE(cancellation->requested());
  }
  ::signal(SIGHUP, SIG_DFL);
}

TEST_CASE("an interrupt decides the status, whatever it broke first", "[tools]") {
  ToySession toy;
  vmstream::Error broken{vmstream::Errc::Malformed, "cut"};
  CHECK(toy.session.fail("f", broken) == ExitStatus::Malformed);
  toy.cancellation.request();
  CHECK(toy.session.fail("f", broken) == ExitStatus::Interrupted);
}

TEST_CASE("progress is one object a line", "[tools]") {
  ToyProgress toy;
  vmtools::Progress progress(toy.session, "save");
  for (unsigned i = 0; i < 1000; ++i) progress.update({.guest_bytes = 4096});
  progress.update({.stream_bytes = 1200, .guest_bytes = 4096, .page_bytes = 1024});
  progress.enter("done");

  std::string lines = toy.pipe.read();
  REQUIRE(lines.ends_with('\n'));
  CHECK(std::count(lines.begin(), lines.end(), '\n') < 50);  // at most ten a second are drawn
  size_t last = lines.rfind('\n', lines.size() - 2);
  auto line = nlohmann::json::parse(lines.substr(last + 1), nullptr, false);
  REQUIRE(line.is_object());
  CHECK(line["tool"] == "toy");
  CHECK(line["phase"] == "done");
  CHECK(line["stream_bytes"] == 1200);
  CHECK(line["page_bytes"] == 1024);
  CHECK(line["percent"] == 25.0);
  CHECK(line["bytes_per_second"].is_number());
  CHECK(line["seconds_left"].is_number());
}

TEST_CASE("progress says nothing of what it does not know", "[tools]") {
  ToyProgress toy;
  vmtools::Progress(toy.session, "save").enter("sync");
  auto line = nlohmann::json::parse(toy.pipe.read(), nullptr, false);
  REQUIRE(line.is_object());
  CHECK(line["percent"].is_null());
  CHECK(line["seconds_left"].is_null());
}
