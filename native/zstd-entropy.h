// The two entropy codes of zstd (RFC 8878 §4): tables of FSE states and of Huffman codes.
#ifndef SLIPWAY_ZSTD_ENTROPY_H
#define SLIPWAY_ZSTD_ENTROPY_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FSE_MOST_LOG = 9, HUFFMAN_MOST_BITS = 11, BITS_PADDING = 32 };

// Bits that are read from their end: `left` of them at `bytes`, of which BITS_PADDING bytes before and behind may be
// looked at. When `left` is negative more was read than there is.
struct bits {
	const unsigned char *bytes;
	ptrdiff_t left;
};

static inline uint64_t load64(const unsigned char *at)
{
	uint64_t value;
	memcpy(&value, at, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

// Up to 56 bits.
static inline uint64_t bits_take(struct bits *bits, unsigned count)
{
	bits->left -= count;
	return (load64(bits->bytes + (bits->left >> 3)) >> (bits->left & 7)) & (((uint64_t)1 << count) - 1);
}

// The bits in `length` bytes, up to the mark in the last one. -1 without a mark.
int bits_start(struct bits *bits, const unsigned char *bytes, size_t length);

struct fse_entry {
	// The next state is `base` and `bits` more bits.
	uint16_t base;
	unsigned char bits, symbol;
};

struct fse {
	unsigned log;
	struct fse_entry entries[1 << FSE_MOST_LOG];
};

// A table of symbols that are as probable as `counts` says (-1: less than one); the sum must be 1 << log.
void fse_build(struct fse *fse, const int16_t *counts, unsigned symbols, unsigned log);

// The table that always says `symbol`.
void fse_single(struct fse *fse, unsigned char symbol);

// The table described at `bytes` (BITS_PADDING more can be looked at). Returns the length of the description, or -1.
ptrdiff_t fse_read(struct fse *fse, const unsigned char *bytes, size_t length, unsigned most_symbol, unsigned most_log);

struct huffman_entry {
	unsigned char symbol, bits;
};

struct huffman {
	unsigned bits;
	struct huffman_entry entries[1 << HUFFMAN_MOST_BITS];
};

// As fse_read.
ptrdiff_t huffman_read(struct huffman *huffman, const unsigned char *bytes, size_t length);

// Exactly `count` symbols from all of `length` bytes into `to`; -1 when that does not fit.
int huffman_decode(const struct huffman *huffman, const unsigned char *bytes, size_t length, unsigned char *to, size_t count);

// The same from four streams at once, each of `count` symbols but the last, of which there are `last`.
int huffman_decode4(const struct huffman *huffman, const unsigned char *bytes, const size_t lengths[4], unsigned char *to, size_t count, size_t last);
#endif
