#include "live/csv.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/errors.hh"

namespace tl::live {

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string{"\"\""} : std::string{c};
  return quoted + "\"";
}

CsvFile::CsvFile(const std::filesystem::path& path, const std::string& header)
    : name_{path.native()} {
  if (path == "-") {
    file_ = UniqueFd{::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)};
    append(header);
    return;
  }
  file_ = open_fd(path, O_RDWR | O_CREAT | O_APPEND);
  const off_t size = ::lseek(file_.get(), 0, SEEK_END);
  if (size <= 0) {
    append(header);
    return;
  }
  std::string begin(header.size(), '\0');
  char last = '\n';
  if (::pread(file_.get(), begin.data(), begin.size(), 0) < 0 ||
      ::pread(file_.get(), &last, 1, size - 1) < 0)
    throw_errno("read", name_);
  const std::string line = header.substr(0, header.find_first_of("\r\n"));
  if (begin.substr(0, line.size()) != line)
    throw UsageError{fmt::format("append to {}: the file has another header", name_)};
  if (last != '\n') append("\r\n");
}

void CsvFile::append(const std::string& line) { write_all(file_.get(), line, name_); }

}  // namespace tl::live
