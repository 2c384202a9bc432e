// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* What the kernel itself says a packet's wire length is, before the qdisc (qdisc_pkt_len_init): an oracle for the
 * counters' own arithmetic. Shares no code with them but the kernel's types. */
#include "../../bpf/kernel_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile __u32 netns_inode = 0;
const volatile __u32 ifindex = 0;

__u64 packets;
__u64 pkt_len_sum;

SEC("tp_btf/net_dev_queue")
int BPF_PROG(queue_length, struct sk_buff *skb)
{
	struct net_device *device = skb->dev;
	if ((__u32)device->ifindex != ifindex || device->nd_net.net->ns.inum != netns_inode)
		return 0;
	__sync_fetch_and_add(&packets, 1);
	__sync_fetch_and_add(&pkt_len_sum, *(__u32 *)skb->cb);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
