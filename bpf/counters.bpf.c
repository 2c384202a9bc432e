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

#include "count.bpf.h"

#define ARPHRD_ETHER 1U
#define ARPHRD_LOOPBACK 772U
#define NETDEV_TX_BUSY 0x10

#ifdef TL_RAW_TP
#define GET(pointer, field) BPF_CORE_READ(pointer, field)
#define HOOK(name) SEC("raw_tp/" name)
#else
#define GET(pointer, field) ((pointer)->field)
#define HOOK(name) SEC("tp_btf/" name)
#endif

TL_HOOK_MAPS(offered);
TL_SUM_MAPS(failed); /* nobody asks when it happened: no ring */
TL_MAP(devices, struct tl_device); /* one a device series */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct tl_device_key);
	__type(value, struct tl_device_series);
} device_table SEC(".maps");

static __always_inline struct tl_device_key key_of(struct net_device *device)
{
	struct net *net = GET(device, nd_net.net);
	struct tl_device_key key = {0, GET(net, ns.inum), (__u32)GET(device, ifindex)};
	if (bpf_core_field_exists(net->net_cookie))
		key.netns_cookie = GET(net, net_cookie);
	return key;
}

/* A cookie is never given twice and says the namespace alone; the inode number lies in another cache line. */
static __always_inline __u64 name_of(struct net_device *device)
{
	struct net *net = GET(device, nd_net.net);
	return bpf_core_field_exists(net->net_cookie) ? GET(net, net_cookie) : GET(net, ns.inum);
}

/* A device that nobody named: gets the next free series at once, or `other` when there is none left, or is remembered
 * as one to ignore. Two CPUs may race for it: the one whose entry is in the table first wins, and the other's series
 * stays unknown and empty. */
static __noinline int register_device(const struct tl_device_key *key, __u32 type)
{
	struct tl_device_series fresh = {TL_SERIES_OTHER, tl_count_unknown ? (tl_ports ? TL_COUNTS_PORTS : 0) : TL_IGNORED};
	struct tl_device *device = 0;
	if (!key)
		return 0;
	if (tl_count_unknown) {
		__u32 series = __sync_fetch_and_add(&tl_control.next_series, 1);
		device = series < tl_device_series ? bpf_map_lookup_elem(&devices, &series) : 0;
		if (device)
			fresh.series = series;
	}
	if (bpf_map_update_elem(&device_table, key, &fresh, BPF_NOEXIST) == 0 && device) {
		device->key = *key;
		device->type = type;
		device->known = 1;
	}
	return 0;
}

/* Bytes of the link-layer header of a device's frames. */
static __always_inline __u32 header_of_type(__u16 type)
{
	return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK ? ETH_HLEN : 0;
}

/* The table's answer for a device. */
static __always_inline struct tl_device_series ask(struct net_device *device)
{
	struct tl_device_series none = {TL_SERIES_OTHER, tl_count_unknown ? 0 : TL_IGNORED}; /* the table is full */
	struct tl_device_key key = key_of(device);
	struct tl_device_series *found = bpf_map_lookup_elem(&device_table, &key);
	if (!found) {
		register_device(&key, GET(device, type));
		found = bpf_map_lookup_elem(&device_table, &key);
	}
	return found ? *found : none;
}

static __always_inline void add_all(struct tl_sums *to, const struct tl_sums *sums)
{
	to->packets += sums->packets;
	to->bytes += sums->bytes;
	to->extra_packets += sums->extra_packets;
	to->extra_bytes += sums->extra_bytes;
}

/* Empties a slot: its bucket goes to the ring, its totals to its series, whose own bucket gains nothing by that. */
static __always_inline void empty(struct tl_counter *slot, struct tl_counter *counters, void *ring)
{
	struct tl_counter_rest *rest = rest_of(slot);
	struct tl_counter *series = series_of(counters, slot->series);
	if (slot->now.packets != rest->before.packets)
		close_bucket(ring, slot, rest, (__u32)epoch_of(now_ns(tl_control.mode)));
	next_version(series);
	add_all(&series->now, &slot->now);
	add_all(&rest_of(series)->before, &slot->now);
	next_version(series);
	__builtin_memset(&slot->now, 0, sizeof(slot->now));
	__builtin_memset(&rest->before, 0, sizeof(rest->before));
	slot->start_ns = 0;
}

/* Gives a device one of its two slots, the one that has been another's for longer; not 0 when it is the second. */
static __noinline int learn(struct net_device *device, struct tl_counter *first, void *counters_map, void *ring)
{
	struct tl_counter *counters = counters_of_cpu(counters_map);
	if (!counters)
		return 0;
	struct tl_device_series series = ask(device);
	struct tl_counter *second = first + TL_DEVICE_SETS;
	struct tl_counter *slot = rest_of(first)->learned <= rest_of(second)->learned ? first : second;
	__u32 *moves = &rest_of(counters)->moves;
	(void)__sync_lock_test_and_set(moves, *moves + 1);
	next_version(slot);
	if (slot->now.packets)
		empty(slot, counters, ring);
	rest_of(slot)->learned = *moves;
	/* The device may have had a slot in this very bucket, or in the next, from which time stepped back. */
	rest_of(slot)->closed = (__u32)epoch_of(now_ns(tl_control.mode)) + 1;
	slot->series = (__u16)series.series;
	slot->flags = (__u8)series.flags;
	slot->link_header = (__u8)header_of_type(GET(device, type));
	slot->ifindex = (__u32)GET(device, ifindex);
	slot->netns = name_of(device);
	next_version(slot);
	(void)__sync_lock_test_and_set(moves, *moves + 1);
	return slot != first;
}

