// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* What is known when programs are loaded stands in their instructions, put there by user space (probe/load_time.hh) in
 * place of the numbers of tl_load_time: constants of .rodata would be read from memory by each packet, and a map's look-up
 * has code for any key. Only in the programs themselves, not in functions that stand apart, which libbpf does not show. */
#ifndef TL_LOAD_TIME_BPF_H
#define TL_LOAD_TIME_BPF_H

#include "counters.h"

/* As bpf_helpers.h has it, but what it returns needs no widening. */
static __u64 (*const this_cpu)(void) = (void *)BPF_FUNC_get_smp_processor_id;

/* Where this CPU's counters begin in a hook's map, in bytes; goes to `none` when there are none. The verifier takes the
 * question out where it knows how many CPUs there are (since 6.8), if nothing else leads to `none`. */
#define TL_OFFSET_HERE(offset, none)                                                                           \
	do {                                                                                                   \
		offset = this_cpu();                                                                           \
		asm goto("if %0 >= %1 goto %l[" #none "]" : : "r"(offset), "i"(TL_FOR_CPUS) : : none);         \
		asm("%0 *= %1" : "+r"(offset) : "i"(TL_FOR_CPU_BYTES));                                        \
	} while (0)

#define TL_ADDRESS(function, number)                             \
	static __always_inline void *function(void)              \
	{                                                        \
		void *address;                                   \
		asm("%0 = %1 ll" : "=r"(address) : "i"(number)); \
		return address;                                  \
	}

TL_ADDRESS(rx_counters_address, TL_FOR_RX_COUNTERS)
TL_ADDRESS(tx_counters_address, TL_FOR_TX_COUNTERS)
TL_ADDRESS(offered_counters_address, TL_FOR_OFFERED_COUNTERS)

#endif
