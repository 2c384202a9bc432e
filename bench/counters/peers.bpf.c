// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* What the counters are measured beside: programs that do nothing, and the least that could be called a counter (the
 * clock and one addition in a slot of the CPU), at the counters' own places. */
#include "../../bpf/kernel_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define TCX_NEXT (-1) /* linux/bpf.h since 6.6 */

struct slot {
	__u64 now_ns, bytes;
};

#define SLOTS(name)                                 \
	struct {                                    \
		__uint(type, BPF_MAP_TYPE_ARRAY);   \
		__uint(map_flags, BPF_F_MMAPABLE);  \
		__uint(max_entries, 256);           \
		__type(key, __u32);                 \
		__type(value, struct slot);         \
	} name SEC(".maps")
SLOTS(rx_slots);
SLOTS(tx_slots);
SLOTS(tap_slots);

static __always_inline int add(void *slots, __u32 bytes)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct slot *slot = bpf_map_lookup_elem(slots, &cpu);
	if (!slot)
		return 0;
	slot->now_ns = bpf_ktime_get_ns();
	slot->bytes += bytes;
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(empty_rx, struct sk_buff *skb)
{
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(empty_tx, struct sk_buff *skb, struct net_device *device)
{
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(minimal_rx, struct sk_buff *skb)
{
	return add(&rx_slots, skb->len);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(minimal_tx, struct sk_buff *skb, struct net_device *device)
{
	return add(&tx_slots, skb->len);
}

SEC("socket")
int empty_tap(struct __sk_buff *skb)
{
	return 0;
}

SEC("socket")
int minimal_tap(struct __sk_buff *skb)
{
	return add(&tap_slots, skb->len);
}

SEC("tc")
int empty_tcx_rx(struct __sk_buff *skb)
{
	return TCX_NEXT;
}

SEC("tc")
int empty_tcx_tx(struct __sk_buff *skb)
{
	return TCX_NEXT;
}

SEC("tc")
int minimal_tcx_rx(struct __sk_buff *skb)
{
	add(&rx_slots, skb->len);
	return TCX_NEXT;
}

SEC("tc")
int minimal_tcx_tx(struct __sk_buff *skb)
{
	add(&tx_slots, skb->len);
	return TCX_NEXT;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
