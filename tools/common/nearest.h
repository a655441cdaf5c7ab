// SPDX-License-Identifier: MIT
// What somebody may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vmtools {

/// The names sorted by how far they are from `wanted`: those that hold it first, if it has three
/// letters, then by the number of letters to change, add, leave out or swap. Only the first 64
/// letters of the first 16384 names count.
std::vector<std::string> by_distance(std::string_view wanted, std::vector<std::string> names);

/// "did you mean 'this' or 'that'?" with the names, three at most, that are near enough to be
/// meant; empty where none is.
std::string did_you_mean(std::string_view wanted, std::vector<std::string> names);

}  // namespace vmtools
