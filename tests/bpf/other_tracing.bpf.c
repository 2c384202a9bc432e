// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Tracing programs that are not the counters': beside which these must be exact, and with which their cost compares.
 * Shares no code with them but the kernel's types. */
#include "../../bpf/kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile __u32 netns_inode = 0;

__u64 classic_packets, twin_packets, switches;

/* One value that takes long to copy: programs of some types do not run on a CPU while a system call reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 1 << 20);
} large SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} by_thread SEC(".maps");

static __always_inline int is_ours(struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, dev, nd_net.net, ns.inum) == netns_inode;
}

/* What /sys/kernel/tracing/events/net/netif_receive_skb/format says. */
struct received {
	__u64 common;
	void *skb;
};

SEC("tracepoint")
int classic(struct received *received)
{
	if (is_ours(received->skb))
		__sync_fetch_and_add(&classic_packets, 1);
	return 0;
}

/* The same at the same place as a program with BTF. */
SEC("tp_btf/netif_receive_skb")
int BPF_PROG(twin, struct sk_buff *skb)
{
	if (is_ours(skb))
		__sync_fetch_and_add(&twin_packets, 1);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(empty, struct sk_buff *skb)
{
	return 0;
}

/* What people trace: every context switch, by thread. */
SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch)
{
	__u64 thread = bpf_get_current_pid_tgid(), one = 1;
	__u64 *count = bpf_map_lookup_elem(&by_thread, &thread);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&by_thread, &thread, &one, BPF_ANY);
	__sync_fetch_and_add(&switches, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
