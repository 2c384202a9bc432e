// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* What every counter program shares: constants, maps, and adding a packet to its bucket. The including file defines
 * TL_PACKET, the type of a packet, and TL_BYTE(packet, offset), a byte of it from its network header on. */
#ifndef TL_COUNT_BPF_H
#define TL_COUNT_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "counters.h"
#include "kernel_types.h"
#include "parse.bpf.h"

#define ETH_HLEN 14U
#define VLAN_HLEN 4U

/* Set before loading; constants for the verifier, which removes the branches they rule out. */
const volatile __u64 tl_base_ns = 0;       /* CLOCK_MONOTONIC begin of bucket 0 */
const volatile __u32 tl_slot_mask = 1023;  /* slots of a ring − 1 */
const volatile __u32 tl_device_series = 64;
const volatile __u32 tl_ports = 0;         /* number of chosen ports */
const volatile __u32 tl_cells = 65;        /* of a block: device series + TL_PORT_SIDES * ports + 1 */
const volatile __u8 tl_counts_offered = 0;
const volatile __u32 tl_cpus = 1;          /* that there are counters for */
const volatile __u8 tl_count_unknown = 1;  /* else devices that user space did not name are ignored */

/* User space writes it while running. Also what is constant: the kernel reads constants from memory, too. */
struct tl_control tl_control;

/* Sizes are set by user space before loading; without BTF types, which would fix the value's size. */
#define TL_MAP(name, value_type)                               \
	struct {                                               \
		__uint(type, BPF_MAP_TYPE_ARRAY);              \
		__uint(map_flags, BPF_F_MMAPABLE);             \
		__uint(max_entries, 1);                        \
		__uint(key_size, sizeof(__u32));               \
		__uint(value_size, sizeof(value_type));        \
	} name SEC(".maps")

