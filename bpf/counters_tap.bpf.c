// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* The counters of one observed device: a filter on a packet socket that is bound to it and keeps nothing.
 *
 * The kernel shows a packet to such a socket at the same two places where the trace events lie: behind
 * netif_receive_skb (__netif_receive_skb_core) and right before the driver (dev_queue_xmit_nit), but without a patched
 * branch in front, and it does not show looped-back copies, which device statistics do not count either. The program is
 * loaded once a device; its maps are those of counters.bpf.c. */
#include <linux/bpf.h>
#include <linux/if_packet.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 tl_tap_series = 0;      /* the device's */
const volatile __u32 tl_tap_flags = 0;       /* TL_COUNTS_PORTS */
const volatile __u32 tl_tap_link_header = 0; /* bytes of its link-layer header */

/* A byte of the packet, wherever it lies: the classic load (BPF_LD | BPF_ABS), whose offset counts from the link header,
 * as a socket filter sees frames. Behind the packet's end it returns 0 from the function that it stands in. */
unsigned long long load_byte(void *skb, unsigned long long offset) asm("llvm.bpf.load.byte");
#define TL_PACKET struct __sk_buff
#define TL_BYTE(packet, offset) load_byte(packet, tl_tap_link_header + (offset))
#include "count.bpf.h"

static __noinline int add_ports_of(struct __sk_buff *skb, struct tl_counter *counters, __u64 now_ns, int is_rx, __u64 extra)
{
	struct place place = {is_rx ? (void *)&rx_ring : (void *)&tx_ring, counters, now_ns};
	struct amount a = {skb->len + (skb->vlan_present ? VLAN_HLEN : 0), extra};
	__u8 header[TL_HEADER_BYTES] = {};
	__u16 ethertype = bpf_ntohs((__u16)skb->protocol);
	/* 64 bits wide: the verifier of 6.1 carries bounds over to copies only of whole registers. */
	__u64 length = skb->len > tl_tap_link_header ? skb->len - tl_tap_link_header : 0;
	if (length > TL_HEADER_BYTES)
		length = TL_HEADER_BYTES;
	if (!is_rx && tl_tap_link_header == ETH_HLEN) { /* the protocol field of raw senders may be 0 */
		__be16 in_frame = 0;
		if (bpf_skb_load_bytes(skb, 12, &in_frame, 2) == 0)
			ethertype = bpf_ntohs(in_frame);
	}
	barrier_var(length);
	if (length > 0 && length <= TL_HEADER_BYTES)
		bpf_skb_load_bytes(skb, tl_tap_link_header, header, (__u32)length);
	add_ports(header, (__u32)length, ethertype, &place, is_rx, &a);
	return 0;
}

static __always_inline void count(struct __sk_buff *skb, struct hook_maps maps, __u64 now_ns)
{
	struct place place = {maps.ring, counters_of_cpu(maps.counters), now_ns};
	if (!place.counters) {
		count_lost(maps.state);
		return;
	}
	/* The kernel keeps a VLAN tag beside the packet; on the way in it has taken it out of the frame by now. */
	__u32 tag = skb->vlan_present ? VLAN_HLEN : 0;
	struct amount a = {skb->len + tag, 0};
	__u32 gso_size = skb->gso_size;
	if (gso_size)
		a.extra = segmentation(skb, gso_size, skb->gso_segs, tl_tap_link_header + tag, a.bytes);
	add(&place, series_of(place.counters, tl_tap_series), &a);
	if (tl_tap_flags & TL_COUNTS_PORTS)
		add_ports_of(skb, place.counters, now_ns, maps.hook == HOOK_rx, a.extra);
}

SEC("socket")
int tl_tap(struct __sk_buff *skb)
{
	__u32 mode = tl_control.mode;
	if (!(mode & TL_COUNTING))
		return 0;
	__u64 now = now_ns(mode);
	if (skb->pkt_type == PACKET_OUTGOING)
		count(skb, MAPS(tx), now);
	else
		count(skb, MAPS(rx), now);
	return 0; /* keep nothing */
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
