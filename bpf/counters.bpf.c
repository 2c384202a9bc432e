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

#define TL_LOAD(packet, offset, to, bytes) load_words(to, bytes, (const __u8 *)(packet) + (offset))

/* Whether memory can be read without a call: a constant for the verifier, which removes the other branch. */
static __always_inline int reads_directly(void)
{
#ifdef TL_RAW_TP
	return 0;
#else
	return bpf_core_enum_value_exists(enum special_kfunc_type, KF_bpf_rdonly_cast);
#endif
}

/* Copies up to four words of kernel memory; 0 on success. */
static __always_inline long load_words(__u32 *to, __u32 bytes, const void *from)
{
	if (!reads_directly())
		return bpf_probe_read_kernel(to, bytes, from);
	const struct in6_addr *memory = bpf_rdonly_cast(from, bpf_core_type_id_kernel(struct in6_addr));
	for (__u32 i = 0; i < bytes / 4; i++)
		to[i] = memory->words[i];
	return 0;
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

/* A device that nobody named: gets the next free series at once, or `other` when there is none left, or is remembered
 * as one to ignore. Two CPUs may race for it: the one whose entry is in the table first wins, and the other's series
 * stays unknown and empty. */
static __noinline int register_device(const struct tl_device_key *key, __u32 type)
{
	struct tl_device_series fresh = {TL_SERIES_OTHER, tl_count_unknown ? TL_COUNTS_PORTS : TL_IGNORED};
	struct tl_device *device = 0;
	if (!key)
		return 0;
	if (tl_count_unknown) {
		__u32 series = __sync_fetch_and_add(&tl_next_series, 1);
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

static __always_inline struct tl_device_series series_of(struct net_device *device, void *cache_map, __u32 cpu,
							 __u32 *link_header)
{
	struct tl_device_series series = {TL_SERIES_OTHER, tl_count_unknown ? 0 : TL_IGNORED};
	*link_header = 0;
	struct tl_cache *cache = bpf_map_lookup_elem(cache_map, &cpu);
	if (!cache)
		return series;
	/* A cookie is never given twice and says the namespace alone; the inode number lies in another cache line. */
	struct net *net = GET(device, nd_net.net);
	__u32 ifindex = (__u32)GET(device, ifindex);
	__u64 name = bpf_core_field_exists(net->net_cookie) ? GET(net, net_cookie) : GET(net, ns.inum);
	__u32 slot = (ifindex ^ (__u32)name * 7) & (TL_CACHE_SLOTS - 1);
	struct tl_cache_entry *entry = &cache->entries[slot];
	if (entry->ifindex == ifindex && entry->netns == name) {
		series.series = entry->series;
		series.flags = entry->flags;
		*link_header = entry->link_header;
		return series;
	}
	*link_header = header_of_type(GET(device, type));
	struct tl_device_key key = key_of(device);
	struct tl_device_series *found = bpf_map_lookup_elem(&device_table, &key);
	if (!found) {
		register_device(&key, GET(device, type));
		found = bpf_map_lookup_elem(&device_table, &key);
		if (!found)
			return series;
	}
	series = *found;
	entry->series = series.series;
	entry->flags = series.flags;
	entry->link_header = *link_header;
	entry->ifindex = ifindex;
	entry->netns = name;
	return series;
}

static __always_inline void add_ports_of(struct sk_buff *skb, void *block, void *totals, __u32 epoch, int is_rx,
				      __u32 link_header, const struct amount *a)
{
	__u8 header[TL_HEADER_BYTES] = {};
	__u32 linear = GET(skb, len) - GET(skb, data_len);
	__u8 *data = GET(skb, data);
	__u16 ethertype = bpf_ntohs(GET(skb, protocol));
	__u32 length = linear;
	if (!is_rx) { /* data is at the link header; the protocol field of raw senders may be 0, the frame does not lie */
		__u32 in_frame = 0; /* the type and what follows it */
		if (linear < link_header)
			length = link_header; /* unparsed below: nothing behind the header */
		if (link_header == ETH_HLEN && load_words(&in_frame, sizeof(in_frame), data + 12) == 0)
			ethertype = bpf_ntohs(*(__be16 *)&in_frame);
		data += link_header;
		length -= link_header;
	}
	if (length > TL_HEADER_BYTES)
		length = TL_HEADER_BYTES;
	barrier_var(length);
	if (length > 0 && length <= TL_HEADER_BYTES)
		bpf_probe_read_kernel(header, length, data);
	add_ports(header, length, ethertype, block, totals, epoch, is_rx, a);
}

/* Bytes of a VLAN tag that the packet carries beside its bytes. */
static __always_inline __u32 tag_beside(struct sk_buff *skb)
{
	if (bpf_core_field_exists(skb->vlan_all))
		return GET(skb, vlan_all) ? VLAN_HLEN : 0;
	struct sk_buff___before_6_2 *older = (void *)skb;
	return BPF_CORE_READ_BITFIELD_PROBED(older, vlan_present) ? VLAN_HLEN : 0;
}

/* Lies like this in skb_shared_info, too, so that one load brings both. */
union gso {
	__u32 word;
	struct {
		__u16 size, segments;
	};
};
static __always_inline union gso gso_of(struct sk_buff *skb)
{
	union gso gso = {0};
	struct skb_shared_info *shared = (struct skb_shared_info *)(GET(skb, head) + GET(skb, end));
	load_words(&gso.word, sizeof(gso.word), &shared->gso_size);
	return gso;
}

/* `skip`: flags of device series that another program counts at this place. */
static __always_inline int count(struct sk_buff *skb, struct net_device *device, struct hook_maps maps, int is_rx,
				 __u32 skip)
{
	if (!tl_enabled)
		return 0;
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 link_header;
	struct tl_device_series series = series_of(device, maps.cache, cpu, &link_header);
	if (series.flags & (skip | TL_IGNORED))
		return 0;
	struct place place = place_of(maps, cpu);
	if (!place.block || !place.totals)
		return 0;
	/* At netif_receive_skb the link header is pulled but still in front of data; on the way out it is counted. */
	if (is_rx && link_header == 0) {
		__u64 header = (__u64)(GET(skb, data) - (GET(skb, head) + GET(skb, mac_header)));
		barrier_var(header); /* the verifier wants arithmetic with pointers to be 64 bits wide */
		link_header = (__u32)header;
	}
	__u32 tag = tag_beside(skb);
	struct amount a = {1, 1, GET(skb, len) + tag, 0};
	if (is_rx)
		a.bytes += link_header;
	union gso gso = gso_of(skb);
	set_wire(GET(skb, data) + (is_rx ? 0 : link_header), gso.size, gso.segments, link_header + tag, &a);
	add(place.block, place.totals, series.series, place.epoch, &a);
	if (tl_ports && (series.flags & TL_COUNTS_PORTS))
		add_ports_of(skb, place.block, place.totals, place.epoch, is_rx, link_header, &a);
	return 0;
}

HOOK("netif_receive_skb")
int BPF_PROG(tl_rx, struct sk_buff *skb)
{
	return count(skb, GET(skb, dev), MAPS(rx), 1, TL_TAPPED);
}

HOOK("net_dev_start_xmit")
int BPF_PROG(tl_tx, struct sk_buff *skb, struct net_device *device)
{
	return count(skb, device, MAPS(tx), 0, TL_TAPPED);
}

/* Before the qdisc: what the stack wanted to send. The qdisc's own idea of the wire length is in the packet. */
HOOK("net_dev_queue")
int BPF_PROG(tl_offered, struct sk_buff *skb)
{
	return count(skb, GET(skb, dev), MAPS(offered), 0, 0);
}

/* The driver did not take the packet. It may be freed already: only the arguments may be read. */
HOOK("net_dev_xmit")
int BPF_PROG(tl_failed, struct sk_buff *skb, int result, struct net_device *device, unsigned int length)
{
	if (result == 0 || !tl_enabled)
		return 0;
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 link_header;
	struct tl_device_series series = series_of(device, &failed_cache, cpu, &link_header);
	if (series.flags & TL_IGNORED)
		return 0;
	/* A busy device is offered the same packet again: net_dev_start_xmit sees it twice, a tap once. */
	if (result >= NETDEV_TX_BUSY && (series.flags & TL_TAPPED))
		return 0;
	void *totals = bpf_map_lookup_elem(&failed_totals, &cpu);
	struct amount a = {1, 1, length, length};
	if (totals)
		add_total(totals, series.series, &a);
	else
		count_lost(&failed_state);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
