// SPDX-License-Identifier: MIT
// What there is of PageFiles in a library that was built without FUSE.
#include "guest/mapped/page_files.h"

namespace vmstream {

struct PageFiles::State {
  std::vector<int> none;
};

void PageRequest::answer(std::span<const std::byte> /*bytes*/) const {}
void PageRequest::refuse() const {}

PageFiles::PageFiles(std::unique_ptr<State> state) : state_(std::move(state)) {}
PageFiles::PageFiles(PageFiles&&) noexcept = default;
PageFiles::~PageFiles() = default;

bool PageFiles::are_available() {
  return false;
}

Result<PageFiles> PageFiles::mount(Setup /*setup*/) {
  return Error{.code = Errc::Unsupported,
               .message = "this vmstream was built without FUSE",
               .hint = "--map=copy needs none; it reads all of the memory first"};
}

const std::vector<int>& PageFiles::descriptors() const {
  return state_->none;
}

}  // namespace vmstream
