// SPDX-License-Identifier: MIT
// What each deflate library offers. Functions of a library that is not built in do not exist.
#pragma once

#include "codec/gzip/deflate.h"

namespace vmstream {

std::unique_ptr<Deflater> make_zlib_deflater(int level);
std::unique_ptr<BlockInflater> make_zlib_block_inflater();
std::unique_ptr<StreamInflater> make_zlib_stream_inflater();
std::string zlib_name();

std::unique_ptr<Deflater> make_libdeflate_deflater(int level);
std::unique_ptr<BlockInflater> make_libdeflate_block_inflater();
std::string libdeflate_name();

std::unique_ptr<Deflater> make_isal_deflater(int level);
std::unique_ptr<StreamInflater> make_isal_stream_inflater();
std::string isal_name();

}  // namespace vmstream
