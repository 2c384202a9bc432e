#include "probe/kernel_abilities.hh"

#include <bpf/btf.h>

#include <memory>
#include <span>
#include <string_view>

namespace tl {
namespace {

// Also in the unnamed structures and unions inside.
bool has_member(const btf* kernel, std::uint32_t type_id, std::string_view name) {
  const btf_type* type = btf__type_by_id(kernel, type_id);
  if (type == nullptr || !btf_is_composite(type)) return false;
  for (const btf_member& member : std::span{btf_members(type), btf_vlen(type)}) {
    const std::string_view member_name = btf__name_by_offset(kernel, member.name_off);
    if (member_name == name) return true;
    if (member_name.empty() && has_member(kernel, member.type, name)) return true;
  }
  return false;
}

KernelAbilities by_btf() {
  const std::unique_ptr<btf, void (*)(btf*)> kernel{btf__load_vmlinux_btf(), &btf__free};
  if (!kernel) return {};
  const auto id_of = [&](const char* name, std::uint32_t kind) {
    return btf__find_by_name_kind(kernel.get(), name, kind);
  };
  const std::int32_t packet = id_of("sk_buff", BTF_KIND_STRUCT);
  KernelAbilities can;
  can.reads_directly = id_of("bpf_rdonly_cast", BTF_KIND_FUNC) > 0 && packet > 0 &&
                       has_member(kernel.get(), static_cast<std::uint32_t>(packet), "vlan_all");
  can.shares_taps = can.reads_directly && id_of("bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0;
  can.has_tcx = can.shares_taps && id_of("tcx_link", BTF_KIND_STRUCT) > 0;
  return can;
}

}  // namespace

// Asked once: reading all of the kernel's types takes milliseconds.
KernelAbilities kernel_abilities() {
  static const KernelAbilities can = by_btf();
  return can;
}

}  // namespace tl
