// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Reading the kernel's packets, in the programs that get them as the kernel has them. */
#ifndef TL_PACKET_BPF_H
#define TL_PACKET_BPF_H

#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* A field of a kernel structure. */
#ifdef TL_RAW_TP
#define GET(pointer, field) BPF_CORE_READ(pointer, field)
#else
#define GET(pointer, field) ((pointer)->field)
#endif

#define TL_PACKET const __u8
#define TL_BYTE(packet, offset) byte_at((packet) + (offset))

/* Whether memory can be read without a call: a constant for the verifier, which removes the other branch. */
static __always_inline int reads_directly(void)
{
#ifdef TL_RAW_TP
	return 0;
#else
	return bpf_core_enum_value_exists(enum special_kfunc_type, KF_bpf_rdonly_cast);
#endif
}

/* A word of kernel memory, 0 where there is none. */
static __always_inline __u32 word_at(const void *memory)
{
	if (likely(reads_directly())) {
		const struct in6_addr *words = bpf_rdonly_cast(memory, bpf_core_type_id_kernel(struct in6_addr));
		return words->words[0];
	}
	__u32 word = 0;
	bpf_probe_read_kernel(&word, sizeof(word), memory);
	return word;
}

static __always_inline __u8 byte_at(const __u8 *memory)
{
	__u32 word = word_at(memory);
	return *(__u8 *)&word;
}

#include "count.bpf.h"

/* Not 0 when the packet carries a VLAN tag beside its bytes. */
static __always_inline __u64 has_tag_beside(struct sk_buff *skb)
{
	__u64 tag;
	if (likely(bpf_core_field_exists(skb->vlan_all))) {
		tag = GET(skb, vlan_all);
	} else {
		struct sk_buff___before_6_2 *older = (void *)skb;
		tag = BPF_CORE_READ_BITFIELD_PROBED(older, vlan_present);
	}
	barrier_var(tag); /* else the compiler makes a truth value of it, and then asks that one */
	return tag;
}

/* What the kernel keeps behind the packet's linear part. Reading through it is as word_at() does. */
static __always_inline const struct skb_shared_info *shared_of(struct sk_buff *skb)
{
	const void *shared = GET(skb, head) + GET(skb, end);
	return reads_directly() ? bpf_rdonly_cast(shared, bpf_core_type_id_kernel(struct skb_shared_info)) : shared;
}

#define SHARED(shared, field) (reads_directly() ? (shared)->field : BPF_CORE_READ(shared, field))

/* The one question that every packet asks there: in two ways, of which the verifier removes one. A whole register each,
 * or the compiler would mask it where they meet. */
static __always_inline __u64 gso_size_of(struct sk_buff *skb)
{
	const void *shared = GET(skb, head) + GET(skb, end);
	__u64 gso_size;
	if (likely(reads_directly())) {
		const struct skb_shared_info *info =
			bpf_rdonly_cast(shared, bpf_core_type_id_kernel(struct skb_shared_info));
		gso_size = info->gso_size;
		barrier_var(gso_size);
	} else {
		gso_size = BPF_CORE_READ((const struct skb_shared_info *)shared, gso_size);
		barrier_var(gso_size);
	}
	return gso_size;
}

static __always_inline __u32 gso_segs_of(struct sk_buff *skb)
{
	const struct skb_shared_info *shared = shared_of(skb);
	return SHARED(shared, gso_segs);
}

/* Where the packet's data begins, from skb->head. */
static __always_inline __u32 data_offset(struct sk_buff *skb)
{
	__u64 offset = (__u64)(GET(skb, data) - GET(skb, head));
	barrier_var(offset); /* the verifier wants arithmetic with pointers to be 64 bits wide */
	return (__u32)offset;
}

/* Where the packet's transport header begins, from skb->head, if the kernel says so; else a number that is too great. A tap is
 * shown outgoing packets with that header set to the network's (dev_queue_xmit_nit), and incoming ones where it may be so,
 * but on the way out the checksum of a super-packet begins there. */
static __always_inline __u64 transport_offset(struct sk_buff *skb, __u32 network_offset, int is_tapped_tx)
{
	__u64 transport = is_tapped_tx ? GET(skb, csum_start) : GET(skb, transport_header);
	if (is_tapped_tx ? BPF_CORE_READ_BITFIELD(skb, ip_summed) != CHECKSUM_PARTIAL : transport == network_offset)
		transport = TRANSPORT_UNKNOWN;
	return transport;
}

/* segmentation() by what the kernel knows of a packet that it made itself: of which kind it is, and where its transport
 * header begins. Other packets say it in their headers, which takes longer. `bytes`: of the frame; `link_offset`: where it
 * begins, from skb->head. Not apart: a stream of super-packets leaves little in the caches, and another function is another
 * line of code to wait for. */
static __always_inline __u64 segmentation_of(struct sk_buff *skb, __u32 segments, __u32 bytes, __u32 link_offset,
					     __u32 link_header, int is_tapped_tx)
{
	const struct skb_shared_info *info = shared_of(skb);
	__u32 type = SHARED(info, gso_type);
	__u32 headers = (__u32)transport_offset(skb, link_offset + link_header, is_tapped_tx) - link_offset;
	/* Longer packets of IPv6 have an option that no segment carries. */
	if (headers <= 0xff && bytes <= 0xffff && segments != 0 && !has_tag_beside(skb)) {
		if (type == SKB_GSO_TCPV4 || type == SKB_GSO_TCPV6) { /* data offset, RFC 9293 */
			headers += (__u32)(byte_at(GET(skb, head) + link_offset + headers + 12) >> 4) * 4;
			return (__u64)(segments - 1U) << 32 | (segments - 1U) * headers;
		}
		if (type == SKB_GSO_UDP_L4)
			return (__u64)(segments - 1U) << 32 | (segments - 1U) * (headers + 8);
	}
	barrier(); /* what was read above is read again: with 64 bytes of stack a program gets one of its own */
	const struct skb_shared_info *shared = shared_of(skb);
	return segmentation(GET(skb, head) + link_offset + link_header, SHARED(shared, gso_size), segments,
			    link_header + (has_tag_beside(skb) ? VLAN_HLEN : 0), bytes);
}

#endif
