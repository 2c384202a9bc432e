// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Reading kernel memory without a call. Since 6.2 the verifier lets a program read by a pointer that it cannot prove,
 * as it does with the pointers in kernel structures; where there is nothing, such a read gives 0. A load takes a
 * nanosecond where bpf_probe_read_kernel and bpf_skb_load_bytes take thirty to forty (docs/counters-cost.md). */
#ifndef TL_DIRECT_READ_BPF_H
#define TL_DIRECT_READ_BPF_H

#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;
extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;

/* The verifier's own list of the functions that it treats specially: what it has, is there. */
enum special_kfunc_type {
	KF_bpf_rdonly_cast = 1,
};

/* Sixteen bytes of memory, by a type that every kernel's BTF has; its members there are a union of such words. */
struct in6_addr {
	__u32 words[4];
};

/* Whether memory can be read so. A constant for the verifier, which removes the other branch. */
static __always_inline int reads_directly(void)
{
#ifdef TL_RAW_TP
	return 0;
#else
	return bpf_core_enum_value_exists(enum special_kfunc_type, KF_bpf_rdonly_cast);
#endif
}

/* Copies up to four words; only if reads_directly(). */
static __always_inline void copy_words(__u32 *to, __u32 bytes, const void *from)
{
	const struct in6_addr *memory = bpf_rdonly_cast(from, bpf_core_type_id_kernel(struct in6_addr));
	for (__u32 i = 0; i < bytes / 4; i++)
		to[i] = memory->words[i];
}

#endif
