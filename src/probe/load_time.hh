// What is known only when programs are loaded, put into their instructions (bpf/load_time.bpf.h):
// as the kernel does with its own run-time constants (include/asm-generic/runtime-const.h).
#pragma once

#include <cstdint>
#include <map>

struct bpf_object;

namespace tl {

// `numbers`: by the value of tl_load_time that they replace. `memory`: maps by that value, whose
// memory's address takes its place; arrays of one value, given by file descriptor. To be called
// before the object is loaded.
void set_load_time(bpf_object* object, const std::map<int, std::int32_t>& numbers,
                   const std::map<int, int>& memory);

}  // namespace tl
