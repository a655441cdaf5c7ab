// SPDX-License-Identifier: MIT
// Catch2, whichever major version the system has.
#pragma once

#ifdef VMSTREAM_CATCH2_V3
#include <catch2/catch_all.hpp>
using Catch::Approx;  // as version 2 has it
#else
#include <catch2/catch.hpp>
#endif
