#include "base/sha256.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {
namespace {

class Digest {
 public:
  Digest() : context_{EVP_MD_CTX_new(), &EVP_MD_CTX_free} {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(const void* bytes, std::size_t length) {
    EVP_DigestUpdate(context_.get(), bytes, length);
  }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
    unsigned length = 0;
    EVP_DigestFinal_ex(context_.get(), value.data(), &length);
    std::string text;
    for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", value[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256(std::string_view bytes) {
  Digest digest;
  digest.add(bytes.data(), bytes.size());
  return digest.hex();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const UniqueFd fd = open_fd(path, O_RDONLY);
  Digest digest;
  std::vector<char> chunk(1 << 20);
  ssize_t n = 0;
  while ((n = ::read(fd.get(), chunk.data(), chunk.size())) > 0)
    digest.add(chunk.data(), static_cast<std::size_t>(n));
  if (n < 0) throw_errno("read", path.native());
  return digest.hex();
}

}  // namespace tl
