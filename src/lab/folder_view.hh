// How a service without privileges reaches a folder below one that only root may enter (/root, a
// 0700 temporary folder): in its own mount namespace, as a container would see it.
#pragma once

#include <string>
#include <vector>

namespace tl {

class FolderView {
 public:
  // `folder` as everybody may see it. Nothing is done yet.
  explicit FolderView(const std::string& folder);

  // In the child, between fork and exec: when an ancestor is closed to others, unshares the mount
  // namespace, covers the topmost closed ancestor with an empty tmpfs and binds the folder into it
  // at its own path. System calls only; returns 0 or an errno.
  int enter() const;

 private:
  std::string folder_;
  std::string cover_;  // the closed ancestor; empty when all are open
  std::vector<std::string>
      below_;  // folders to make in it, outermost first; the last is the folder itself
};

}  // namespace tl
