/* The layout of the counters' maps: shared by the kernel side (counters.bpf.c) and user space (src/probe).
 *
 * A hook's ring is an array map with the key cpu * slots + (epoch & slot_mask); its value is a block of cells, one a
 * series. Only the hook's own program on that CPU writes a block, so plain adds are exact. A cell carries the epoch it
 * belongs to: a stale cell is reset by its next writer, and user space never clears anything. */
#ifndef TL_COUNTERS_H
#define TL_COUNTERS_H

#include <linux/types.h>

/* Series of a block: device series first (0 takes what found no place), then for each port its local and its remote
 * side, then packets whose ports could not be read. */
#define TL_SERIES_OTHER 0U
#define TL_PORT_SIDES 2U /* local, remote */

/* Counts of one series in one bucket on one CPU. */
struct tl_cell {
	__u32 epoch; /* low 32 bits of the bucket's number; cells of other epochs are stale */
	__u32 packets;
	__u32 wire_packets;
	__u32 reserved;
	__u64 bytes;
	__u64 wire_bytes;
};

/* The same summed over all time: what the buckets must add up to, also after an overrun. */
struct tl_total {
	__u64 packets;
	__u64 wire_packets;
	__u64 bytes;
	__u64 wire_bytes;
};

/* What a hook's program remembers on one CPU. */
struct tl_cpu_state {
	__u64 epoch;    /* bucket of the last packet */
	__u64 start_ns; /* its begin, CLOCK_MONOTONIC */
	__u64 lost;     /* packets that found no block: a CPU number out of range */
	__u64 reserved[5];
};

/* What names a device series. */
struct tl_device_key {
	__u64 netns_cookie; /* 0 on kernels without it */
	__u32 netns_inode;
	__u32 ifindex;
};

/* A device seen: what is known of each series, index = series. */
struct tl_device {
	struct tl_device_key key;
	__u32 type;  /* ARPHRD_… */
	__u32 known; /* 1 once the entry is complete */
};

/* Direct-mapped cache from device to series, per CPU and hook. An entry lies in one cache line, and says what would
 * otherwise be read from another line of the device. */
#define TL_CACHE_SLOTS 256U
struct tl_cache_entry {
	__u64 netns; /* its cookie, or the inode number on kernels without */
	__u32 ifindex;
	__u32 series;
	__u32 flags;
	__u32 link_header; /* bytes in front of the network header of the device's frames, as its type says */
	__u64 reserved;
};
struct tl_cache {
	struct tl_cache_entry entries[TL_CACHE_SLOTS];
};

/* The value of the device table: which series, and how its packets count. */
#define TL_COUNTS_PORTS 1U /* in port series, too */
#define TL_TAPPED 2U       /* at the device's own tap (counters_tap.bpf.c), not at the trace events */
#define TL_IGNORED 4U      /* nowhere: only devices that user space named are wanted */
struct tl_device_series {
	__u32 series;
	__u32 flags;
};

/* port → 1 + its index among the chosen ports, or 0. One map value. */
struct tl_port_table {
	__u8 index[65536];
};

#endif
