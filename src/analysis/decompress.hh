// Streaming decompressors as byte sources. Memory is a fixed window, however large the output.
// Several members or frames in a row read as one stream. Data that ends early or does not check
// ends the stream with failure(), after everything that could be decompressed.
#pragma once

#include <memory>

#include "analysis/byte_source.hh"

namespace tl {

std::unique_ptr<ByteSource> gzip_source(std::unique_ptr<ByteSource> inner);
std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> inner);
std::unique_ptr<ByteSource> lz4_source(std::unique_ptr<ByteSource> inner);

}  // namespace tl
