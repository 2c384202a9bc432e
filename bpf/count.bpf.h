// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* What every counter program shares: constants, maps, and adding a packet to its bucket. The including file defines
 * TL_LOAD(packet, offset, to, bytes), which copies up to four words from the packet's network header on and is 0 on
 * success. */
#ifndef TL_COUNT_BPF_H
#define TL_COUNT_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "counters.h"
#include "parse.bpf.h"

#define ETH_HLEN 14U
#define VLAN_HLEN 4U

/* Set before loading; constants for the verifier, which removes the branches they rule out. */
const volatile __u64 tl_interval_ns = 10000000;
const volatile __u64 tl_base_ns = 0;       /* CLOCK_MONOTONIC begin of bucket 0 */
const volatile __u32 tl_slot_mask = 1023;  /* slots of a ring − 1 */
const volatile __u32 tl_cpus = 1;          /* CPUs the maps have room for */
const volatile __u32 tl_device_series = 64;
const volatile __u32 tl_ports = 0;         /* number of chosen ports */
const volatile __u8 tl_mock_clock = 0;     /* tests: the time is tl_mock_now_ns */
const volatile __u8 tl_count_unknown = 1;  /* else devices that user space did not name are ignored */

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

#define TL_SUM_MAPS(hook)                                                                \
	TL_MAP(hook##_totals, struct tl_total); /* cpus; value: totals of all series */ \
	TL_MAP(hook##_state, struct tl_cpu_state);                                       \
	TL_MAP(hook##_cache, struct tl_cache)
#define TL_HOOK_MAPS(hook)                                                                \
	TL_MAP(hook##_ring, struct tl_cell); /* cpus × slots; value: a block of cells */ \
	TL_SUM_MAPS(hook)

TL_HOOK_MAPS(rx);
TL_HOOK_MAPS(tx);
TL_MAP(port_table, struct tl_port_table);

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
	__u32 mask = tl_slot_mask, slot = cpu * (mask + 1) + (*epoch & mask);
	return bpf_map_lookup_elem(maps.ring, &slot);
}

static __always_inline __u32 cells(void)
{
	return tl_device_series + tl_ports * TL_PORT_SIDES + 1;
}

static __always_inline void add_total(void *totals, __u32 series, const struct amount *a)
{
	if (series >= cells())
		series = TL_SERIES_OTHER;
	struct tl_total *total = (struct tl_total *)totals + series;
	total->packets += a->packets;
	total->wire_packets += a->wire_packets;
	total->bytes += a->bytes;
	total->wire_bytes += a->wire_bytes;
}

static __always_inline void add(void *block, void *totals, __u32 series, __u32 epoch, const struct amount *a)
{
	if (series >= cells())
		series = TL_SERIES_OTHER;
	struct tl_cell *cell = (struct tl_cell *)block + series;
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
	add_total(totals, series, a);
}

/* Counts after segmentation, as the wire would carry them: each segment repeats the headers (qdisc_pkt_len_init).
 * `link_header`: bytes in front of the network header, with a VLAN tag that the packet carries beside its bytes. */
static __always_inline void set_wire(void *packet, __u32 gso_size, __u32 segments, __u32 link_header, struct amount *a)
{
	a->wire_bytes = a->bytes;
	a->wire_packets = 1;
	if (gso_size == 0)
		return;
	/* Behind the link header: IP header length, then the transport's. The first words of either version's header have
	 * its length and its protocol. */
	union {
		__u32 words[3];
		__u8 bytes[12];
	} ip = {};
	if (TL_LOAD(packet, 0, ip.words, sizeof(ip)) != 0)
		return;
	int is_ipv4 = (ip.bytes[0] >> 4) == 4;
	__u32 network = is_ipv4 ? (__u32)(ip.bytes[0] & 0x0f) * 4 : 40;
	__u8 protocol = is_ipv4 ? ip.bytes[9] : ip.bytes[6];
	/* BIG TCP: over 64 KiB the length is in a jumbo payload option (RFC 2675), which no segment carries. */
	__u32 jumbo = 0;
	if (!is_ipv4 && protocol == 0 && ip.bytes[4] == 0 && ip.bytes[5] == 0) {
		jumbo = 8;
		__u32 option = 0;
		TL_LOAD(packet, network, &option, sizeof(option));
		protocol = *(__u8 *)&option;
	}
	__u32 headers = link_header + network;
	if (protocol == 6) {
		__u32 word = 0; /* data offset and flags, RFC 9293 */
		TL_LOAD(packet, network + jumbo + 12, &word, sizeof(word));
		headers += (__u32)(*(__u8 *)&word >> 4) * 4;
	} else {
		headers += 8;
	}
	if (segments == 0 && a->bytes > headers + jumbo)
		segments = ((__u32)a->bytes - headers - jumbo + gso_size - 1) / gso_size;
	if (segments == 0)
		return;
	a->wire_packets = segments;
	a->wire_bytes = a->bytes - jumbo + (__u64)(segments - 1) * headers;
}

/* Adds to the port series; `header` holds `length` bytes from the network header on. */
static __always_inline void add_ports(const __u8 *header, __u32 length, __u16 ethertype, void *block, void *totals,
				      __u32 epoch, int is_rx, const struct amount *a)
{
	struct tl_packet_ports ports = tl_parse(header, length, ethertype);
	if (ports.status == TL_UNPARSED || ports.status == TL_FRAGMENT)
		add(block, totals, tl_device_series + tl_ports * TL_PORT_SIDES, epoch, a);
	if (ports.status != TL_PORTS_FOUND)
		return;
	__u32 zero = 0;
	struct tl_port_table *table = bpf_map_lookup_elem(&port_table, &zero);
	if (!table)
		return;
	__u32 local = is_rx ? ports.destination : ports.source;
	__u32 remote = is_rx ? ports.source : ports.destination;
	/* Two bytes joined by `|` have no bounds for the verifier of 6.1; the compiler, which knows them, would leave out
	 * the masks. */
	barrier_var(local);
	barrier_var(remote);
	local &= 0xffff;
	remote &= 0xffff;
	__u32 index = table->index[local];
	if (index)
		add(block, totals, tl_device_series + (index - 1) * TL_PORT_SIDES, epoch, a);
	index = table->index[remote];
	if (index)
		add(block, totals, tl_device_series + (index - 1) * TL_PORT_SIDES + 1, epoch, a);
}

/* A packet found no room: says so. */
static __always_inline void count_lost(void *states)
{
	__u32 first = 0;
	struct tl_cpu_state *state = bpf_map_lookup_elem(states, &first);
	if (state)
		__sync_fetch_and_add(&state->lost, 1);
}

/* Where this packet's counts go: the block and the totals of this CPU. Null pointers, and `lost` counted, when there
 * is no room. */
struct place {
	void *block, *totals;
	__u32 epoch;
};
static __always_inline struct place place_of(struct hook_maps maps, __u32 cpu)
{
	struct place place = {0, 0, 0};
	place.block = block_of(maps, cpu, now_ns(), &place.epoch);
	place.totals = bpf_map_lookup_elem(maps.totals, &cpu);
	if (!place.block || !place.totals)
		count_lost(maps.state);
	return place;
}

#endif
