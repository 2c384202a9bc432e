/* The few kernel types that the counters read, with only the fields they use. CO-RE relocates each access to the
 * running kernel's layout, so neither kernel headers nor the build host's BTF are needed. */
#ifndef TL_KERNEL_TYPES_H
#define TL_KERNEL_TYPES_H

#include <linux/bpf.h>
#include <linux/types.h>

/* What is unlikely goes behind the rest: so more of what every packet runs through lies in few cache lines. */
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	__u64 net_cookie; /* since 5.12; unique for the machine's uptime, unlike inum */
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	unsigned short type; /* ARPHRD_… */
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
	unsigned int len, data_len;
	__be16 protocol;
	__u32 vlan_all; /* since 6.2; not 0 when there is a VLAN tag beside the packet */
	__u16 mac_header, transport_header, csum_start; /* offsets from head */
	__u8 ip_summed : 2;
	unsigned char *head, *data;
	unsigned int end; /* an offset from head on 64-bit kernels */
	char cb[48];      /* at the qdisc: struct qdisc_skb_cb, whose first word is pkt_len (wire length) */
};

struct sk_buff___before_6_2 {
	__u8 vlan_present : 1;
};

struct skb_shared_info {
	unsigned short gso_size;
	unsigned short gso_segs;
	unsigned int gso_type;
};

#pragma clang attribute pop

/* Of ip_summed: a checksum is still to be made, from csum_start on. */
#define CHECKSUM_PARTIAL 3U

/* Of gso_type (include/linux/skbuff.h). */
#define SKB_GSO_TCPV4 (1U << 0)
#define SKB_GSO_TCPV6 (1U << 4)
#define SKB_GSO_UDP_L4 (1U << 17)

/* Sixteen bytes of memory by a type that the kernel knows; its own members are a union of such words. */
struct in6_addr {
	__u32 words[4];
};

/* Since 6.2: the verifier lets a program read memory by a pointer that it cannot prove, as it does with the pointers
 * in kernel structures; reading where there is nothing gives 0. The compiler's loads take a nanosecond where the call
 * bpf_probe_read_kernel takes forty. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __attribute__((section(".ksyms"), weak));

/* Since 6.2: a socket filter's packet as the kernel has it. */
extern void *bpf_cast_to_kern_ctx(void *context) __attribute__((section(".ksyms"), weak));

#endif
