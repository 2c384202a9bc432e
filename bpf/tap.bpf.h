// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* What both kinds of tap programs share: those of all devices (counters.bpf.c) and of one (counters_tap.bpf.c). */
#ifndef TL_TAP_BPF_H
#define TL_TAP_BPF_H

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "count.bpf.h"

/* Adds a packet to the port series. `link_header`: the bytes of its link-layer header, behind which its own begin. */
static __always_inline int add_tapped_ports(struct __sk_buff *packet, const struct place *place, __u64 link_header, int is_rx,
					    const struct amount *a)
{
	__u8 header[TL_HEADER_BYTES] = {};
	__u16 ethertype = bpf_ntohs((__u16)packet->protocol);
	/* 64 bits wide: the verifier of 6.1 carries bounds over to copies only of whole registers. */
	__u64 length = packet->len > link_header ? packet->len - link_header : 0;
	if (length > TL_HEADER_BYTES)
		length = TL_HEADER_BYTES;
	if (!is_rx && link_header == ETH_HLEN) { /* the protocol field of raw senders may be 0 */
		__be16 in_frame = 0;
		if (bpf_skb_load_bytes(packet, 12, &in_frame, 2) == 0)
			ethertype = bpf_ntohs(in_frame);
	}
	if (length > 0) {
		barrier_var(length); /* else the compiler would leave out the mask, which shows the verifier the bounds */
		bpf_skb_load_bytes(packet, (__u32)link_header, header, (__u32)((length - 1) & (TL_HEADER_BYTES - 1)) + 1);
	}
	add_ports(header, (__u32)length, ethertype, place, is_rx, a);
	return 0;
}

#endif
