// SPDX-License-Identifier: MIT
// The containers that do not pack, taken off a file that can be read by position.
#pragma once

#include <vector>

#include <vmstream/container.h>
#include <vmstream/random_source.h>
#include "container/content.h"
#include "state/fault_places.h"

namespace vmstream {

/// From the outside inwards, at most `nesting` of them; each reads the one before it, the first one
/// `file` (borrowed). None where the file begins with a stream, a coding or OpenPGP, or with
/// nothing known. Fails for a container whose framing is damaged.
///
/// What stands in front of a stream in a file that begins with nothing known is one, too, see
/// StateFile::stream().
Result<std::vector<Content>> open_contents(RandomSource& file, unsigned nesting);

/// The same for `unpacked`, which is decoded wherever it is read: taken off are only containers
/// that tell at their front where their content is.
Result<std::vector<Content>> open_unpacked_contents(RandomSource& unpacked, unsigned nesting);
/// Whether that takes this one off.
bool has_content_in_front(const Container& container);

/// The bytes in all of `contents`.
RandomSource& innermost(RandomSource& file, const std::vector<Content>& contents);
/// What they are.
std::vector<Container> descriptions_of(const std::vector<Content>& contents);
/// Where their offsets are in the file.
PlaceInFile place_in_file(const std::vector<Content>& contents);
/// Of a content that `places` tell, within something that has a place.
PlaceInFile place_within(PlaceInFile outer, std::shared_ptr<const StretchMap> places);

}  // namespace vmstream
