// SPDX-License-Identifier: MIT
// Limits of resume points, and the check that holds them.
#pragma once

#include <vmstream/resume_points.h>

namespace vmstream {

constexpr size_t kMostResumePoints = 2048;
constexpr size_t kMostResumePieceBytes = 64 * 1024 * 1024;
constexpr size_t kWindowBytes = 32 * 1024;
constexpr size_t kMostPackedWindowBytes = kWindowBytes + 1024;

/// Whether the points are in order, within the lengths of their file, and no more and no further
/// apart than they may be. A file too long to have points fails this too.
Status check_points(const ResumePoints& all);

}  // namespace vmstream
