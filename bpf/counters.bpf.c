// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Traffic counters: every packet adds to the bucket that its own moment belongs to, in memory that user space maps.
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

#include "counters.h"
#include "parse.bpf.h"

#define ETH_HLEN 14U
#define ARPHRD_ETHER 1U
#define ARPHRD_LOOPBACK 772U

#ifdef TL_RAW_TP
#define GET(pointer, field) BPF_CORE_READ(pointer, field)
#define HOOK(name) SEC("raw_tp/" name)
#else
#define GET(pointer, field) ((pointer)->field)
#define HOOK(name) SEC("tp_btf/" name)
#endif

/* Set before loading; constants for the verifier, which removes the branches they rule out. */
const volatile __u64 tl_interval_ns = 10000000;
const volatile __u64 tl_base_ns = 0;       /* CLOCK_MONOTONIC begin of bucket 0 */
const volatile __u32 tl_slot_mask = 1023;  /* slots of a ring − 1 */
const volatile __u32 tl_cpus = 1;          /* CPUs the maps have room for */
const volatile __u32 tl_device_series = 64;
const volatile __u32 tl_ports = 0;         /* number of chosen ports */
const volatile __u8 tl_mock_clock = 0;     /* tests: the time is tl_mock_now_ns */
const volatile __u8 tl_count_unknown = 1;  /* devices that user space did not name get a series, too */

/* Shared with user space while running. */
__u32 tl_enabled;      /* nothing is counted while 0 */
__u32 tl_next_series;  /* the next free device series; user space sets it behind those it named */
__u64 tl_mock_now_ns;

/* Sizes are set by user space before loading; without BTF types, which would fix the value's size. */
#define TL_MAP(name, value_type)                               \
	struct {                                               \
		__uint(type, BPF_MAP_TYPE_ARRAY);              \
		__uint(map_flags, BPF_F_MMAPABLE);             \
		__uint(max_entries, 1);                        \
		__uint(key_size, sizeof(__u32));               \
		__uint(value_size, sizeof(value_type));        \
	} name SEC(".maps")

