// Finding the processes of a lab that a test started: only descendants of a given process, never by
// name alone.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace tl::test {

// All descendants of `root` whose command line contains `part`.
std::vector<pid_t> descendants(pid_t root, const std::string& part = "");
// Polls until `done` is true or `limit` passes; returns whether it became true.
bool eventually(const std::function<bool()>& done, std::chrono::milliseconds limit);

}  // namespace tl::test
