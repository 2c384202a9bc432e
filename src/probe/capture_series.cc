#include "probe/capture_series.hh"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/process.hh"

namespace tl {
namespace {

std::filesystem::path numbered(const std::filesystem::path& path, std::size_t number) {
  return path.parent_path() /
         fmt::format("{}_{:05}{}", path.stem().native(), number, path.extension().native());
}

constexpr std::chrono::minutes kHookLimit{5};

// Finishes a file that no longer grows. A hook that fails is told; the file is as good without it.
std::string close_file(CaptureFile& file, bool is_complete, const std::string& hook) {
  file.finish(is_complete);
  if (hook.empty() || !file.failure().empty()) return file.failure();
  try {
    const CommandResult result = run_command({hook, file.place().native()}, kHookLimit);
    if (!result.status.ok()) spdlog::warn("{}: {}", hook, result.status.text());
  } catch (const Error& e) {
    spdlog::warn("{}", e.what());
  }
  return "";
}

}  // namespace

CaptureSeries::CaptureSeries(CaptureFile::Options options, const Rotation& rotation)
    : options_{std::move(options)}, rotation_{rotation} {
  open_next();
}

void CaptureSeries::open_next() {
  CaptureFile::Options options = options_;
  if (rotation_.is_on()) options.path = numbered(options_.path, parts_.size() + 1);
  parts_.push_back({options.path, 0, 0, false});
  file_.emplace(std::move(options));
  opened_ns_ = monotonic_ns();
}

void CaptureSeries::close_present(bool is_complete) {
  (void)file_->flush();
  parts_.back().records = file_->records();
  parts_.back().bytes = file_->bytes();
  earlier_records_ += file_->records();
  earlier_bytes_ += file_->bytes();
  if (failure_.empty()) failure_ = file_->failure();
  closing_.push_back(std::async(
      std::launch::async, [file = std::move(*file_), is_complete, hook = rotation_.hook]() mutable {
        return close_file(file, is_complete, hook);
      }));
}

void CaptureSeries::exchange() {
  close_present(true);
  open_next();
  collect(false);
  remove_oldest();
}

// The one that is written counts among the most.
void CaptureSeries::remove_oldest() {
  if (rotation_.most_files == 0 || parts_.size() <= rotation_.most_files) return;
  collect(true);  // a file that is still being closed would come back under its final name
  for (std::size_t i = 0; i + rotation_.most_files < parts_.size(); ++i) {
    if (parts_[i].is_removed) continue;
    std::error_code error;
    std::filesystem::remove(parts_[i].path, error);
    parts_[i].is_removed = !error;
  }
}

// Takes the results of files that have been closed.
void CaptureSeries::collect(bool wait) {
  while (!closing_.empty()) {
    std::future<std::string>& oldest = closing_.front();
    if (!wait && oldest.wait_for(std::chrono::seconds{0}) != std::future_status::ready) return;
    const std::string failure = oldest.get();
    if (failure_.empty()) failure_ = failure;
    closing_.pop_front();
  }
}

bool CaptureSeries::add(const RingPacket& packet) {
  const bool is_full = (rotation_.packets != 0 && file_->records() >= rotation_.packets) ||
                       (rotation_.bytes != 0 && file_->bytes() >= rotation_.bytes);
  if (is_full && failure().empty()) exchange();
  return file_->add(packet);
}

void CaptureSeries::tick(std::int64_t now_ns) {
  if (rotation_.time.count() != 0 && now_ns - opened_ns_ >= rotation_.time.count() &&
      failure().empty())
    exchange();
}

void CaptureSeries::finish(bool is_complete) {
  const std::string failure =
      close_file(*file_, is_complete && this->failure().empty(), rotation_.hook);
  if (failure_.empty()) failure_ = failure;
  parts_.back().records = file_->records();
  parts_.back().bytes = file_->bytes();
  collect(true);
}

std::string CaptureSeries::failure() const {
  return failure_.empty() ? file_->failure() : failure_;
}

nlohmann::json CaptureSeries::files() const {
  nlohmann::json files = nlohmann::json::array();
  for (const Part& part : parts_)
    files.push_back({{"file", part.path.filename().native()},
                     {"packets", part.records},
                     {"bytes", part.bytes},
                     {"removed", part.is_removed}});
  return files;
}

}  // namespace tl
