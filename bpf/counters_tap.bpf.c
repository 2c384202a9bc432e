// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A tap as tl_tap of counters.bpf.c, for kernels that do not show a socket filter the packet as they have it themselves
 * (before 6.2). So the program does not learn which device a packet is of, and is loaded once a device; its maps are those of
 * counters.bpf.c. */
#include <linux/bpf.h>
#include <linux/if_packet.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 tl_tap_offset = 0;      /* bytes from a CPU's counters to the one of the device's series */
const volatile __u32 tl_tap_link_header = 0; /* bytes of its link-layer header */

/* A byte of the packet, wherever it lies: the classic load (BPF_LD | BPF_ABS), whose offset counts from the link header,
 * as a socket filter sees frames. Behind the packet's end it returns 0 from the function that it stands in. */
unsigned long long load_byte(void *skb, unsigned long long offset) asm("llvm.bpf.load.byte");
#define TL_PACKET struct __sk_buff
#define TL_BYTE(packet, offset) load_byte(packet, tl_tap_link_header + (offset))
#include "count.bpf.h"
#include "tap.bpf.h"

static __always_inline int is_rx(const struct __sk_buff *skb)
{
	return skb->pkt_type != PACKET_OUTGOING;
}

static __always_inline void *ring_of(const struct __sk_buff *skb)
{
	return is_rx(skb) ? (void *)&rx_ring : (void *)&tx_ring;
}

static __noinline int add_ports_of(struct __sk_buff *skb, struct tl_counter *counters, __u64 now_ns, __u64 bytes, __u64 extra)
{
	struct place place = {ring_of(skb), counters, now_ns};
	struct amount a = {bytes, extra};
	return add_tapped_ports(skb, &place, tl_tap_link_header, is_rx(skb), &a);
}

/* As count() in counters.bpf.c: what most packets do not need stands behind the rest. */
static __always_inline int count(struct __sk_buff *skb, int counts_ports)
{
	__u32 mode = tl_control.mode;
	__u64 now, interval_ns = tl_control.interval_ns;
	struct tl_counter *counters, *counter;
	if (unlikely((mode & (TL_COUNTING | TL_MOCKING)) != TL_COUNTING))
		goto unusual_mode;
	now = bpf_ktime_get_ns();
at_now:
	counters = is_rx(skb) ? counters_of_cpu(&rx_counters) : counters_of_cpu(&tx_counters);
	if (unlikely(!counters))
		goto without_counters;
	counter = (void *)counters + tl_tap_offset;
	/* Also when now < start: the difference wraps. */
	if (unlikely(now - counter->start_ns >= interval_ns))
		goto next_bucket;
in_bucket:;
	__u64 bytes = skb->len;
	add_bytes(counter, bytes);
	__u64 gso_size = skb->gso_size, has_tag = skb->vlan_present;
	if (unlikely(gso_size | has_tag) || counts_ports) /* in one question */
		goto more;
	return 0;

unusual_mode:
	if (!(mode & TL_COUNTING))
		return 0;
	now = now_ns(mode);
	goto at_now;
without_counters:
	return count_lost(is_rx(skb) ? (void *)&rx_state : (void *)&tx_state) & 0;
next_bucket:
	begin_bucket(ring_of(skb), counter, now);
	goto in_bucket;
more:;
	/* The kernel keeps a VLAN tag beside the packet; on the way in it has taken it out of the frame by now. */
	__u64 tag = has_tag ? VLAN_HLEN : 0, extra = 0;
	counter->gained += tag;
	bytes += tag;
	if (gso_size) {
		extra = segmentation(skb, gso_size, skb->gso_segs, tl_tap_link_header + tag, bytes);
		add_extra(counter, extra);
	}
	if (counts_ports) /* the bucket's begin stands for any moment in it */
		add_ports_of(skb, counters, counter->start_ns, bytes, extra);
	return 0;
}

/* All return 0: nothing is kept. */
SEC("socket")
int tl_tap_one(struct __sk_buff *skb)
{
	return count(skb, 0);
}

SEC("socket")
int tl_tap_one_ports(struct __sk_buff *skb)
{
	return count(skb, 1);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
