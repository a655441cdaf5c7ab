// SPDX-License-Identifier: MIT
// What there is of FuseTree in a library that was built without FUSE.
#include "io/fuse_tree.h"

namespace vmstream {

struct FuseTree::State {};

void FuseRequest::answer(std::span<const std::byte> /*bytes*/) const {}
void FuseRequest::refuse() const {}

FuseTree::FuseTree(std::unique_ptr<State> state) : state_(std::move(state)) {}
FuseTree::FuseTree(FuseTree&&) noexcept = default;
FuseTree& FuseTree::operator=(FuseTree&&) noexcept = default;
FuseTree::~FuseTree() = default;

bool FuseTree::is_available() {
  return false;
}

Result<FuseTree> FuseTree::mount(
    Setup /*setup*/,  // NOLINT(performance-unnecessary-value-param): with FUSE it is taken
    const std::string& /*folder*/) {
  return Error{Errc::Unsupported, "this vmstream was built without FUSE"};
}

int FuseTree::descriptor() const {
  return -1;
}

bool FuseTree::serve_one() {
  return false;
}

Status FuseTree::detach() const {
  return ok();
}

Status FuseTree::unmount() const {
  return ok();
}

}  // namespace vmstream
