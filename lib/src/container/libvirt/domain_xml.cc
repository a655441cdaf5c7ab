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

// Collects while expat reads. Nothing may be thrown through its C code: memory that runs out there
// is as bad as elsewhere in a callback, so texts are small and bounded.
class Search {
 public:
  explicit Search(const std::vector<std::string_view>& paths) : paths_(paths) {
    texts_.resize(paths.size());
    seen_.resize(paths.size());
  }

  Result<std::vector<std::string>> run(std::string_view xml) {
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

  static void on_start(void* user, const XML_Char* name, const XML_Char**) { of(user).enter(name); }
  static void on_end(void* user, const XML_Char*) { of(user).leave(); }
  static void on_text(void* user, const XML_Char* text, int length) {
    of(user).take({text, static_cast<size_t>(length)});
  }
  static void on_document_type(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    of(user).refuse("the XML has a document type");
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
  const char* refusal_ = nullptr;
};

}  // namespace

Result<std::vector<std::string>> find_in_xml(std::string_view xml,
                                             const std::vector<std::string_view>& paths) {
  return Search(paths).run(xml);
}

}  // namespace vmstream
