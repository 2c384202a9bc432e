#include "probe/load_time.hh"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <vector>

#include "base/errors.hh"

namespace tl {
namespace {

constexpr auto kLoad64 = BPF_LD | BPF_IMM | BPF_DW;  // a 64-bit number into a register

}  // namespace

void set_load_time(bpf_object* object, const std::map<int, std::int32_t>& numbers,
                   const std::map<int, int>& memory) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const bpf_insn* first = bpf_program__insns(program);
    std::vector<bpf_insn> code(first, first + bpf_program__insn_cnt(program));
    for (bpf_insn& instruction : code) {
      if (const auto number = numbers.find(instruction.imm); number != numbers.end())
        instruction.imm = number->second;
      const auto map = memory.find(instruction.imm);
      if (map == memory.end() || instruction.code != kLoad64) continue;
      instruction.src_reg = BPF_PSEUDO_MAP_VALUE;
      instruction.imm = map->second;
    }
    if (bpf_program__set_insns(program, code.data(), code.size()) != 0)
      throw MachineError{
          fmt::format("load counters: cannot change {}", bpf_program__name(program))};
  }
}

}  // namespace tl
