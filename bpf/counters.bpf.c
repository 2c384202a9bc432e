// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Traffic counters: every packet adds to the bucket that its own moment belongs to, in memory that user space maps.
 * Here at the kernel's trace events, for every device of the machine; counters_tap.bpf.c has the observed devices.
 *
 * Hooks (net/core/dev.c): tl_rx at netif_receive_skb, tl_tx at net_dev_start_xmit, tl_offered at net_dev_queue (before
 * the qdisc), tl_failed at net_dev_xmit (the driver did not take it). tp_btf programs, because classic tracepoint
 * programs are skipped whenever another one, or a map system call, is active on the CPU (trace_call_bpf); compiled with
 * TL_RAW_TP the same bodies become raw_tp programs for kernels without their own BTF.
 *
 * Each hook writes only its own maps, and the kernel keeps a program from nesting in itself on a CPU, so every cell has
 * a single writer and plain adds are exact. A run that the kernel skipped for that reason is counted as
 * recursion_misses of the program, which user space publishes. */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

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
	if (reads_directly()) {
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

#ifdef TL_RAW_TP
#define GET(pointer, field) BPF_CORE_READ(pointer, field)
#define HOOK(name) SEC("raw_tp/" name)
#else
#define GET(pointer, field) ((pointer)->field)
#define HOOK(name) SEC("tp_btf/" name)
#endif

#include "device_slots.bpf.h"

#define NETDEV_TX_BUSY 0x10
#define MAX_CPUS 8192 /* CONFIG_NR_CPUS of the kernels that have most */

TL_HOOK_MAPS(offered);
TL_SUM_MAPS(failed); /* nobody asks when it happened: no ring */

static __always_inline void *ring_of(enum hook hook)
{
	return hook == HOOK_rx ? (void *)&rx_ring : hook == HOOK_tx ? (void *)&tx_ring : (void *)&offered_ring;
}

/* Apart, and with five words of arguments, so that the programs need little stack: with 64 bytes or more the kernel gives
 * them one of their own (bpf_enable_priv_stack, kernel/bpf/verifier.c), which is one more thing to miss in the cache. */
static __noinline int add_ports_of(struct sk_buff *skb, void *counters_map, __u64 now_ns, __u64 packed, __u64 extra)
{
	enum hook hook = packed >> 48;
	__u32 link_header = packed >> 32 & 0xffff;
	struct place place = {ring_of(hook), counters_of_cpu(counters_map), now_ns};
	if (!place.counters)
		return 0;
	struct amount a = {(__u32)packed, extra};
	__u8 header[TL_HEADER_BYTES] = {};
	__u32 linear = GET(skb, len) - GET(skb, data_len);
	__u8 *data = GET(skb, data);
	__u16 ethertype = bpf_ntohs(GET(skb, protocol));
	__u32 length = linear;
	if (hook != HOOK_rx) { /* data is at the link header; the protocol field of raw senders may be 0, the frame does not lie */
		if (linear < link_header)
			length = link_header; /* unparsed below: nothing behind the header */
		if (link_header == ETH_HLEN) {
			__u32 in_frame = word_at(data + 12); /* the type and what follows it */
			ethertype = bpf_ntohs(*(__be16 *)&in_frame);
		}
		data += link_header;
		length -= link_header;
	}
	if (length > TL_HEADER_BYTES)
		length = TL_HEADER_BYTES;
	barrier_var(length);
	if (length > 0 && length <= TL_HEADER_BYTES)
		bpf_probe_read_kernel(header, length, data);
	add_ports(header, length, ethertype, &place, hook == HOOK_rx, &a);
	return 0;
}

/* Not 0 when the packet carries a VLAN tag beside its bytes. */
static __always_inline __u64 has_tag_beside(struct sk_buff *skb)
{
	__u64 tag;
	if (bpf_core_field_exists(skb->vlan_all)) {
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
	if (reads_directly()) {
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

/* Where the packet's data begins, from skb->head. */
static __always_inline __u32 data_offset(struct sk_buff *skb)
{
	__u64 offset = (__u64)(GET(skb, data) - GET(skb, head));
	barrier_var(offset); /* the verifier wants arithmetic with pointers to be 64 bits wide */
	return (__u32)offset;
}

/* segmentation() by what the kernel knows of a packet that it made itself: of which kind it is, and where its transport
 * header begins. Other packets say it in their headers, which takes longer. `bytes`: of the frame; `pulled`: those of its
 * link header that lie in front of the packet's data. Not apart: a stream of super-packets leaves little in the caches, and
 * another function is another line of code to wait for. */
static __always_inline __u64 segmentation_of(struct sk_buff *skb, __u32 bytes, __u32 pulled, __u32 link_header)
{
	const struct skb_shared_info *shared = shared_of(skb);
	__u8 *head = GET(skb, head);
	__u32 link_offset = data_offset(skb) - pulled;
	__u32 segments = SHARED(shared, gso_segs), type = SHARED(shared, gso_type);
	__u32 tag = has_tag_beside(skb) ? VLAN_HLEN : 0;
	__u64 transport = GET(skb, transport_header);
	__u32 headers = (__u32)transport - link_offset;
	/* Not set is 65535, which is far. Longer packets of IPv6 have an option that no segment carries. */
	if (headers <= 0xff && bytes <= 0xffff && segments != 0) {
		headers += tag;
		if (type == SKB_GSO_TCPV4 || type == SKB_GSO_TCPV6) { /* data offset, RFC 9293 */
			headers += (__u32)(byte_at(head + transport + 12) >> 4) * 4;
			return (__u64)(segments - 1U) << 32 | (segments - 1U) * headers;
		}
		if (type == SKB_GSO_UDP_L4)
			return (__u64)(segments - 1U) << 32 | (segments - 1U) * (headers + 8);
	}
	return segmentation(head + link_offset + link_header, SHARED(shared, gso_size), segments, link_header + tag, bytes);
}

/* There are no counters for this CPU, nor slots: the table says whether something is lost. */
static __noinline int lose(struct net_device *device, void *states, __u32 skip)
{
	if ((tl_control.mode & TL_COUNTING) && !(ask(device).flags & (skip | TL_IGNORED)))
		count_lost(states);
	return 0;
}

/* What the events have for arguments. They are read where they are needed, which keeps registers free. */
static __always_inline struct sk_buff *packet_in(const unsigned long long *arguments)
{
	return (struct sk_buff *)arguments[0];
}

static __always_inline struct net_device *device_in(const unsigned long long *arguments, enum hook hook)
{
	return hook == HOOK_tx ? (struct net_device *)arguments[1] : GET(packet_in(arguments), dev);
}

/* `skip`: flags of device series that another program counts at this place. What most packets do not need stands behind
 * the rest: a packet waits for its code, too, which the stack's own has pushed out of the caches. For BPF the compiler
 * does not rearrange branches by itself. */
static __always_inline int count(const unsigned long long *arguments, struct hook_maps maps, __u32 skip)
{
	int is_rx = maps.hook == HOOK_rx;
	__u64 now, interval_ns = tl_control.usual_interval_ns;
	struct tl_counter *counters = counters_of_cpu(maps.counters);
	if (unlikely(!counters))
		goto without_counters;
	if (unlikely(interval_ns == 0))
		goto unusual_mode;
	/* The clock comes first, except where it may not be needed. */
	now = bpf_ktime_get_ns();
at_now:;
	__u64 name = name_of(device_in(arguments, maps.hook), counters);
	struct tl_counter *slot = first_slot(counters, name);
	if (unlikely(slot->device != name))
		goto search_slot;
in_slot:
	/* Also when now < start: the difference wraps. */
	if (unlikely(now - slot->start_ns >= interval_ns))
		goto late;
in_bucket:;
	struct sk_buff *skb = packet_in(arguments);
	/* At netif_receive_skb the link header is pulled but still in front of data; on the way out it is counted. */
	__u32 pulled = is_rx ? slot->link_header : 0;
	if (is_rx && unlikely(pulled == 0))
		pulled = data_offset(skb) - GET(skb, mac_header);
	__u64 bytes = GET(skb, len) + pulled;
	add_bytes(slot, bytes);
	__u64 gso_size = gso_size_of(skb), tag = has_tag_beside(skb), extra = 0;
	if (unlikely(slot->flags | gso_size | tag)) /* in one question */
		goto more;
	return 0;

without_counters:
	return lose(device_in(arguments, maps.hook), maps.state, skip);
unusual_mode:;
	__u32 mode = tl_control.mode;
	if (!(mode & TL_COUNTING))
		return 0;
	if ((mode & TL_SKIPPING) &&
	    (flags_of(device_in(arguments, maps.hook), counters, maps.counters, maps.ring) & (skip | TL_IGNORED)))
		return 0;
	now = now_ns(mode);
	interval_ns = tl_control.interval_ns;
	goto at_now;
search_slot:
	slot = search(device_in(arguments, maps.hook), slot, maps.counters, maps.ring);
	goto in_slot;
late:
	slot = next_bucket(device_in(arguments, maps.hook), slot, maps.counters, maps.ring, now);
	goto in_bucket;
more:
	if (unlikely(tag)) {
		bytes += VLAN_HLEN;
		slot->now.bytes += VLAN_HLEN;
	}
	if (gso_size) { /* gso_segs says nothing: TCP sets it to 1 in every segment */
		extra = segmentation_of(skb, (__u32)bytes, pulled, is_rx ? pulled : slot->link_header);
		add_extra(slot, extra);
	}
	if (unlikely(slot->flags & TL_COUNTS_PORTS)) {
		__u64 link_header = is_rx ? pulled & 0xffff : slot->link_header;
		/* The bucket's begin stands for any moment in it, and need not be kept. */
		add_ports_of(skb, maps.counters, slot->start_ns,
			     (__u64)maps.hook << 48 | link_header << 32 | (__u32)bytes, extra);
	}
	return 0;
}

HOOK("netif_receive_skb")
int tl_rx(const unsigned long long *arguments)
{
	return count(arguments, MAPS(rx), TL_TAPPED);
}

HOOK("net_dev_start_xmit")
int tl_tx(const unsigned long long *arguments)
{
	return count(arguments, MAPS(tx), TL_TAPPED);
}

/* Before the qdisc: what the stack wanted to send. The qdisc's own idea of the wire length is in the packet. */
HOOK("net_dev_queue")
int tl_offered(const unsigned long long *arguments)
{
	return count(arguments, MAPS(offered), 0);
}

/* The driver did not take the packet. It may be freed already: only the arguments may be read. */
HOOK("net_dev_xmit")
int BPF_PROG(tl_failed, struct sk_buff *skb, int result, struct net_device *device, unsigned int length)
{
	if (result == 0 || !(tl_control.mode & TL_COUNTING))
		return 0;
	struct tl_device_series series = ask(device);
	/* A busy device is offered the same packet again: net_dev_start_xmit sees it twice, a tap once. */
	if ((series.flags & TL_IGNORED) || (result >= NETDEV_TX_BUSY && (series.flags & TL_TAPPED)))
		return 0;
	struct tl_counter *counters = counters_of_cpu(&failed_counters);
	if (!counters)
		return count_lost(&failed_state);
	add_bytes(series_of(counters, series.series), length);
	return 0;
}

static long forget_on(__u32 cpu, struct net_device **device)
{
	int is_cpu = forget(&rx_counters, cpu, *device);
	forget(&tx_counters, cpu, *device);
	forget(&offered_counters, cpu, *device);
	return !is_cpu;
}

/* A device gets its first qdisc when it is opened, before any packet (dev_activate, net/sched/sch_generic.c), also after it
 * moved to another namespace: so a device whose memory was another's, and one that has a new name, begin here. */
HOOK("qdisc_create")
int BPF_PROG(tl_opened, const void *operations, struct net_device *device)
{
	bpf_loop(MAX_CPUS, forget_on, &device, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
