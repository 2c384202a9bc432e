// Giving up root once everything that needs it is open.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace tl {

// Whom the services of a lab become and whom the files of its run belong to: nobody for root, so
// that no service writes as root; else the caller.
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};
Owner service_owner();

// Becomes uid:gid without supplementary groups, then empties every capability set of the calling
// thread and forbids regaining any (PR_SET_NO_NEW_PRIVS). Open descriptors and mappings stay
// usable. User and group change for the whole process, capabilities(7) for the calling thread and
// threads it starts later: call before other threads exist, or in each. Throws MachineError.
void drop_privileges(uid_t uid, gid_t gid);
// The same, becoming the owner of a folder that is to be written to afterwards.
void drop_privileges_to_owner(const std::filesystem::path& folder);
// The same, keeping the present user and group.
void drop_capabilities();
// Whether the calling thread has this effective capability ("CAP_NET_RAW"). Throws UsageError for
// an unknown name.
bool has_capability(const std::string& name);

}  // namespace tl
