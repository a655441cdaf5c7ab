// SPDX-License-Identifier: MIT
#include "analysis/explain/message_words.h"

#include "support/catch.h"

using namespace vmstream;

namespace {

std::vector<std::string> texts(std::string_view message) {
  std::vector<std::string> list;
  for (const Statement& statement : split_statements(message)) list.push_back(statement.text);
  return list;
}

}  // namespace

TEST_CASE("the marks of a pattern stand for text, words and numbers", "[analysis]") {
  auto match = match_front("error in section * (#)", "error in section a b (0x1f) of it");
  REQUIRE(match);
  CHECK(match->words == Words{"a b", "0x1f"});
  CHECK(match->length == std::string_view("error in section a b (0x1f)").size());
  CHECK(match_front("@: too old", "e1000/mit: too old")->words == Words{"e1000/mit"});
  CHECK_FALSE(match_front("@: too old", "of e1000/mit: too old"));
  CHECK(match_front("footer for *", "footer for a b: c")->words == Words{"a b: c"});
  CHECK(match_front("ret: #", "ret: -22, it")->words == Words{"-22"});
  CHECK_FALSE(match_front("ret: #", "ret: none"));
  CHECK_FALSE(match_front("load *:@", "load device state: -22"));
  CHECK(match_front("section '*' #", "section '' 0")->words == Words{"", "0"});
  CHECK_FALSE(match_front("section", "sect"));
}

TEST_CASE("a mark takes no more than a name is long", "[analysis]") {
  std::string far = "load " + std::string(5000, 'a') + ":b";
  CHECK_FALSE(match_front("load *:@", far));
  CHECK_FALSE(match_front("@: too old", std::string(5000, 'a') + ": too old"));
}

TEST_CASE("messages pasted one behind the other are apart", "[analysis]") {
  CHECK(texts("qemu-system-x86_64: one  two\r\n\nthree\n") ==
        std::vector<std::string>{"one two", "three"});
  CHECK(texts("/usr/libexec/qemu-kvm: one qemu-kvm: two kvm: three") ==
        std::vector<std::string>{"one", "two", "three"});
  CHECK(texts("2026-11-30T09:47:15.123456Z qemu-system-x86_64: -incoming defer: one "
              "2026-11-30 two") == std::vector<std::string>{"-incoming defer: one 2026-11-30 two"});
  CHECK(texts("{\"desc\": \"block \\\"a\\\"\"}") ==
        std::vector<std::string>{"{\"desc\": \"block \"a\"\"}"});
  auto logged = split_statements("Nov 30 09:47:15 host qemu-system-x86_64[7]: one");
  REQUIRE(logged.size() == 2);
  CHECK(logged[0].before_name);
  CHECK(logged[0].opens_line);
  CHECK_FALSE(logged[1].opens_line);
  CHECK_FALSE(logged[1].before_name);
}

TEST_CASE("numbers are read as QEMU prints them", "[analysis]") {
  CHECK(parse_number("17") == 17u);
  CHECK(parse_number("0x17") == 0x17u);
  CHECK(parse_number32("-22") == 0xffffffeau);
  CHECK(parse_hex_number("17") == 0x17u);
  CHECK_FALSE(parse_number("1f"));
  CHECK_FALSE(parse_number(""));
  CHECK_FALSE(parse_hex_number("0x"));
}

TEST_CASE("a damaged name is known by what a terminal shows of it", "[analysis]") {
  CHECK(prints_as("timer", "timer"));
  CHECK(prints_as(std::string_view("ti\0er", 5), "ti"));
  CHECK(prints_as("ti\xedger", "ti\xef\xbf\xbdger"));
  CHECK(prints_as("ti\xedger", "ti?ger"));
  CHECK_FALSE(prints_as("timer", "tiger"));
  CHECK_FALSE(prints_as("\x01", "\x02"));
}
