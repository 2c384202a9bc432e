#include "pace/config_writer.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.hh"
#include "base/fd.hh"
#include "base/process.hh"

namespace tl::pace {
namespace {

constexpr std::chrono::seconds kPromtoolLimit{30};

// Written in the same folder: relative paths in the configuration mean the same, and a rename
// works.
class Beside {
 public:
  Beside(const std::filesystem::path& file, const std::string& text) : path_{file} {
    path_ += ".trafficlab-new";
    struct stat old {};
    if (::stat(file.c_str(), &old) != 0) throw_errno("read", file.native());
    const UniqueFd fd = open_fd(path_, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    write_all(fd.get(), text, path_.native());
    // Prometheus runs as another user and must still be able to read it.
    if (::fchown(fd.get(), old.st_uid, old.st_gid) != 0 ||
        ::fchmod(fd.get(), old.st_mode & 07777U) != 0 || ::fsync(fd.get()) != 0)
      throw_errno("write", path_.native());
  }
  ~Beside() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void take_place_of(const std::filesystem::path& file) {
    if (::rename(path_.c_str(), file.c_str()) != 0) throw_errno("replace", file.native());
    path_.clear();
    sync_folder(file.parent_path());
  }

 private:
  std::filesystem::path path_;
};

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

ConfigWriter::ConfigWriter(const std::filesystem::path& file, Prometheus& server,
                           std::string promtool)
    : file_{std::filesystem::canonical(file)}, server_{server}, promtool_{std::move(promtool)} {}

std::string ConfigWriter::read() const { return read_file(file_); }

std::string ConfigWriter::promtool_objection(const std::string& text) const {
  const Beside candidate{file_, text};
  const CommandResult result =
      run_command({promtool_, "check", "config", candidate.path()}, kPromtoolLimit);
  return result.status.ok() ? "" : last_line(result.err.empty() ? result.out : result.err);
}

bool ConfigWriter::replace(const std::string& expected, const std::string& text) const {
  Beside fresh{file_, text};
  if (read() != expected) return false;
  fresh.take_place_of(file_);
  return true;
}

std::string ConfigWriter::reload_objection() {
  const live::WebResponse response = server_.post("/-/reload");
  if (response.ok()) return "";
  if (response.status == 0) return response.error;
  if (response.status == 403) return "reload is off (start Prometheus with --web.enable-lifecycle)";
  return fmt::format("HTTP {}: {}", response.status, last_line(response.body));
}

ConfigWriter::Result ConfigWriter::apply(const std::string& expected, const std::string& text) {
  reason_.clear();
  if (read() != expected) return Result::changed_by_others;
  if (text == expected) return Result::unchanged;
  reason_ = promtool_objection(text);
  if (!reason_.empty()) return Result::refused;
  if (!replace(expected, text)) return Result::changed_by_others;
  reason_ = reload_objection();
  if (reason_.empty()) return Result::applied;
  if (!replace(text, expected)) return Result::changed_by_others;
  if (const std::string again = reload_objection(); !again.empty())
    reason_ += "; loading the old configuration again: " + again;
  return Result::refused;
}

}  // namespace tl::pace
