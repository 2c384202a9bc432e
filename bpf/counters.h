/* The layout of the counters' maps: shared by the kernel side (counters.bpf.c) and user space (src/probe).
 *
 * A packet adds to one counter on its CPU, and to nothing else. The first packet of a later bucket closes the one before:
 * what the counter gained goes into the ring, and to its sums. So the sums are right whatever becomes of the ring, and a
 * bucket that is over lies in the ring, or still in a counter that saw no packet since.
 *
 * A hook's counters are the only value of an array map, so that their address can stand in the programs (load_time.bpf.h).
 * Each CPU has TL_DEVICE_SLOTS counters, each for a device that it met lately, and behind them one a series; then the rests
 * of all these, in the same order. A series' total is the sum of its own counter and of the slots of its devices. A hook's
 * ring is an array map with the key cpu * slots + (epoch & slot_mask), whose value has one cell a series.
 * Only the hook's own program on that CPU writes them, so plain adds are exact. A cell carries the epoch it belongs to:
 * user space never clears anything. */
#ifndef TL_COUNTERS_H
#define TL_COUNTERS_H

#include <linux/types.h>

/* Series of a block: device series first (0 takes what found no place), then for each port its local and its remote
 * side, then packets whose ports could not be read. */
#define TL_SERIES_OTHER 0U
#define TL_PORT_SIDES 2U /* local, remote */

/* What names a device and its series. */
struct tl_device_key {
	__u64 netns_cookie; /* 0 on kernels without it */
	__u32 netns_inode;
	__u32 ifindex;
};

/* Counts of one series in one bucket on one CPU. */
struct tl_cell {
	__u32 epoch; /* low 32 bits of the bucket's number; cells of other epochs are stale */
	__u32 packets;
	__u32 extra_packets; /* see tl_sums; modulo 2^32 and 2^64 */
	__u32 reserved;
	__u64 bytes;
	__u64 extra_bytes;
};

/* Sums of one series on one CPU. On the wire are packets + extra_packets and bytes + extra_bytes, modulo 2^64: what
 * segmentation adds is 0 for most packets, which so have less to store. */
struct tl_sums {
	__u64 packets, bytes;
	__u64 extra_packets, extra_bytes;
};

/* Packets and their bytes in one number, so that a packet takes one addition: a bucket lasts a second at most, in which
 * no CPU takes 16 million packets, or a terabyte. */
#define TL_PACKET_SHIFT 40
#define TL_ONE_PACKET (1ULL << TL_PACKET_SHIFT)
#define TL_PACKET_BYTES (TL_ONE_PACKET - 1)

/* Counts on one CPU. What a packet needs lies in one cache line, with what says which device a slot is for. */
struct tl_counter {
	__u64 gained; /* by the bucket so far: packets and bytes, and these as in tl_sums */
	__u64 extra_packets, extra_bytes;
	__u64 each;         /* of a slot: what a packet adds to `gained` beside its length */
	__u64 start_ns;     /* begin of the bucket that the latest packet fell into, CLOCK_MONOTONIC */
	__u32 epoch;        /* its number, as in a cell */
	__u32 version;      /* odd while a bucket is being closed, or a slot gets another device */
	__u64 device;       /* of a slot: whose it is, see name_of(), or 0; other CPUs may make it 0, see forget() */
	__u16 series;
	__u8 flags;         /* see tl_device_series; not TL_TAPPED, which `device` says */
	__u8 link_header;   /* bytes in front of the network header of the device's frames, as its type says */
	__u32 interval_ns;  /* of a slot: tl_control.usual_interval_ns when it was last asked, or 0: ask it */
};

/* The rest of a counter, which only a bucket's end and a new device need: apart, so that the counters of many devices lie
 * on few pages. */
struct tl_counter_rest {
	struct tl_sums sums;   /* of all buckets before; of a slot, since it got its device */
	__u32 closed;          /* no later bucket of its series is in the ring; of `other`, whose devices share it, nothing */
	__u32 moves;           /* of the CPU's first slot: odd while totals move from a slot to a series */
	__u32 learned;         /* of a slot: that number when it got its device */
	__u32 reserved;
	struct tl_device_key key; /* of a slot's device */
};

/* Of a slot's device: taps or tcx programs count it. */
#define TL_BY_ITSELF 1ULL

/* A device lies in the slot that its address says, or in one of those behind it. */
#define TL_DEVICE_PLACES 512U
#define TL_DEVICE_WAYS 8U
#define TL_DEVICE_SLOTS (TL_DEVICE_PLACES + TL_DEVICE_WAYS - 1)

/* What user space tells the programs. Slots hold what most packets need of it: who closes the gate has to wait for a grace
 * period, and then to set interval_ns of all slots to 0. */
#define TL_COUNTING 1U /* nothing is counted without */
#define TL_MOCKING 2U  /* tests: the time is mock_now_ns */
struct tl_control {
	__u32 mode;
	__u32 next_series; /* the next free device series; user space sets it behind those it named */
	__u64 interval_ns;
	__u64 mock_now_ns;
	__u64 usual_interval_ns; /* interval_ns while the mode is TL_COUNTING alone, else 0; see tl_counter */
	__u64 reserved[4];
};

/* In the instructions of programs these stand for what is known when they are loaded: numbers that nothing else is. */
enum tl_load_time {
	TL_FOR_CPUS = 0x746c0001,  /* how many CPUs there are counters for */
	TL_FOR_CPU_BYTES,          /* of the counters of each */
	TL_FOR_RX_COUNTERS,        /* where these maps' values begin, in the order of the hooks */
	TL_FOR_TX_COUNTERS,
	TL_FOR_OFFERED_COUNTERS,
	TL_FOR_FAILED_COUNTERS,
};

/* What a hook's programs say of themselves. */
struct tl_hook_state {
	__u64 lost; /* packets that found no counters: a CPU number out of range */
	__u64 reserved[7];
};

/* A device seen: what is known of each series, index = series. */
struct tl_device {
	struct tl_device_key key;
	__u32 type;  /* ARPHRD_… */
	__u32 known; /* 1 once the entry is complete */
};

/* The value of the device table: which series, and how its packets count. */
#define TL_COUNTS_PORTS 1U /* in port series, too */
#define TL_TAPPED 2U       /* at the device itself, by its tap or tcx programs, not at the trace events */
#define TL_IGNORED 4U      /* nowhere: only devices that user space named are wanted */
#define TL_OTHER_LINK 8U   /* of a slot: its device's type does not say how long the link header is */
struct tl_device_series {
	__u32 series;
	__u32 flags;
};

/* port → 1 + its index among the chosen ports, or 0. One map value. */
struct tl_port_table {
	__u8 index[65536];
};

#endif
