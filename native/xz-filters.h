// The filters that xz may put before LZMA2: they turn program code or tables into what compresses better.
#ifndef SLIPWAY_XZ_FILTERS_H
#define SLIPWAY_XZ_FILTERS_H
#include <stddef.h>
#include <stdint.h>

enum { FILTERS_MOST = 3, FILTER_PENDING = 64 << 10 };

struct filter {
	uint64_t kind;
	// Delta: how far back; code: at which address this byte stands.
	uint32_t distance, address;
	unsigned char history[256];
	uint32_t previous_mask;
	unsigned char pending[FILTER_PENDING];
	size_t length;
};

// Makes `filter` ready; -1 recorded when the kind or its properties are not known.
int filter_start(struct filter *filter, uint64_t kind, const unsigned char *properties, size_t length);

// Undoes the filter on the pending bytes; returns how many of them are finished (the rest needs what follows).
size_t filter_apply(struct filter *filter);
#endif
