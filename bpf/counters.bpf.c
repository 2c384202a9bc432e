// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Traffic counters: every packet adds to the bucket that its own moment belongs to, in memory that user space maps.
 *
 * Hooks (net/core/dev.c): tl_rx at netif_receive_skb, tl_tx at net_dev_start_xmit, tl_offered at net_dev_queue (before
 * the qdisc), tl_failed at net_dev_xmit (the driver did not take it). tp_btf programs, because classic tracepoint
 * programs are skipped whenever another one, or a map system call, is active on the CPU (trace_call_bpf). The same bodies
 * are compiled with TL_PROBING for kernels whose programs read memory only by calls (before 6.2), and with TL_RAW_TP, too,
 * as raw_tp programs for kernels without their own BTF.
 *
 * tl_tap counts observed devices, which tl_rx and tl_tx then skip: the filter of packet sockets that are bound to them and
 * keep nothing. The kernel shows such a socket a packet at the same two places: behind netif_receive_skb
 * (__netif_receive_skb_core) and right before the driver (dev_queue_xmit_nit), but without a patched branch in front, and it
 * does not show looped-back copies, which device statistics do not count either. Kernels before 6.2 have counters_tap.bpf.c.
 *
 * tl_tcx_rx and tl_tcx_tx count observed devices that hand to their driver just what the stack gives them (probe/tcx.hh): at
 * the traffic-control hooks (include/net/tcx.h, since 6.6), for which the kernel clones no packet.
 *
 * Each hook writes only its own maps, and the kernel keeps a program from nesting in itself on a CPU, so every cell has
 * a single writer and plain adds are exact. A run that the kernel skipped for that reason is counted as
 * recursion_misses of the program, which user space publishes. Taps and tcx programs write the maps of their direction's
 * trace event: all run with bottom halves disabled, so that none interrupts another. */
#include <linux/bpf.h>
#include <linux/if_packet.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#ifdef TL_RAW_TP
#define HOOK(name) SEC("raw_tp/" name)
#else
#define HOOK(name) SEC("tp_btf/" name)
#endif

#include "device_slots.bpf.h"
#include "load_time.bpf.h"
#include "tap.bpf.h"

#define NETDEV_TX_BUSY 0x10
#define TCX_NEXT (-1) /* linux/bpf.h since 6.6 */
#define MAX_CPUS 8192 /* CONFIG_NR_CPUS of the kernels that have most */

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

/* The same at taps and tcx, where data is at the link header both ways, and which read packets wherever they lie. */
static __noinline int add_ports_of_tapped(struct __sk_buff *packet, struct tl_counter *counters, __u64 now_ns, __u64 packed,
					  __u64 extra)
{
	enum hook hook = packed >> 48;
	__u64 link_header = packed >> 32 & 0xffff;
	struct place place = {ring_of(hook), counters, now_ns};
	struct amount a = {(__u32)packed, extra};
	return add_tapped_ports(packet, &place, link_header, hook == HOOK_rx, &a);
}

/* There are no counters for this CPU, nor slots: the table says whether something is lost. */
static __noinline int lose(struct net_device *device, enum hook hook, __u32 skip)
{
	if ((tl_control.mode & TL_COUNTING) && !(ask(device).flags & (skip | TL_IGNORED)))
		count_lost(hook == HOOK_rx ? (void *)&rx_state : hook == HOOK_tx ? (void *)&tx_state : (void *)&offered_state);
	return 0;
}

enum seen_at { AT_EVENT, AT_TAP, AT_TCX };

/* Where a packet is seen. `at` is a constant, and so is `hook`, except at a tap, which both directions pass. */
struct sight {
	enum seen_at at;
	enum hook hook;
	const unsigned long long *arguments; /* of the trace event; else null, and */
	struct __sk_buff *packet;            /* the packet as the program's type has it */
};

static __always_inline enum hook hook_of(const struct sight *sight)
{
	return sight->at != AT_TAP ? sight->hook : sight->packet->pkt_type != PACKET_OUTGOING ? HOOK_rx : HOOK_tx;
}

/* As the kernel has it. Read where it is needed, which keeps registers free. */
static __always_inline struct sk_buff *packet_in(const struct sight *sight)
{
#ifndef TL_PROBING
	if (sight->at != AT_EVENT)
		return bpf_cast_to_kern_ctx(sight->packet);
#endif
	return (struct sk_buff *)sight->arguments[0];
}

static __always_inline struct net_device *device_in(const struct sight *sight)
{
	if (sight->at == AT_EVENT && sight->hook == HOOK_tx)
		return (struct net_device *)sight->arguments[1];
	return GET(packet_in(sight), dev);
}

