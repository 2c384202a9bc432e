#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <fstream>
#include <string_view>
#include <vector>

#include "base/errors.hh"
#include "base/fd.hh"
#include "live/point_queue.hh"

namespace tl::live {
namespace {

namespace fs = std::filesystem;

// Little endian as on every machine this runs on; the magic number tells when it is not.
struct RecordHeader {
  std::uint32_t magic = kMagic;
  std::uint32_t length = 0;
  std::uint32_t points = 0;
  std::uint32_t crc = 0;  // CRC-32 (zlib) of length, points and the lines
  static constexpr std::uint32_t kMagic = 0x31504C54;  // "TLP1"
};
static_assert(sizeof(RecordHeader) == 16);

std::uint32_t checksum(const RecordHeader& header, std::string_view lines) {
  uLong crc = ::crc32(0, nullptr, 0);
  crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(&header) + 4, 8);
  crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(lines.data()), lines.size());
  return static_cast<std::uint32_t>(crc);
}

constexpr std::string_view kSuffix = ".points";

struct Record {
  std::uint64_t segment = 0;  // the file it stands in
  std::uint64_t offset = 0;   // of its lines
  std::uint32_t length = 0;
  std::uint32_t points = 0;
};

class DiskQueue final : public PointQueue {
 public:
  DiskQueue(fs::path folder, std::uint64_t most_bytes)
      : folder_{std::move(folder)},
        most_bytes_{most_bytes},
        segment_bytes_{std::max<std::uint64_t>(most_bytes / 16, 4096)} {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) throw_errno(error.value(), "make", folder_.native());
    lock_ = open_fd(folder_ / "lock", O_RDWR | O_CREAT, 0600);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
      throw MachineError{fmt::format("open spool {}: another process uses it", folder_.native())};
    recover();
  }

  void push(const std::string& lines, std::uint64_t points) override {
    RecordHeader header;
    header.length = static_cast<std::uint32_t>(lines.size());
    header.points = static_cast<std::uint32_t>(points);
    header.crc = checksum(header, lines);
    std::string bytes(sizeof header, '\0');
    std::memcpy(bytes.data(), &header, sizeof header);
    bytes += lines;
    if (!file_.valid() || size_ + bytes.size() > segment_bytes_) begin_segment();
    try {
      write_all(file_.get(), bytes, "spool");
      if (::fdatasync(file_.get()) != 0) throw_errno("sync", "spool");
    } catch (...) {
      file_ = UniqueFd{};  // what a failed write left behind ends this segment
      throw;
    }
    add({segments_.back(), size_ + sizeof header, header.length, header.points});
    size_ += bytes.size();
    while (state_.bytes > most_bytes_ && segments_.size() > 1) drop_oldest_segment();
  }

  [[nodiscard]] Batch front(std::uint64_t most_points, std::uint64_t most_bytes) const override {
    Batch batch;
    UniqueFd file;
    std::uint64_t open_segment = 0;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const Record& record = records_[i];
      const bool is_over = batch.points + record.points > most_points ||
                           batch.lines.size() + record.length > most_bytes;
      if (i > 0 && is_over) break;
      if (record.length > 0) {
        if (open_segment != record.segment) file = open_fd(path_of(record.segment), O_RDONLY);
        open_segment = record.segment;
        read_lines(file, record, batch.lines);
      }
      batch.points += record.points;
      batch.last_record = first_ + i;
    }
    return batch;
  }

  void pop(std::uint64_t last_record) override {
    while (!records_.empty() && first_ <= last_record) drop_front();
    // Not synced: an older cursor only makes records be delivered again.
    const fs::path temporary = folder_ / "cursor.new";
    std::ofstream{temporary} << first_ << '\n';
    std::error_code ignored;
    fs::rename(temporary, folder_ / "cursor", ignored);
    remove_delivered_segments();
  }

  [[nodiscard]] QueueState state() const override { return state_; }

 private:
  [[nodiscard]] fs::path path_of(std::uint64_t segment) const {
    return folder_ / fmt::format("{:020}{}", segment, kSuffix);
  }

  // A segment is named by the number of its first record.
  void begin_segment() {
    const std::uint64_t number = first_ + records_.size();
    file_ = open_fd(path_of(number), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    sync_folder(folder_);
    segments_.push_back(number);
    size_ = 0;
  }

  static void read_lines(const UniqueFd& file, const Record& record, std::string& to) {
    const std::size_t begin = to.size();
    to.resize(begin + record.length);
    std::size_t done = 0;
    while (done < record.length) {
      const ssize_t n = ::pread(file.get(), to.data() + begin + done, record.length - done,
                                static_cast<off_t>(record.offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw_errno(n == 0 ? EIO : errno, "read", "spool");
      done += static_cast<std::size_t>(n);
    }
  }

  void add(const Record& record) {
    records_.push_back(record);
    state_.points += record.points;
    state_.bytes += record.length;
  }

  void drop_front() {
    state_.points -= records_.front().points;
    state_.bytes -= records_.front().length;
    records_.pop_front();
    ++first_;
  }

  void drop_oldest_segment() {
    const std::uint64_t segment = segments_.front();
    while (!records_.empty() && records_.front().segment == segment) {
      state_.dropped_points += records_.front().points;
      drop_front();
    }
    remove_segment();
  }

  void remove_segment() {
    std::error_code ignored;
    fs::remove(path_of(segments_.front()), ignored);
    segments_.pop_front();
  }

  void remove_delivered_segments() {
    while (!segments_.empty() &&
           (records_.empty() || records_.front().segment != segments_.front())) {
      if (segments_.size() == 1) file_ = UniqueFd{};
      remove_segment();
    }
  }

  // Takes over what an earlier process left: whole records from the cursor on, up to the first
  // damaged one of each segment.
  void recover() {
    std::vector<std::uint64_t> found;
    for (const auto& entry : fs::directory_iterator{folder_}) {
      const std::string name = entry.path().filename().native();
      std::uint64_t number = 0;
      if (name.ends_with(kSuffix) &&
          std::from_chars(name.data(), name.data() + name.size(), number).ptr ==
              name.data() + name.size() - kSuffix.size())
        found.push_back(number);
    }
    std::sort(found.begin(), found.end());
    const std::string text = read_value(folder_ / "cursor", "1");
    std::uint64_t cursor = 1;
    std::from_chars(text.data(), text.data() + text.size(), cursor);
    if (!found.empty()) first_ = found.front();
    for (const std::uint64_t number : found) recover_segment(number);
    first_ = std::max(first_, records_.empty() ? cursor : first_);
    while (!records_.empty() && first_ < cursor) drop_front();
    remove_delivered_segments();
  }

  void recover_segment(std::uint64_t number) {
    // Records that are damaged in the middle of the queue: later segments tell how many they were.
    while (!segments_.empty() && first_ + records_.size() < number)
      add({segments_.back(), 0, 0, 0});
    const std::string content = read_file(path_of(number));
    std::size_t at = 0;
    while (at + sizeof(RecordHeader) <= content.size()) {
      RecordHeader header;
      std::memcpy(&header, content.data() + at, sizeof header);
      const std::size_t begin = at + sizeof header;
      if (header.magic != RecordHeader::kMagic || header.length > content.size() - begin) break;
      if (header.crc != checksum(header, std::string_view{content}.substr(begin, header.length)))
        break;
      add({number, begin, header.length, header.points});
      at = begin + header.length;
    }
    state_.damaged_bytes += content.size() - at;
    segments_.push_back(number);
    if (at == 0) {  // nothing whole in it: its name is free for the next segment
      std::error_code ignored;
      fs::remove(path_of(number), ignored);
      segments_.pop_back();
    }
  }

  fs::path folder_;
  std::uint64_t most_bytes_, segment_bytes_;
  UniqueFd lock_, file_;
  std::uint64_t size_ = 0;              // of the segment being written
  std::deque<std::uint64_t> segments_;  // oldest first
  std::deque<Record> records_;          // oldest first
  std::uint64_t first_ = 1;             // number of the front record
  QueueState state_;
};

}  // namespace

std::unique_ptr<PointQueue> disk_queue(const fs::path& folder, std::uint64_t most_bytes) {
  return std::make_unique<DiskQueue>(folder, most_bytes);
}

}  // namespace tl::live