static __always_inline int is_of(const struct tl_counter *slot, __u32 ifindex, __u64 netns)
{
	return slot->ifindex == ifindex && slot->netns == netns;
}

/* The slot of a device on this CPU. */
static __always_inline struct tl_counter *slot_of(struct net_device *device, struct tl_counter *counters,
						  void *counters_map, void *ring)
{
	__u32 ifindex = (__u32)GET(device, ifindex);
	__u64 netns = name_of(device);
	/* Both numbers count up: this spreads better than chance. In bytes, which saves the packet a few instructions. */
	__u64 bytes = sizeof(struct tl_counter);
	struct tl_counter *first =
		(void *)counters + (((ifindex ^ (__u32)netns * 7) * bytes) & ((TL_DEVICE_SETS - 1) * bytes));
	if (likely(is_of(first, ifindex, netns)))
		return first;
	struct tl_counter *second = first + TL_DEVICE_SETS;
	if (likely(is_of(second, ifindex, netns)))
		return second;
	return learn(device, first, counters_map, ring) ? second : first;
}

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
static __always_inline __u32 has_tag_beside(struct sk_buff *skb)
{
	__u32 tag;
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
static __always_inline __u64 segmentation_of(struct sk_buff *skb, const struct skb_shared_info *shared, __u32 bytes,
					__u32 pulled, __u32 link_header)
{
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

/* How the device counts. */
static __noinline int flags_of(struct net_device *device, struct tl_counter *counters, void *counters_map, void *ring)
{
	return slot_of(device, counters, counters_map, ring)->flags;
}

/* There are no counters for this CPU, nor slots: the table says whether something is lost. */
static __noinline int lose(struct net_device *device, void *states, __u32 skip)
{
	if ((tl_control.mode & TL_COUNTING) && !(ask(device).flags & (skip | TL_IGNORED)))
		count_lost(states);
	return 0;
}

/* `skip`: flags of device series that another program counts at this place. */
static __always_inline int count(struct sk_buff *skb, struct net_device *device, struct hook_maps maps, __u32 skip)
{
	int is_rx = maps.hook == HOOK_rx;
	__u32 mode = tl_control.mode;
	struct tl_counter *counters = counters_of_cpu(maps.counters);
	__u64 now;
	if (unlikely(!counters))
		return lose(device, maps.state, skip);
	/* The clock comes first, except where it may not be needed. */
	if (likely(mode == TL_COUNTING)) {
		now = bpf_ktime_get_ns();
	} else {
		if (!(mode & TL_COUNTING))
			return 0;
		if ((mode & TL_SKIPPING) &&
		    (flags_of(device, counters, maps.counters, maps.ring) & (skip | TL_IGNORED)))
			return 0;
		now = now_ns(mode);
	}
	struct tl_counter *slot = slot_of(device, counters, maps.counters, maps.ring);
	/* At netif_receive_skb the link header is pulled but still in front of data; on the way out it is counted. */
	__u32 pulled = is_rx ? slot->link_header : 0;
	if (is_rx && unlikely(pulled == 0))
		pulled = data_offset(skb) - GET(skb, mac_header);
	__u64 bytes = GET(skb, len) + pulled, extra = 0;
	if (unlikely(has_tag_beside(skb)))
		bytes += VLAN_HLEN;
	keep_to_bucket(maps.ring, slot, now);
	add_bytes(slot, bytes);
	const struct skb_shared_info *shared = shared_of(skb);
	if (SHARED(shared, gso_size)) { /* gso_segs says nothing: TCP sets it to 1 in every segment */
		extra = segmentation_of(skb, shared, (__u32)bytes, pulled, is_rx ? pulled : slot->link_header);
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
int BPF_PROG(tl_rx, struct sk_buff *skb)
{
	return count(skb, GET(skb, dev), MAPS(rx), TL_TAPPED);
}

HOOK("net_dev_start_xmit")
int BPF_PROG(tl_tx, struct sk_buff *skb, struct net_device *device)
{
	return count(skb, device, MAPS(tx), TL_TAPPED);
}

/* Before the qdisc: what the stack wanted to send. The qdisc's own idea of the wire length is in the packet. */
HOOK("net_dev_queue")
int BPF_PROG(tl_offered, struct sk_buff *skb)
{
	return count(skb, GET(skb, dev), MAPS(offered), 0);
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

char LICENSE[] SEC("license") = "Dual MIT/GPL";