/* The counters of the CPU whose offset is given. */
static __always_inline struct tl_counter *counters_at(const struct sight *sight, __u64 offset)
{
	enum hook hook = hook_of(sight);
	return (hook == HOOK_rx ? rx_counters_address() :
		hook == HOOK_tx ? tx_counters_address() :
				  offered_counters_address()) +
	       offset;
}

/* Whether the packets of a slot's device count at this place. Of an event program it is only asked where `skips`, see there. */
static __always_inline int counts_here(const struct sight *sight, const struct tl_counter *slot)
{
	if (sight->at != AT_EVENT)
		return (slot->device & TL_BY_ITSELF) != 0;
	return !(slot->flags & TL_IGNORED) && (sight->hook == HOOK_offered || !(slot->device & TL_BY_ITSELF));
}

/* `skips`: a constant, whether there may be devices that do not count here, by themselves or not at all. What
 * most packets do not need stands behind the rest: a packet waits for its code, too, which the stack's own has pushed out of
 * the caches. For BPF the compiler does not rearrange branches by itself. */
static __always_inline int count(const struct sight sight, int skips)
{
	/* At netif_receive_skb the link header is pulled but still in front of data; elsewhere it is counted. */
	int at_event = sight.at == AT_EVENT, is_pulled = at_event && sight.hook == HOOK_rx;
	/* Not where it may not be needed. Elsewhere the look-up hides in front of it (docs/counters-cost.md). */
	int clock_first = at_event && sight.hook == HOOK_tx && !skips;
	__u64 now, name, offset;
	struct tl_counter *slot, *counters;
	if (clock_first)
		now = bpf_ktime_get_ns();
	TL_OFFSET_HERE(offset, without_counters);
	counters = counters_at(&sight, offset);
	if (skips) {
		name = name_of(device_in(&sight), counters);
		slot = first_slot(counters, name);
		if (unlikely(!is_same_device(slot->device, name)))
			goto search_first;
skip:
		if (!counts_here(&sight, slot))
			return 0;
	}
	if (!clock_first)
		now = bpf_ktime_get_ns();
	if (!skips) {
		name = name_of(device_in(&sight), counters) | (at_event ? 0 : TL_BY_ITSELF);
		slot = first_slot(counters, name);
		if (unlikely(slot->device != name))
			goto search_slot;
	}
in_slot:
	/* Also when now < start: the difference wraps. */
	if (unlikely(now - slot->start_ns >= slot->interval_ns))
		goto late;
in_bucket:;
	struct sk_buff *skb = packet_in(&sight);
	slot->gained += GET(skb, len) + slot->each;
	/* What a program's type shows of its packet needs no guard. */
	__u64 gso_size = at_event ? gso_size_of(skb) : sight.packet->gso_size, extra = 0;
	__u64 tag = at_event ? has_tag_beside(skb) : GET(skb, vlan_all);
	barrier_var(tag);
	if (unlikely(slot->flags | gso_size | tag)) /* in one question */
		goto more;
	return 0;

without_counters:
	return lose(device_in(&sight), hook_of(&sight), at_event && sight.hook != HOOK_offered ? TL_TAPPED : 0);
search_first: /* of devices that share a first slot most lie right behind it */
	if (is_same_device(slot[1].device, name)) {
		++slot;
		goto skip;
	}
	slot = search(device_in(&sight), slot, sight.hook);
	if (!slot)
		return 0;
	goto skip;
search_slot:
	if (slot[1].device == name) {
		++slot;
		goto in_slot;
	}
	slot = search(device_in(&sight), slot, hook_of(&sight));
	/* tcx programs stay with a device that moves to another namespace, whose packets are not wanted, or not by them. */
	if (!slot || (!at_event && !counts_here(&sight, slot)))
		return 0;
	goto in_slot;
late:
	slot = next_bucket(device_in(&sight), slot, hook_of(&sight), now);
	if (!slot || ((skips || !at_event) && !counts_here(&sight, slot)))
		return 0;
	goto in_bucket;
more:
	barrier(); /* what was read above is read again, rather than kept */
	skb = packet_in(&sight);
	__u32 link_header = slot->link_header;
	int is_tapped_tx = sight.at == AT_TAP && hook_of(&sight) == HOOK_tx;
	if (unlikely(tag | slot->flags))
		goto unusual; /* else it is a super-packet */
	__u64 bytes = GET(skb, len) + (is_pulled ? link_header : 0);
	__u64 headers = repeated_headers(skb, data_offset(skb) - (is_pulled ? link_header : 0), link_header, (__u32)bytes,
					 is_tapped_tx);
	__u32 segments = at_event ? gso_segs_of(skb) : sight.packet->gso_segs;
	if (unlikely(headers == 0 || segments == 0))
		goto unusual;
	slot->extra_packets += segments - 1;
	slot->extra_bytes += (segments - 1) * headers;
	return 0;

unusual:
	if (is_pulled && link_header == 0) {
		link_header = data_offset(skb) - GET(skb, mac_header);
		slot->gained += link_header;
	}
	bytes = GET(skb, len) + (is_pulled ? link_header : 0);
	if (has_tag_beside(skb)) {
		bytes += VLAN_HLEN;
		slot->gained += VLAN_HLEN;
	}
	gso_size = at_event ? gso_size_of(skb) : sight.packet->gso_size; /* again, as above */
	if (gso_size) { /* gso_segs says nothing: TCP sets it to 1 in every segment */
		segments = at_event ? gso_segs_of(skb) : sight.packet->gso_segs;
		extra = segmentation_of(skb, segments, (__u32)bytes, link_header,
					(is_pulled ? TL_IS_PULLED : 0) | (is_tapped_tx ? TL_IS_TAPPED_TX : 0));
		add_extra(slot, extra);
	}
	/* The constant lies in memory, which only these packets need to touch; without ports the verifier has less to do. */
	if (!(slot->flags & TL_COUNTS_PORTS) || tl_ports == 0)
		return 0;
	/* The bucket's begin stands for any moment in it, and need not be kept. */
	__u64 packed = (__u64)hook_of(&sight) << 48 | (link_header & 0xffffULL) << 32 | (__u32)bytes;
	if (at_event)
		add_ports_of(skb, counters_map_of(sight.hook), slot->start_ns, packed, extra);
	else if ((counters = counters_of_cpu(counters_map_of(hook_of(&sight))))) /* most need not keep them */
		add_ports_of_tapped(sight.packet, counters, slot->start_ns, packed, extra);
	return 0;
}

