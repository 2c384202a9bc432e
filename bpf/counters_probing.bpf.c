// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* The counters for kernels that let programs read memory only by calls (before 6.2): see counters.bpf.c. */
#define TL_PROBING 1
#include "counters.bpf.c"