#define TL_SUM_MAPS(hook)                                                               \
	TL_MAP(hook##_counters, struct tl_counter); /* one value: each CPU's slots, series and rests */ \
	TL_MAP(hook##_state, struct tl_hook_state)
#define TL_HOOK_MAPS(hook)                                                                \
	TL_MAP(hook##_ring, struct tl_cell); /* cpus × slots; value: a block of cells */ \
	TL_SUM_MAPS(hook)

TL_HOOK_MAPS(rx);
TL_HOOK_MAPS(tx);
TL_MAP(port_table, struct tl_port_table);

enum hook { HOOK_rx, HOOK_tx, HOOK_offered };

/* What one packet adds: its bytes, and what segmentation() says. */
struct amount {
	__u64 bytes, extra;
};

/* Where and when a packet is counted: the counters of this CPU. */
struct place {
	void *ring;
	struct tl_counter *counters;
	__u64 now_ns;
};

/* To be asked for first: reading the clock waits for every load before it, and those behind it then overlap. */
static __always_inline __u64 now_ns(__u32 mode)
{
	return mode & TL_MOCKING ? tl_control.mock_now_ns : bpf_ktime_get_ns();
}

/* Stores the counter's version where both the compiler and the CPU keep its place among the other stores. */
static __always_inline void next_version(struct tl_counter *counter)
{
#ifdef __TARGET_ARCH_x86 /* stores become visible in their order (Intel SDM volume 3, 8.2.2), without waiting for memory */
	barrier();
	*(volatile __u32 *)&counter->version = counter->version + 1;
	barrier();
#else
	(void)__sync_lock_test_and_set(&counter->version, counter->version + 1);
#endif
}

static __always_inline struct tl_counter_rest *rest_of(struct tl_counter *counter)
{
	return (struct tl_counter_rest *)(counter + TL_DEVICE_SLOTS + tl_cells);
}

/* 64 bits wide: the verifier of 6.1 carries bounds over to copies only of whole registers. To be asked right where it is
 * used: it does not carry them over to copies on the stack either. */
static __always_inline __u64 known_series(__u64 series)
{
	barrier_var(series);
	return series < tl_cells ? series : TL_SERIES_OTHER;
}

static __always_inline __u64 epoch_of(__u64 now_ns)
{
	return (now_ns - tl_base_ns) / tl_control.interval_ns;
}

/* Adds to a cell that may hold something: the same bucket, as another device counts in this series, too, or time stepped
 * back over an edge (a CPU may see it do so by nanoseconds, ktime_get_mono_fast_ns); or, after a lap or more without a
 * packet, a later bucket of such a series, which stays. */
static __always_inline void add_to_cell(struct tl_cell *cell, const struct tl_cell *gained, __u32 current_epoch)
{
	__u32 later = cell->epoch - gained->epoch, age = current_epoch - gained->epoch;
	if (later == 0) {
		cell->packets += gained->packets;
		cell->extra_packets += gained->extra_packets;
		cell->bytes += gained->bytes;
		cell->extra_bytes += gained->extra_bytes;
	} else if (later > age || (__s32)age < 0) {
		*cell = *gained;
	}
}

/* Puts what the counter's bucket gained into the ring. Where that is known to be the first of its series, the cell, whose
 * memory nobody touched for a lap, need not be waited for. */
static __always_inline void close_bucket(void *ring, struct tl_counter *counter, struct tl_counter_rest *rest,
					 __u32 current_epoch)
{
	__u32 epoch = counter->epoch;
	__u32 slot = bpf_get_smp_processor_id() * (tl_slot_mask + 1) + (epoch & tl_slot_mask);
	struct tl_cell *cell = bpf_map_lookup_elem(ring, &slot);
	if (!cell)
		return;
	__u64 series = known_series(counter->series);
	cell += series;
	struct tl_cell gained = {
		.epoch = epoch,
		.packets = (__u32)(counter->gained >> TL_PACKET_SHIFT),
		.extra_packets = (__u32)counter->extra_packets,
		.bytes = counter->gained & TL_PACKET_BYTES,
		.extra_bytes = counter->extra_bytes,
	};
	if (likely((__s32)(epoch - rest->closed) > 0 && series != TL_SERIES_OTHER)) {
		*cell = gained;
		rest->closed = epoch;
	} else {
		add_to_cell(cell, &gained, current_epoch);
	}
	rest->sums.packets += gained.packets;
	rest->sums.bytes += gained.bytes;
	rest->sums.extra_packets += counter->extra_packets;
	rest->sums.extra_bytes += gained.extra_bytes;
	counter->gained = 0;
	counter->extra_packets = 0;
	counter->extra_bytes = 0;
}

/* The counter goes on in the bucket that `now` belongs to. Once a bucket: apart from what every packet runs through, of
 * which so more lies in few cache lines. */
static __noinline int begin_bucket(void *ring, struct tl_counter *counter, __u64 now_ns)
{
	struct tl_counter_rest *rest = rest_of(counter);
	__u64 interval_ns = tl_control.interval_ns;
	__u64 start_ns = counter->start_ns + interval_ns;
	__u32 epoch = counter->epoch + 1;
	if (now_ns - start_ns >= interval_ns || counter->start_ns == 0) { /* not the next one, or the first at all */
		__u64 number = epoch_of(now_ns);
		epoch = (__u32)number;
		start_ns = tl_base_ns + number * interval_ns;
	}
	next_version(counter);
	if (counter->gained)
		close_bucket(ring, counter, rest, epoch);
	counter->epoch = epoch;
	counter->start_ns = start_ns;
	next_version(counter);
	return 0;
}

static __always_inline void add_bytes(struct tl_counter *counter, __u64 bytes)
{
	counter->gained += TL_ONE_PACKET + bytes;
}

static __always_inline void add_extra(struct tl_counter *counter, __u64 extra)
{
	counter->extra_packets += extra >> 32;
	counter->extra_bytes += (__u64)(__s32)extra;
}

/* So that what is added next counts in the bucket that `now` belongs to. */
static __always_inline void keep_to_bucket(void *ring, struct tl_counter *counter, __u64 now_ns)
{
	/* Also when now < start: the difference wraps. */
	if (unlikely(now_ns - counter->start_ns >= tl_control.interval_ns))
		begin_bucket(ring, counter, now_ns);
}

static __always_inline void add(const struct place *place, struct tl_counter *counter, const struct amount *a)
{
	keep_to_bucket(place->ring, counter, place->now_ns);
	add_bytes(counter, a->bytes);
	if (a->extra)
		add_extra(counter, a->extra);
}

static __always_inline struct tl_counter *series_of(struct tl_counter *counters, __u32 series)
{
	return counters + TL_DEVICE_SLOTS + known_series(series);
}

/* What segmentation adds on the wire, where each segment repeats the headers (qdisc_pkt_len_init): extra packets in the
 * upper half of the result, extra bytes, signed, in the lower; 0 where the headers end early. `link_header`: bytes in
 * front of the network header, with a VLAN tag that the packet carries beside its bytes. */
static __noinline __u64 segmentation(TL_PACKET *packet, __u32 gso_size, __u32 segments, __u32 link_header, __u32 bytes)
{
	/* Where either version's header has its length, and its protocol. */
	__u32 first = TL_BYTE(packet, 0), network = 40, protocol, jumbo = 0;
	if (first >> 4 == 4) {
		network = (first & 0xf) * 4;
		protocol = TL_BYTE(packet, 9);
	} else {
		protocol = TL_BYTE(packet, 6);
		/* BIG TCP: over 64 KiB the length is in a jumbo payload option (RFC 2675), which no segment carries. */
		if (protocol == 0 && bytes > 0xffff) {
			jumbo = 8;
			protocol = TL_BYTE(packet, network);
		}
	}
	__u32 headers = link_header + network;
	if (protocol == 6) /* data offset, RFC 9293 */
		headers += (__u32)(TL_BYTE(packet, network + jumbo + 12) >> 4) * 4;
	else
		headers += 8;
	if (segments == 0 && bytes > headers + jumbo)
		segments = (bytes - headers - jumbo + gso_size - 1) / gso_size;
	if (segments == 0)
		return 0;
	return (__u64)(segments - 1) << 32 | (__u32)((segments - 1) * headers - jumbo);
}

/* Adds to the port series; `header` holds `length` bytes from the network header on. */
static __always_inline void add_ports(const __u8 *header, __u32 length, __u16 ethertype, const struct place *place,
				      int is_rx, const struct amount *a)
{
	struct tl_packet_ports ports = tl_parse(header, length, ethertype);
	if (ports.status == TL_UNPARSED || ports.status == TL_FRAGMENT)
		add(place, series_of(place->counters, tl_device_series + tl_ports * TL_PORT_SIDES), a);
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
		add(place, series_of(place->counters, tl_device_series + (index - 1) * TL_PORT_SIDES), a);
	index = table->index[remote];
	if (index)
		add(place, series_of(place->counters, tl_device_series + (index - 1) * TL_PORT_SIDES + 1), a);
}

/* A packet found no room: says so. */
static __noinline int count_lost(void *states)
{
	__u32 first = 0;
	struct tl_hook_state *state = bpf_map_lookup_elem(states, &first);
	if (state)
		__sync_fetch_and_add(&state->lost, 1);
	return 0;
}

/* The counters of a CPU; null when there are none. */
static __always_inline struct tl_counter *counters_of(void *map, __u64 cpu)
{
	__u32 first = 0;
	struct tl_counter *counters = bpf_map_lookup_elem(map, &first);
	barrier_var(cpu); /* whose bounds the verifier of 6.1 carries over only in a whole register */
	if (!counters || cpu >= tl_cpus)
		return 0;
	return counters + cpu * 2 * (TL_DEVICE_SLOTS + tl_cells);
}

/* The counters of this CPU. */
static __always_inline struct tl_counter *counters_of_cpu(void *map)
{
	return counters_of(map, bpf_get_smp_processor_id());
}

#endif
