// SHA-256 (FIPS 180-4) through OpenSSL.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace tl {

// 64 lower-case hexadecimal digits.
std::string sha256(std::string_view bytes);
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace tl