#define EVENT(name) ((struct sight){.at = AT_EVENT, .hook = HOOK_##name, .arguments = arguments})
#define PACKET(where, direction) ((struct sight){.at = where, .hook = direction, .packet = packet})

HOOK("netif_receive_skb")
int tl_rx(const unsigned long long *arguments)
{
	return count(EVENT(rx), 0);
}

HOOK("net_dev_start_xmit")
int tl_tx(const unsigned long long *arguments)
{
	return count(EVENT(tx), 0);
}

/* Instead of these two, where devices may be observed by themselves, or ignored. */
HOOK("netif_receive_skb")
int tl_rx_skipping(const unsigned long long *arguments)
{
	return count(EVENT(rx), 1);
}

HOOK("net_dev_start_xmit")
int tl_tx_skipping(const unsigned long long *arguments)
{
	return count(EVENT(tx), 1);
}

#ifndef TL_PROBING
/* The packet's device is the one that the socket is bound to: whatever takes a packet over (a VLAN device, a bridge) does so
 * behind all taps of the device below (__netif_receive_skb_core). Returns 0: nothing is kept. */
SEC("socket")
int tl_tap(struct __sk_buff *packet)
{
	return count(PACKET(AT_TAP, HOOK_rx), 0);
}

/* Of what comes, those behind all taps, and in front of a VLAN, a bridge or a macvlan (__netif_receive_skb_core); not the
 * copies of what was sent. The packet goes on to the next program. */
SEC("tc")
int tl_tcx_rx(struct __sk_buff *packet)
{
	if (packet->pkt_type != PACKET_LOOPBACK)
		count(PACKET(AT_TCX, HOOK_rx), 0);
	return TCX_NEXT;
}

/* Right before the queue (__dev_queue_xmit). */
SEC("tc")
int tl_tcx_tx(struct __sk_buff *packet)
{
	count(PACKET(AT_TCX, HOOK_tx), 0);
	return TCX_NEXT;
}
#endif

/* Before the qdisc: what the stack wanted to send. The qdisc's own idea of the wire length is in the packet. */
HOOK("net_dev_queue")
int tl_offered(const unsigned long long *arguments)
{
	return count(EVENT(offered), 1);
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
	struct tl_sums *sums = &rest_of(series_of(counters, series.series))->sums; /* in no bucket */
	sums->packets += 1;
	sums->bytes += length;
	return 0;
}

static long forget_on(__u32 cpu, struct net_device **device)
{
	int is_cpu = forget(&rx_counters, cpu, *device);
	forget(&tx_counters, cpu, *device);
	if (tl_counts_offered)
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
