#include "base/privileges.hh"

#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "base/errors.hh"

namespace tl {
namespace {
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)>;
}

Owner service_owner() {
  constexpr uid_t kNobody = 65534;  // Debian's nobody:nogroup
  return ::geteuid() == 0 ? Owner{kNobody, kNobody} : Owner{::geteuid(), ::getegid()};
}

void drop_capabilities() {
  const Capabilities none{::cap_init(), &::cap_free};
  if (!none || ::cap_set_proc(none.get()) != 0) throw_errno("drop", "capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("set", "no_new_privs");
}

void drop_privileges(uid_t uid, gid_t gid) {
  // Changing the user clears the wish to die with the parent (prctl(2)): it is taken up again
  // below.
  int death_signal = 0;
  const pid_t parent = ::getppid();
  ::prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
  if (::geteuid() == 0) {
    // Without CAP_SETGID there are no supplementary groups worth keeping and none can be changed.
    if (has_capability("CAP_SETGID") && ::setgroups(0, nullptr) != 0)
      throw_errno("drop", "supplementary groups");
    if (::setresgid(gid, gid, gid) != 0) throw_errno("change to group", std::to_string(gid));
    if (::setresuid(uid, uid, uid) != 0) throw_errno("change to user", std::to_string(uid));
  }
  drop_capabilities();
  if (death_signal == 0) return;
  ::prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0);
  if (::getppid() != parent) ::raise(death_signal);  // it died in between
}

void drop_privileges_to_owner(const std::filesystem::path& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) throw_errno("stat", folder.native());
  drop_privileges(info.st_uid, info.st_gid);
}

bool has_capability(const std::string& name) {
  cap_value_t value = 0;
  std::string lower = name;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (::cap_from_name(lower.c_str(), &value) != 0)
    throw UsageError{"capability '" + name + "': unknown name"};
  const Capabilities mine{::cap_get_proc(), &::cap_free};
  cap_flag_value_t effective = CAP_CLEAR;
  if (!mine || ::cap_get_flag(mine.get(), value, CAP_EFFECTIVE, &effective) != 0) return false;
  return effective == CAP_SET;
}

}  // namespace tl
