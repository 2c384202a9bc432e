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

/* Whether memory is read without calls. Else the object is counters_probing or counters_raw. */
#ifdef TL_PROBING
#define READS_DIRECTLY 0
#else
#define READS_DIRECTLY 1
#endif

/* A word of kernel memory, 0 where there is none. */
static __always_inline __u32 word_at(const void *memory)
{
#if READS_DIRECTLY
	const struct in6_addr *words = bpf_rdonly_cast(memory, bpf_core_type_id_kernel(struct in6_addr));
	return words->words[0];
#else
	__u32 word = 0;
	bpf_probe_read_kernel(&word, sizeof(word), memory);
	return word;
#endif
}

static __always_inline __u8 byte_at(const __u8 *memory)
{
	__u32 word = word_at(memory);
	return *(__u8 *)&word;
}

#include "count.bpf.h"

/* Not 0 when the packet carries a VLAN tag beside its bytes. A whole register, or the compiler would make a truth value of
 * it, and then ask that one. */
static __always_inline __u64 has_tag_beside(struct sk_buff *skb)
{
	__u64 tag;
	if (READS_DIRECTLY || bpf_core_field_exists(skb->vlan_all)) {
		tag = GET(skb, vlan_all);
	} else {
		struct sk_buff___before_6_2 *older = (void *)skb;
		tag = BPF_CORE_READ_BITFIELD_PROBED(older, vlan_present);
	}
	barrier_var(tag);
	return tag;
}

/* What the kernel keeps behind the packet's linear part. */
static __always_inline const struct skb_shared_info *shared_of(struct sk_buff *skb)
{
	const void *shared = GET(skb, head) + GET(skb, end);
	return READS_DIRECTLY ? bpf_rdonly_cast(shared, bpf_core_type_id_kernel(struct skb_shared_info)) : shared;
}

#define SHARED(shared, field) (READS_DIRECTLY ? (shared)->field : BPF_CORE_READ(shared, field))

/* The one question that every packet asks there. A whole register, or the compiler would mask it where it meets others. */
static __always_inline __u64 gso_size_of(struct sk_buff *skb)
{
	const struct skb_shared_info *shared = shared_of(skb);
	__u64 gso_size = SHARED(shared, gso_size);
	barrier_var(gso_size);
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

/* The bytes of the headers that each segment of a super-packet repeats, by what the kernel knows of a packet that it made
 * itself: of which kind it is, and where its transport header begins. 0 when it does not, or the packet is longer than
 * 64 KiB: such a one of IPv6 has an option that no segment carries. `link_offset`: where the frame begins, from skb->head.
 * Not apart: a stream of super-packets leaves little in the caches, and another function is another line of code to wait
 * for. */
static __always_inline __u32 repeated_headers(struct sk_buff *skb, __u32 link_offset, __u32 link_header, __u32 bytes,
					      int is_tapped_tx)
{
	/* A tap is shown outgoing packets with that header set to the network's (dev_queue_xmit_nit), and incoming ones
	 * where it may be so, but on the way out the checksum of a super-packet begins there. */
	__u32 headers = (is_tapped_tx ? GET(skb, csum_start) : GET(skb, transport_header)) - link_offset;
	if (is_tapped_tx ? BPF_CORE_READ_BITFIELD(skb, ip_summed) != CHECKSUM_PARTIAL : headers == link_header)
		return 0;
	if (headers > 0xff || bytes > 0xffff) /* also where it is not set: 0xffff */
		return 0;
	const struct skb_shared_info *info = shared_of(skb);
	__u32 type = SHARED(info, gso_type);
	if (type == SKB_GSO_TCPV4 || type == SKB_GSO_TCPV6) /* data offset, RFC 9293 */
		return headers + (__u32)(byte_at(GET(skb, head) + link_offset + headers + 12) >> 4) * 4;
	return type == SKB_GSO_UDP_L4 ? headers + 8 : 0;
}

#define TL_IS_PULLED 1U    /* the link header is in front of the packet's data */
#define TL_IS_TAPPED_TX 2U /* a tap is shown it, on the way out */

/* segmentation() of any packet. Apart: most need less. `where`: of the above. */
static __noinline __u64 segmentation_of(struct sk_buff *skb, __u32 segments, __u32 bytes, __u32 link_header, __u32 where)
{
	if (!skb)
		return 0;
	__u32 link_offset = data_offset(skb) - (where & TL_IS_PULLED ? link_header : 0);
	__u32 headers = 0;
	if (segments != 0 && !has_tag_beside(skb))
		headers = where & TL_IS_TAPPED_TX ? repeated_headers(skb, link_offset, link_header, bytes, 1) :
						    repeated_headers(skb, link_offset, link_header, bytes, 0);
	if (headers != 0)
		return (__u64)(segments - 1) << 32 | (segments - 1) * headers;
	const struct skb_shared_info *shared = shared_of(skb);
	return segmentation(GET(skb, head) + link_offset + link_header, SHARED(shared, gso_size), segments,
			    link_header + (has_tag_beside(skb) ? VLAN_HLEN : 0), bytes);
}

#endif
