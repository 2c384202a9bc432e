/* Finding the ports of a packet: one body for the kernel side and for user space, where tests run it on made-up and
 * hostile input. Reads only bytes of the caller's copy. */
#ifndef TL_PARSE_BPF_H
#define TL_PARSE_BPF_H

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Hides from the compiler what it knows of a number. It would leave out the comparison that shows the verifier of 6.1
 * the number's bounds, or make it on a copy, whose bounds that verifier does not carry over. */
#define TL_OPAQUE(number) __asm__ __volatile__("" : "+r"(number))

#define TL_HEADER_BYTES 128U /* of the packet that are looked at, from its network header on */

enum tl_parse_status {
	TL_PORTS_FOUND = 0,
	TL_NO_PORTS = 1,  /* a protocol without ports: ICMP, ARP, ESP, … */
	TL_FRAGMENT = 2,  /* not the first fragment: the ports are elsewhere */
	TL_UNPARSED = 3,  /* truncated, malformed or too deep */
};

struct tl_packet_ports {
	__u16 source, destination; /* host byte order */
	__u8 status;               /* enum tl_parse_status */
	__u8 protocol;             /* of the layer above IP */
};

static __always_inline __u16 tl_be16(const __u8 *bytes)
{
	return (__u16)((bytes[0] << 8) | bytes[1]);
}

/* Protocols whose header begins with source and destination port: TCP, UDP, DCCP, SCTP, UDP-Lite. */
static __always_inline int tl_has_ports(__u8 protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
}

static __always_inline void tl_read_ports(const __u8 *bytes, __u32 length, __u32 offset, struct tl_packet_ports *found)
{
	if (!tl_has_ports(found->protocol)) {
		found->status = TL_NO_PORTS;
		return;
	}
	TL_OPAQUE(offset);
	if (offset > TL_HEADER_BYTES - 4 || offset + 4 > length)
		return;
	found->source = tl_be16(bytes + offset);
	found->destination = tl_be16(bytes + offset + 2);
	found->status = TL_PORTS_FOUND;
}

/* RFC 791 */
static __always_inline void tl_parse_ipv4(const __u8 *bytes, __u32 length, __u32 offset, struct tl_packet_ports *found)
{
	if (offset > 8 || offset + 20 > length)
		return;
	__u32 header = (__u32)(bytes[offset] & 0x0f) * 4;
	if ((bytes[offset] >> 4) != 4 || header < 20)
		return;
	found->protocol = bytes[offset + 9];
	if ((tl_be16(bytes + offset + 6) & 0x1fff) != 0) {
		found->status = TL_FRAGMENT;
		return;
	}
	tl_read_ports(bytes, length, offset + header, found);
}

/* RFC 8200 and the extension headers of the IANA registry; at most seven of them, and nothing that begins in the last
 * eight of the bytes looked at. */
static __always_inline void tl_parse_ipv6(const __u8 *bytes, __u32 length, __u32 offset, struct tl_packet_ports *found)
{
	if (offset > 8 || offset + 40 > length || (bytes[offset] >> 4) != 6)
		return;
	__u8 next = bytes[offset + 6];
	offset += 40;
	for (int depth = 0; depth < 8; depth++) {
		__u32 size;
		TL_OPAQUE(offset);
		if (offset > TL_HEADER_BYTES - 8)
			return;
		if (next == 0 || next == 43 || next == 60 || next == 135 || next == 139 || next == 140) {
			if (offset + 8 > length)
				return;
			size = ((__u32)bytes[offset + 1] + 1) * 8;
		} else if (next == 51) { /* AH counts in 4-byte units, RFC 4302 */
			if (offset + 8 > length)
				return;
			size = ((__u32)bytes[offset + 1] + 2) * 4;
		} else if (next == 44) {
			if (offset + 8 > length)
				return;
			if ((tl_be16(bytes + offset + 2) & 0xfff8) != 0) {
				found->protocol = bytes[offset];
				found->status = TL_FRAGMENT;
				return;
			}
			size = 8;
		} else {
			found->protocol = next;
			tl_read_ports(bytes, length, offset, found);
			return;
		}
		next = bytes[offset];
		offset += size;
	}
}

/* `bytes`: TL_HEADER_BYTES, of which `length` are filled, from behind the (first) Ethernet type on; `ethertype` that
 * type in host byte order. Up to two VLAN tags are skipped. */
static __always_inline struct tl_packet_ports tl_parse(const __u8 *bytes, __u32 length, __u16 ethertype)
{
	struct tl_packet_ports found = {0, 0, TL_UNPARSED, 0};
	__u32 offset = 0;
	for (int tags = 0; tags < 2; tags++) {
		if (ethertype != 0x8100 && ethertype != 0x88a8)
			break;
		if (offset + 4 > length)
			return found;
		ethertype = tl_be16(bytes + offset + 2);
		offset += 4;
	}
	if (ethertype == 0x0800)
		tl_parse_ipv4(bytes, length, offset, &found);
	else if (ethertype == 0x86dd)
		tl_parse_ipv6(bytes, length, offset, &found);
	else if (ethertype != 0x8100 && ethertype != 0x88a8)
		found.status = TL_NO_PORTS;
	return found;
}

#endif
