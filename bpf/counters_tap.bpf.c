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

/* Not the relative helper, which reads only the linear part: a socket filter sees frames from their link header on. */
#define TL_LOAD(packet, offset, to, bytes) bpf_skb_load_bytes(packet, tl_tap_link_header + (offset), to, bytes)
#include "count.bpf.h"

static __always_inline void add_ports_of(struct __sk_buff *skb, const struct place *place, int is_rx,
					 const struct amount *a)
{
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
	add_ports(header, (__u32)length, ethertype, place->block, place->totals, place->epoch, is_rx, a);
}

static __always_inline void count(struct __sk_buff *skb, struct hook_maps maps, int is_rx)
{
	struct place place = place_of(maps, bpf_get_smp_processor_id());
	if (!place.block || !place.totals)
		return;
	/* The kernel keeps a VLAN tag beside the packet; on the way in it has taken it out of the frame by now. */
	__u32 tag = skb->vlan_present ? VLAN_HLEN : 0;
	struct amount a = {1, 1, skb->len + tag, 0};
	set_wire(skb, skb->gso_size, skb->gso_segs, tl_tap_link_header + tag, &a);
	add(place.block, place.totals, tl_tap_series, place.epoch, &a);
	if (tl_ports && (tl_tap_flags & TL_COUNTS_PORTS))
		add_ports_of(skb, &place, is_rx, &a);
}

SEC("socket")
int tl_tap(struct __sk_buff *skb)
{
	if (!tl_enabled)
		return 0;
	if (skb->pkt_type == PACKET_OUTGOING)
		count(skb, MAPS(tx), 0);
	else
		count(skb, MAPS(rx), 1);
	return 0; /* keep nothing */
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
