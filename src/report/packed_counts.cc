#include "report/packed_counts.hh"

#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::uint64_t kLargest = (std::uint64_t{1} << 53) - 1;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_varint(std::string& bytes, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>((value & 0x7f) | 0x80));
  bytes.push_back(static_cast<char>(value));
}

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (const unsigned shift : {18U, 12U, 6U, 0U}) text += kAlphabet[group >> shift & 0x3f];
  }
  const std::size_t padding = (3 - bytes.size() % 3) % 3;
  for (std::size_t i = 0; i < padding; ++i) text[text.size() - 1 - i] = '=';
  return text;
}

std::string pack_counts(std::span<const std::uint64_t> counts) {
  std::string bytes;
  bytes.reserve(counts.size() * 3);
  std::int64_t before = 0;
  for (const std::uint64_t count : counts) {
    if (count > kLargest) throw MeasurementError{"pack counts: a bucket holds 2^53 or more"};
    const auto now = static_cast<std::int64_t>(count);
    append_varint(bytes, zigzag(now - before));
    before = now;
  }
  return base64(bytes);
}

}  // namespace tl
