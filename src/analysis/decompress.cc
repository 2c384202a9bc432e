#include "analysis/decompress.hh"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <new>
#include <vector>

namespace tl {
namespace {

constexpr std::size_t kInputBytes = std::size_t{256} * 1024;

// What the three have in common: a buffer of compressed bytes, and a loop that runs the
// decompressor until it has produced something.
class Decompressor : public ByteSource {
 public:
  explicit Decompressor(std::unique_ptr<ByteSource> inner)
      : inner_{std::move(inner)}, buffer_(kInputBytes) {}

  std::size_t read(std::span<std::uint8_t> into) override {
    std::size_t filled = 0;
    while (failure_.empty() && filled < into.size()) {
      if (input_.empty() && !holds_output_ && !refill()) break;
      const std::size_t room = into.size() - filled;
      const std::size_t got = step(into.subspan(filled));
      holds_output_ = got == room && !at_boundary();
      filled += got;
    }
    return filled;
  }

  [[nodiscard]] bool may_wait() const override { return inner_->may_wait(); }

 protected:
  // Consumes some of input_ and writes some of `into`; returns the bytes written, sets failure_.
  virtual std::size_t step(std::span<std::uint8_t> into) = 0;
  // Whether the input may end here.
  [[nodiscard]] virtual bool at_boundary() const = 0;

  std::span<const std::uint8_t> input_;

 private:
  bool refill() {
    const std::size_t got = inner_->read(buffer_);
    input_ = std::span{buffer_}.first(got);
    if (got != 0) return true;
    failure_ = inner_->failure();
    if (failure_.empty() && !at_boundary()) failure_ = "the compressed data ends early";
    return false;
  }

  std::unique_ptr<ByteSource> inner_;
  std::vector<std::uint8_t> buffer_;
  bool holds_output_ = false;  // the last step ran out of room, so more may come without input
};

class GzipSource : public Decompressor {
 public:
  explicit GzipSource(std::unique_ptr<ByteSource> inner) : Decompressor{std::move(inner)} {
    constexpr int kGzipOnly = 16;
    if (::inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc{};
  }
  ~GzipSource() override { ::inflateEnd(&stream_); }
  [[nodiscard]] std::string_view compression() const override { return "gzip"; }

 protected:
  std::size_t step(std::span<std::uint8_t> into) override {
    if (member_ended_) {
      if (input_.front() == 0) {  // padding, as tapes and some transfers leave
        input_ = input_.subspan(1);
        return 0;
      }
      ::inflateReset(&stream_);
      member_ended_ = false;
    }
    stream_.next_in = const_cast<Bytef*>(input_.data());  // zlib's API predates const
    stream_.avail_in = static_cast<uInt>(input_.size());
    stream_.next_out = into.data();
    stream_.avail_out = static_cast<uInt>(into.size());
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    input_ = input_.last(stream_.avail_in);
    if (status == Z_STREAM_END)
      member_ended_ = true;
    else if (status != Z_OK && status != Z_BUF_ERROR)
      failure_ = std::string{"gzip: "} + (stream_.msg != nullptr ? stream_.msg : "damaged data");
    return into.size() - stream_.avail_out;
  }
  [[nodiscard]] bool at_boundary() const override { return member_ended_; }

 private:
  z_stream stream_{};
  bool member_ended_ = false;
};

class ZstdSource : public Decompressor {
 public:
  explicit ZstdSource(std::unique_ptr<ByteSource> inner) : Decompressor{std::move(inner)} {
    if (stream_ == nullptr) throw std::bad_alloc{};
  }
  [[nodiscard]] std::string_view compression() const override { return "zstd"; }

 protected:
  std::size_t step(std::span<std::uint8_t> into) override {
    ZSTD_inBuffer in{input_.data(), input_.size(), 0};
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    const std::size_t status = ::ZSTD_decompressStream(stream_.get(), &out, &in);
    input_ = input_.subspan(in.pos);
    if (::ZSTD_isError(status) != 0) failure_ = std::string{"zstd: "} + ::ZSTD_getErrorName(status);
    frame_ended_ = status == 0;
    return out.pos;
  }
  [[nodiscard]] bool at_boundary() const override { return frame_ended_; }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ::ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_{::ZSTD_createDStream()};
  bool frame_ended_ = false;
};

class Lz4Source : public Decompressor {
 public:
  explicit Lz4Source(std::unique_ptr<ByteSource> inner) : Decompressor{std::move(inner)} {
    LZ4F_dctx* context = nullptr;
    if (::LZ4F_isError(::LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0)
      throw std::bad_alloc{};
    context_.reset(context);
  }
  [[nodiscard]] std::string_view compression() const override { return "lz4"; }

 protected:
  std::size_t step(std::span<std::uint8_t> into) override {
    std::size_t produced = into.size(), consumed = input_.size();
    const std::size_t status = ::LZ4F_decompress(context_.get(), into.data(), &produced,
                                                 input_.data(), &consumed, nullptr);
    if (::LZ4F_isError(status) != 0) {
      failure_ = std::string{"lz4: "} + ::LZ4F_getErrorName(status);
      return 0;
    }
    input_ = input_.subspan(consumed);
    frame_ended_ = status == 0;
    return produced;
  }
  [[nodiscard]] bool at_boundary() const override { return frame_ended_; }

 private:
  struct Free {
    void operator()(LZ4F_dctx* context) const { ::LZ4F_freeDecompressionContext(context); }
  };
  std::unique_ptr<LZ4F_dctx, Free> context_;
  bool frame_ended_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> gzip_source(std::unique_ptr<ByteSource> inner) {
  return std::make_unique<GzipSource>(std::move(inner));
}
std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> inner) {
  return std::make_unique<ZstdSource>(std::move(inner));
}
std::unique_ptr<ByteSource> lz4_source(std::unique_ptr<ByteSource> inner) {
  return std::make_unique<Lz4Source>(std::move(inner));
}

}  // namespace tl