#define TL_HOOK_MAPS(hook)                                                                       \
	TL_MAP(hook##_ring, struct tl_cell); /* cpus × slots; value: a block of cells */         \
	TL_MAP(hook##_totals, struct tl_total); /* cpus; value: totals of all series */          \
	TL_MAP(hook##_state, struct tl_cpu_state);                                               \
	TL_MAP(hook##_cache, struct tl_cache)

TL_HOOK_MAPS(rx);
TL_HOOK_MAPS(tx);
TL_HOOK_MAPS(offered);
TL_HOOK_MAPS(failed);

TL_MAP(devices, struct tl_device); /* one a device series */
TL_MAP(port_table, struct tl_port_table);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct tl_device_key);
	__type(value, struct tl_device_series);
} device_table SEC(".maps");

/* The maps of one hook, so that one body serves all. */
struct hook_maps {
	void *ring, *totals, *state, *cache;
};
#define MAPS(hook) ((struct hook_maps){&hook##_ring, &hook##_totals, &hook##_state, &hook##_cache})

/* What one packet adds. */
struct amount {
	__u32 packets, wire_packets;
	__u64 bytes, wire_bytes;
};

static __always_inline __u64 now_ns(void)
{
	return tl_mock_clock ? tl_mock_now_ns : bpf_ktime_get_ns();
}

static __always_inline struct tl_device_key key_of(struct net_device *device)
{
	struct net *net = GET(device, nd_net.net);
	struct tl_device_key key = {0, GET(net, ns.inum), (__u32)GET(device, ifindex)};
	if (bpf_core_field_exists(net->net_cookie))
		key.netns_cookie = GET(net, net_cookie);
	return key;
}

/* A device that nobody named: gets the next free series at once, or `other` when there is none left. */
static __noinline int register_device(const struct tl_device_key *key, __u32 type)
{
	struct tl_device_series fresh = {TL_SERIES_OTHER, 1};
	if (!key)
		return 0;
	if (tl_count_unknown) {
		__u32 series = __sync_fetch_and_add(&tl_next_series, 1);
		struct tl_device *device = series < tl_device_series ? bpf_map_lookup_elem(&devices, &series) : 0;
		if (device) {
			device->key = *key;
			device->type = type;
			device->known = 1;
			fresh.series = series;
		}
	} else {
		fresh.counts_ports = 0;
	}
	/* Two CPUs may race: the loser's series stays empty and the winner's is used. */
	bpf_map_update_elem(&device_table, key, &fresh, BPF_NOEXIST);
	return 0;
}

static __always_inline struct tl_device_series series_of(struct net_device *device, void *cache_map, __u32 cpu)
{
	struct tl_device_key key = key_of(device);
	struct tl_device_series series = {TL_SERIES_OTHER, 0};
	struct tl_cache *cache = bpf_map_lookup_elem(cache_map, &cpu);
	if (!cache)
		return series;
	__u32 slot = (key.ifindex ^ key.netns_inode ^ (__u32)key.netns_cookie * 7) & (TL_CACHE_SLOTS - 1);
	struct tl_cache_entry *entry = &cache->entries[slot];
	if (entry->key.ifindex == key.ifindex && entry->key.netns_inode == key.netns_inode &&
	    entry->key.netns_cookie == key.netns_cookie) {
		series.series = entry->series;
		series.counts_ports = entry->counts_ports;
		return series;
	}
	struct tl_device_series *found = bpf_map_lookup_elem(&device_table, &key);
	if (!found) {
		register_device(&key, GET(device, type));
		found = bpf_map_lookup_elem(&device_table, &key);
		if (!found)
			return series;
	}
	series = *found;
	entry->series = series.series;
	entry->counts_ports = series.counts_ports;
	entry->key = key;
	return series;
}

/* The block of the bucket that `now` belongs to, on this CPU. The division happens once a bucket. */
static __always_inline void *block_of(struct hook_maps maps, __u32 cpu, __u64 now, __u32 *epoch)
{
	struct tl_cpu_state *state = bpf_map_lookup_elem(maps.state, &cpu);
	if (!state)
		return 0;
	__u64 since = now - state->start_ns;
	if (since >= tl_interval_ns) { /* also when now < start_ns: the difference wraps */
		state->epoch = (now - tl_base_ns) / tl_interval_ns;
		state->start_ns = tl_base_ns + state->epoch * tl_interval_ns;
	}
	*epoch = (__u32)state->epoch;
	__u32 slot = cpu * (tl_slot_mask + 1) + (*epoch & tl_slot_mask);
	return bpf_map_lookup_elem(maps.ring, &slot);
}

static __always_inline void add(void *block, void *totals, __u32 series, __u32 epoch, const struct amount *a)
{
	__u32 cells = tl_device_series + tl_ports * TL_PORT_SIDES + 1;
	if (series >= cells)
		series = TL_SERIES_OTHER;
	struct tl_cell *cell = (struct tl_cell *)block + series;
	struct tl_total *total = (struct tl_total *)totals + series;
	if (cell->epoch != epoch) {
		cell->epoch = epoch;
		cell->packets = a->packets;
		cell->wire_packets = a->wire_packets;
		cell->bytes = a->bytes;
		cell->wire_bytes = a->wire_bytes;
	} else {
		cell->packets += a->packets;
		cell->wire_packets += a->wire_packets;
		cell->bytes += a->bytes;
		cell->wire_bytes += a->wire_bytes;
	}
	total->packets += a->packets;
	total->wire_packets += a->wire_packets;
	total->bytes += a->bytes;
	total->wire_bytes += a->wire_bytes;
}

/* Bytes of the link-layer header of a device's frames. */
static __always_inline __u32 header_of_type(__u16 type)
{
	return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK ? ETH_HLEN : 0;
}

static __always_inline void add_ports(struct sk_buff *skb, void *block, void *totals, __u32 epoch, int is_rx,
				      __u32 link_header, const struct amount *a)
{
	__u8 header[TL_HEADER_BYTES] = {};
	__u32 linear = GET(skb, len) - GET(skb, data_len);
	__u8 *data = GET(skb, data);
	__u16 ethertype = bpf_ntohs(GET(skb, protocol));
	__u32 length = linear;
	if (!is_rx) { /* data is at the link header; the protocol field of raw senders may be 0, the frame does not lie */
		__be16 in_frame = 0;
		if (linear < link_header)
			length = link_header; /* unparsed below: nothing behind the header */
		if (link_header == ETH_HLEN && bpf_probe_read_kernel(&in_frame, 2, data + 12) == 0)
			ethertype = bpf_ntohs(in_frame);
		data += link_header;
		length -= link_header;
	}
	if (length > TL_HEADER_BYTES)
		length = TL_HEADER_BYTES;
	barrier_var(length);
	if (length > 0 && length <= TL_HEADER_BYTES)
		bpf_probe_read_kernel(header, length, data);
	struct tl_packet_ports ports = tl_parse(header, length, ethertype);
	if (ports.status == TL_UNPARSED || ports.status == TL_FRAGMENT)
		add(block, totals, tl_device_series + tl_ports * TL_PORT_SIDES, epoch, a);
	if (ports.status != TL_PORTS_FOUND)
		return;
	__u32 zero = 0;
	struct tl_port_table *table = bpf_map_lookup_elem(&port_table, &zero);
	if (!table)
		return;
	__u16 local = is_rx ? ports.destination : ports.source;
	__u16 remote = is_rx ? ports.source : ports.destination;
	__u32 index = table->index[local];
	if (index)
		add(block, totals, tl_device_series + (index - 1) * TL_PORT_SIDES, epoch, a);
	index = table->index[remote];
	if (index)
		add(block, totals, tl_device_series + (index - 1) * TL_PORT_SIDES + 1, epoch, a);
}

/* Counts after segmentation, as the wire would carry them: each segment repeats the headers (qdisc_pkt_len_init). */
static __always_inline void set_wire(struct sk_buff *skb, __u32 link_header, int is_rx, struct amount *a)
{
	struct {
		__u16 size, segments;
	} gso = {0, 0};
	struct skb_shared_info *shared = (struct skb_shared_info *)(GET(skb, head) + GET(skb, end));
	a->wire_bytes = a->bytes;
	a->wire_packets = 1;
	bpf_core_read(&gso, sizeof(gso), &shared->gso_size);
	if (gso.size == 0)
		return;
	/* Behind the link header: IP header length, then the transport's. */
	__u8 bytes[64] = {};
	__u8 *network = GET(skb, data) + (is_rx ? 0 : link_header);
	__u32 headers = 0;
	if (bpf_probe_read_kernel(bytes, sizeof(bytes), network) != 0)
		return;
	__u8 protocol;
	if ((bytes[0] >> 4) == 4) {
		headers = (__u32)(bytes[0] & 0x0f) * 4;
		protocol = bytes[9];
	} else {
		headers = 40;
		protocol = bytes[6];
	}
	if (protocol == 6) {
		__u8 offset_byte = 0;
		bpf_probe_read_kernel(&offset_byte, 1, network + headers + 12);
		headers += (__u32)(offset_byte >> 4) * 4;
	} else {
		headers += 8;
	}
	headers += link_header;
	__u32 segments = gso.segments;
	if (segments == 0 && a->bytes > headers)
		segments = ((__u32)a->bytes - headers + gso.size - 1) / gso.size;
	if (segments == 0)
		return;
	a->wire_packets = segments;
	a->wire_bytes = a->bytes + (__u64)(segments - 1) * headers;
}

static __always_inline int count(struct sk_buff *skb, struct net_device *device, struct hook_maps maps, int is_rx)
{
	if (!tl_enabled)
		return 0;
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 epoch = 0;
	void *block = block_of(maps, cpu, now_ns(), &epoch);
	void *totals = bpf_map_lookup_elem(maps.totals, &cpu);
	if (!block || !totals) {
		__u32 first = 0;
		struct tl_cpu_state *state = bpf_map_lookup_elem(maps.state, &first);
		if (state)
			__sync_fetch_and_add(&state->lost, 1);
		return 0;
	}
	/* At netif_receive_skb the link header is pulled but still in front of data; on the way out it is counted. */
	__u32 link_header = is_rx ? (__u32)(GET(skb, data) - (GET(skb, head) + GET(skb, mac_header)))
				  : header_of_type(GET(device, type));
	struct amount a = {1, 1, GET(skb, len), 0};
	if (is_rx)
		a.bytes += link_header;
	set_wire(skb, link_header, is_rx, &a);
	struct tl_device_series series = series_of(device, maps.cache, cpu);
	add(block, totals, series.series, epoch, &a);
	if (tl_ports && series.counts_ports)
		add_ports(skb, block, totals, epoch, is_rx, link_header, &a);
	return 0;
}

HOOK("netif_receive_skb")
int BPF_PROG(tl_rx, struct sk_buff *skb)
{
	return count(skb, GET(skb, dev), MAPS(rx), 1);
}

HOOK("net_dev_start_xmit")
int BPF_PROG(tl_tx, struct sk_buff *skb, struct net_device *device)
{
	return count(skb, device, MAPS(tx), 0);
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
	if (result == 0 || !tl_enabled)
		return 0;
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 epoch = 0;
	struct hook_maps maps = MAPS(failed);
	void *block = block_of(maps, cpu, now_ns(), &epoch);
	void *totals = bpf_map_lookup_elem(maps.totals, &cpu);
	if (!block || !totals)
		return 0;
	struct amount a = {1, 1, length, length};
	add(block, totals, series_of(device, maps.cache, cpu).series, epoch, &a);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
