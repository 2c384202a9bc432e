#include "lab/folder_view.hh"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace tl {

FolderView::FolderView(const std::string& folder) : folder_{folder} {
  std::filesystem::path path = "/";
  for (const std::filesystem::path& part : std::filesystem::path{folder}.relative_path()) {
    path /= part;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) break;
    if (!cover_.empty()) {
      below_.push_back(path.native());
    } else if ((info.st_mode & S_IXOTH) == 0 && path != std::filesystem::path{folder}) {
      cover_ = path.native();
    }
  }
}

int FolderView::enter() const {
  if (cover_.empty()) return 0;
  if (::unshare(CLONE_NEWNS) != 0) return errno;
  // Nothing that is mounted from here on may appear on the host.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
  // A detached copy of the folder's mount (open_tree(2)), taken before it disappears under the
  // cover.
  const auto source = static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, folder_.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (source < 0) return errno;
  if (::mount("tl-view", cover_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k") != 0)
    return errno;
  for (const std::string& folder : below_)
    if (::mkdir(folder.c_str(), 0755) != 0) return errno;
  if (::syscall(SYS_move_mount, source, "", AT_FDCWD, below_.back().c_str(),
                MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return errno;
  return 0;
}

}  // namespace tl
