// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Which counter is a device's: the table of devices, and the slots of a CPU, which packets find by the device's address. */
#ifndef TL_DEVICE_SLOTS_BPF_H
#define TL_DEVICE_SLOTS_BPF_H

#include "packet.bpf.h"

#define ARPHRD_ETHER 1U
#define ARPHRD_LOOPBACK 772U

TL_HOOK_MAPS(offered);
TL_SUM_MAPS(failed); /* nobody asks when it happened: no ring */
TL_MAP(devices, struct tl_device); /* one a device series */

static __always_inline void *ring_of(enum hook hook)
{
	return hook == HOOK_rx ? (void *)&rx_ring : hook == HOOK_tx ? (void *)&tx_ring : (void *)&offered_ring;
}

/* Where nothing counts before the queue, that map has no room for all CPUs, and the verifier may not come upon it. */
static __always_inline void *counters_map_of(enum hook hook)
{
	if (hook == HOOK_offered && tl_counts_offered)
		return &offered_counters;
	return hook == HOOK_rx ? (void *)&rx_counters : (void *)&tx_counters;
}

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

static __always_inline int is_same(const struct tl_device_key *a, const struct tl_device_key *b)
{
	return a->netns_cookie == b->netns_cookie && a->netns_inode == b->netns_inode && a->ifindex == b->ifindex;
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

/* Empties a slot: its bucket goes to the ring, its sums to those of its series. */
static __always_inline void empty(struct tl_counter *slot, struct tl_counter *counters, void *ring)
{
	struct tl_counter_rest *rest = rest_of(slot);
	struct tl_counter *series = series_of(counters, slot->series);
	if (slot->gained)
		close_bucket(ring, slot, rest, (__u32)epoch_of(now_ns(tl_control.mode)));
	add_all(&rest_of(series)->sums, &rest->sums);
	__builtin_memset(&rest->sums, 0, sizeof(rest->sums));
	slot->start_ns = 0;
}

/* What slots know a device by: its address, so that no packet has to look at the device, which would have to be guarded;
 * with TL_BY_ITSELF where taps or tcx programs count it. forget() keeps an address that is given to another device from
 * being taken for the one before. */
static __always_inline __u64 name_of(const struct net_device *device, const struct tl_counter *counters)
{
#ifdef TL_RAW_TP
	return (__u64)device; /* a number, from which no pointer may be taken */
#else
	__u64 name = (__u64)device - (__u64)counters; /* of two pointers this makes a number, which tells no address */
	barrier_var(name);
	return name;
#endif
}

/* Whether a slot is the device's, wherever that is counted. */
static __always_inline int is_same_device(__u64 slot_device, __u64 name)
{
	return (slot_device | TL_BY_ITSELF) == (name | TL_BY_ITSELF);
}

/* The first slot that may be a device's. Devices mostly begin at multiples of 4096 bytes, the kernel's size class for them. */
static __always_inline struct tl_counter *first_slot(struct tl_counter *counters, __u64 name)
{
	_Static_assert(sizeof(struct tl_counter) == 64, "the shift makes an offset in bytes of a number of pages");
	return (void *)counters + ((name >> (12 - 6)) & ((TL_DEVICE_PLACES - 1) * sizeof(struct tl_counter)));
}

/* Gives a device one of the slots that it may have: a free one, or the one that has been another's for longest. */
static __noinline struct tl_counter *learn(struct net_device *device, struct tl_counter *first, enum hook hook)
{
	struct tl_counter *counters = counters_of_cpu(counters_map_of(hook)), *slot = first;
	if (!counters)
		return first;
	struct tl_device_series series = ask(device);
	for (__u32 way = 1; way < TL_DEVICE_WAYS; ++way)
		if (slot->device && (!first[way].device || rest_of(first + way)->learned < rest_of(slot)->learned))
			slot = first + way;
	__u32 *moves = &rest_of(counters)->moves;
	(void)__sync_lock_test_and_set(moves, *moves + 1);
	next_version(slot);
	empty(slot, counters, ring_of(hook));
	rest_of(slot)->learned = *moves;
	/* The device may have had a slot in this very bucket, or in the next, from which time stepped back. */
	rest_of(slot)->closed = (__u32)epoch_of(now_ns(tl_control.mode)) + 1;
	slot->series = (__u16)series.series;
	slot->link_header = (__u8)header_of_type(GET(device, type));
	slot->flags = (__u8)((series.flags & ~TL_TAPPED) | (slot->link_header ? 0 : TL_OTHER_LINK));
	/* The trace event of receiving sees packets whose link header is no part of their length any more. */
	slot->each = TL_ONE_PACKET + (hook == HOOK_rx && !(series.flags & TL_TAPPED) ? slot->link_header : 0);
	slot->interval_ns = (__u32)tl_control.usual_interval_ns;
	slot->device = name_of(device, counters) | (series.flags & TL_TAPPED ? TL_BY_ITSELF : 0);
	rest_of(slot)->key = key_of(device);
	next_version(slot);
	(void)__sync_lock_test_and_set(moves, *moves + 1);
	return slot;
}

/* The slot of a device on this CPU; null where nothing is counted. Apart: most packets find theirs in the first. */
static __noinline struct tl_counter *search(struct net_device *device, struct tl_counter *first, enum hook hook)
{
	struct tl_counter *counters = counters_of_cpu(counters_map_of(hook));
	if (!counters || !(tl_control.mode & TL_COUNTING))
		return 0;
	__u64 name = name_of(device, counters);
	for (__u32 way = 0; way < TL_DEVICE_WAYS; ++way)
		if (is_same_device(first[way].device, name))
			return first + way;
	return learn(device, first, hook);
}

/* A packet that is not known to belong into its slot's bucket: makes the slot go on in the one it belongs into, or says by null
 * that it does not count. Once a bucket the device is looked at, too: should forget() have been missed, as trace events are
 * on some machines (docs/limits.md), then the slot is another's by now. */
static __noinline struct tl_counter *next_bucket(struct net_device *device, struct tl_counter *slot, enum hook hook,
						 __u64 now)
{
	__u32 mode = tl_control.mode;
	if (!(mode & TL_COUNTING))
		return 0;
	if (unlikely(mode & TL_MOCKING))
		now = tl_control.mock_now_ns;
	slot->interval_ns = (__u32)tl_control.usual_interval_ns;
	if (now - slot->start_ns < tl_control.interval_ns)
		return slot;
	struct tl_device_key key = key_of(device);
	struct tl_counter *counters = counters_of_cpu(counters_map_of(hook));
	if (unlikely(!is_same(&rest_of(slot)->key, &key)) && counters) {
		slot->device = 0;
		slot = search(device, first_slot(counters, name_of(device, counters)), hook);
		if (!slot)
			return 0;
	}
	begin_bucket(ring_of(hook), slot, now);
	return slot;
}

/* No slot of this CPU is the device's any more; what one holds stays there for the next device. Slots are written by their
 * own CPU's program: should it give one to another device meanwhile, then the exchange finds that one's name. */
static __always_inline int forget(void *map, __u32 cpu, const struct net_device *device)
{
	struct tl_counter *counters = counters_of(map, cpu);
	if (!counters)
		return 0;
	__u64 name = name_of(device, counters);
	struct tl_counter *first = first_slot(counters, name);
	for (__u32 way = 0; way < TL_DEVICE_WAYS; ++way) {
		__u64 found = first[way].device;
		if (is_same_device(found, name))
			__sync_val_compare_and_swap(&first[way].device, found, 0);
	}
	return 1;
}

#endif
