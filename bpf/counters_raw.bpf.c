// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* The counters as raw_tp programs: see counters.bpf.c. */
#define TL_RAW_TP 1
#define TL_PROBING 1
#include "counters.bpf.c"
