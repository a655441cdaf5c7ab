// SPDX-License-Identifier: MIT
#include "container/libvirt/domain_xml.h"

#include <expat.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>

namespace vmstream {
namespace {

constexpr size_t kDeepest = 256;           // elements within each other
constexpr size_t kLongestText = 64 << 10;  // of one that is wanted
// expat keeps the names, and all attributes of one element at once. A large domain has some 10000.
constexpr size_t kMostNames = 100'000;  // elements and attributes
constexpr size_t kLongestTag = 64 << 10;

// Where that stands which `end` ends; the end of the text where there is nothing.
size_t pass(std::string_view xml, size_t at, std::string_view end) {
  size_t found = xml.find(end, at);
  return found == std::string_view::npos ? xml.size() : found + end.size();
}

// Behind the tag at `at`, whose attributes may hold '>' between quotes.
size_t pass_tag(std::string_view xml, size_t at) {
  for (char quote = '\0'; at < xml.size(); ++at) {
    char letter = xml[at];
    if (quote != '\0') {
      if (letter == quote) quote = '\0';
    } else if (letter == '"' || letter == '\'') {
      quote = letter;
    } else if (letter == '>') {
      return at + 1;
    }
  }
  return at;
}

// Looked for before expat sees the text: it takes in a tag whole before it tells of it.
bool has_long_tag(std::string_view xml) {
  for (size_t at = xml.find('<'); at < xml.size(); at = xml.find('<', at)) {
    auto rest = xml.substr(at);
    size_t begin = at;
    if (rest.starts_with("<!--")) {
      at = pass(xml, at + 4, "-->");
    } else if (rest.starts_with("<![CDATA[")) {
      at = pass(xml, at, "]]>");
    } else if (rest.starts_with("<?")) {
      at = pass(xml, at, "?>");
    } else {
      at = pass_tag(xml, at);
      if (at - begin > kLongestTag) return true;
    }
  }
  return false;
}

// Collects while expat reads. Nothing may be thrown through its C code: memory that runs out there
// is as bad as elsewhere in a callback, so texts are small and bounded.
class Search {
 public:
  explicit Search(const std::vector<std::string_view>& paths) : paths_(paths) {
    texts_.resize(paths.size());
    seen_.resize(paths.size());
  }

  Result<std::vector<std::string>> run(std::string_view xml) {
    if (has_long_tag(xml)) {
      return Error{Errc::Unsupported,
                   fmt::format("an element has a tag of more than {} bytes", kLongestTag)};
    }
    std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(XML_ParserCreate(nullptr),
                                                                        XML_ParserFree);
    if (!parser) return Error{Errc::Environment, "no memory to read XML"};
    parser_ = parser.get();
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(parser_, on_start, on_end);
    XML_SetCharacterDataHandler(parser_, on_text);
    XML_SetStartDoctypeDeclHandler(parser_, on_document_type);
    if (xml.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
      return Error{Errc::Unsupported, "the XML is too long"};
    }
    auto status = XML_Parse(parser_, xml.data(), static_cast<int>(xml.size()), XML_TRUE);
    if (refusal_) return Error{Errc::Unsupported, refusal_};
    if (status == XML_STATUS_OK) return std::move(texts_);
    auto code = XML_GetErrorCode(parser_);
    if (code == XML_ERROR_NO_MEMORY) return Error{Errc::Environment, "no memory to read XML"};
    return Error{Errc::Malformed, fmt::format("line {}: {}", XML_GetCurrentLineNumber(parser_),
                                              XML_ErrorString(code))};
  }

 private:
  static Search& of(void* user) { return *static_cast<Search*>(user); }

  static void on_start(void* user, const XML_Char* name, const XML_Char** attributes) {
    of(user).count(attributes);
    of(user).enter(name);
  }
  static void on_end(void* user, const XML_Char*) { of(user).leave(); }
  static void on_text(void* user, const XML_Char* text, int length) {
    of(user).take({text, static_cast<size_t>(length)});
  }
  static void on_document_type(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    of(user).refuse("the XML has a document type");
  }

  // Of an element; names and values come in turn.
  void count(const XML_Char** attributes) {
    ++names_;
    for (; *attributes; attributes += 2) ++names_;
    if (names_ > kMostNames) refuse("the XML has too many elements and attributes");
  }

  void enter(std::string_view name) {
    if (lengths_.size() == kDeepest) return refuse("the XML has too many elements in each other");
    lengths_.push_back(path_.size());
    if (!path_.empty()) path_ += '/';
    path_ += name;
    auto wanted = std::ranges::find(paths_, path_);
    if (wanted == paths_.end()) return;
    auto number = static_cast<size_t>(wanted - paths_.begin());
    if (seen_[number]) return;
    seen_[number] = true;
    text_ = &texts_[number];
    text_depth_ = lengths_.size();
  }

  void leave() {
    if (lengths_.empty()) return;  // after a refusal
    if (text_ && text_depth_ == lengths_.size()) text_ = nullptr;
    path_.resize(lengths_.back());
    lengths_.pop_back();
  }

  void take(std::string_view text) {
    if (!text_ || text_depth_ != lengths_.size()) return;
    text_->append(text.substr(0, kLongestText - std::min(text_->size(), kLongestText)));
  }

  void refuse(const char* why) {
    refusal_ = why;
    XML_StopParser(parser_, XML_FALSE);
  }

  const std::vector<std::string_view>& paths_;
  XML_Parser parser_ = nullptr;
  std::vector<std::string> texts_;
  std::vector<bool> seen_;
  std::string path_;
  std::vector<size_t> lengths_;  // of the path in front of each open element
  std::string* text_ = nullptr;  // of the open element that is wanted
  size_t text_depth_ = 0;
  size_t names_ = 0;
  const char* refusal_ = nullptr;
};

}  // namespace

Result<std::vector<std::string>> find_in_xml(std::string_view xml,
                                             const std::vector<std::string_view>& paths) {
  return Search(paths).run(xml);
}

void describe_domain(LibvirtImage& image, std::vector<std::string>& problems) {
  auto domain = find_in_xml(image.xml, {"domain/name", "domain/uuid"});
  if (domain) {
    image.domain_name = std::move((*domain)[0]);
    image.uuid = std::move((*domain)[1]);
  } else {
    problems.push_back("the domain's XML: " + domain.error().message);
  }
  if (image.cookie.empty()) return;
  auto cookie = find_in_xml(image.cookie, {"cookie/cpu/model"});
  if (cookie) image.cookie_cpu = std::move((*cookie)[0]);
  if (!cookie) problems.push_back("the cookie's XML: " + cookie.error().message);
}

}  // namespace vmstream
