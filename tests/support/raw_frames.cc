#include "support/raw_frames.hh"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>

#include "base/errors.hh"

namespace tl::test {
namespace {

// sched_cls: bpf_skb_vlan_push(skb, 802.1Q, 5); return TC_ACT_OK.
UniqueFd load_tagger() {
  constexpr auto kMove = BPF_ALU64 | BPF_MOV | BPF_K;
  const auto move = [](int to, int value) {
    bpf_insn insn{};
    insn.code = kMove;
    insn.dst_reg = static_cast<__u8>(to & 0xf);
    insn.imm = value;
    return insn;
  };
  bpf_insn call{}, exit{};
  call.code = BPF_JMP | BPF_CALL;
  call.imm = BPF_FUNC_skb_vlan_push;
  exit.code = BPF_JMP | BPF_EXIT;
  const std::array program{move(BPF_REG_2, htons(ETH_P_8021Q)), move(BPF_REG_3, 5), call,
                           move(BPF_REG_0, 0), exit};
  UniqueFd fd{::bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tl_test_tag", "GPL", program.data(),
                              program.size(), nullptr)};
  if (!fd.valid()) throw_errno("load", "tagging program");
  return fd;
}

}  // namespace

RawSender::RawSender(const NetNs& netns, const std::string& device) {
  netns.run([&] {
    socket_ = UniqueFd{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
    if (!socket_.valid()) throw_errno("make", "packet socket");
    ifindex_ = static_cast<int>(::if_nametoindex(device.c_str()));
    if (ifindex_ == 0) throw_errno("find device", device);
  });
}

void RawSender::send(const Bytes& frame, std::uint64_t count, std::uint16_t protocol) const {
  send_on(ifindex_, frame, count, protocol);
}

void RawSender::send_on(int ifindex, const Bytes& frame, std::uint64_t count,
                        std::uint16_t protocol) const {
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(protocol);
  to.sll_ifindex = ifindex;
  to.sll_halen = ETH_ALEN;
  for (std::uint64_t i = 0; i < count; ++i)
    if (::sendto(socket_.get(), frame.data(), frame.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
      throw_errno("send", "a raw frame");
}

void tag_packets(const NetNs& netns, const std::string& device) {
  const UniqueFd program = load_tagger();
  netns.run([&] {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
    hook.attach_point = BPF_TC_EGRESS;
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.prog_fd = program.get();
    int error = ::bpf_tc_hook_create(&hook);
    if (error == 0) error = ::bpf_tc_attach(&hook, &options);
    if (error != 0) throw_errno(-error, "attach the tagging program to", device);
  });
}

}  // namespace tl::test
