// See zstd-entropy.h.
#include "zstd-entropy.h"
#include <stdbool.h>

int bits_start(struct bits *bits, const unsigned char *bytes, size_t length)
{
	if (length == 0 || bytes[length - 1] == 0) return -1;
	bits->bytes = bytes;
	bits->left = (ptrdiff_t)length * 8 - __builtin_clz(bytes[length - 1]) + 23;
	return 0;
}

void fse_single(struct fse *fse, unsigned char symbol)
{
	fse->log = 0;
	fse->entries[0] = (struct fse_entry){ .symbol = symbol };
}

void fse_build(struct fse *fse, const int16_t *counts, unsigned symbols, unsigned log)
{
	unsigned size = 1u << log, high = size, step = (size >> 1) + (size >> 3) + 3, position = 0;
	uint16_t next[256];
	fse->log = log;
	for (unsigned symbol = 0; symbol < symbols; symbol++) {
		next[symbol] = (uint16_t)(counts[symbol] < 0 ? 1 : counts[symbol]);
		if (counts[symbol] < 0) fse->entries[--high].symbol = (unsigned char)symbol;
	}
	for (unsigned symbol = 0; symbol < symbols; symbol++) {
		for (int i = 0; i < counts[symbol]; i++) {
			fse->entries[position].symbol = (unsigned char)symbol;
			do position = (position + step) & (size - 1);
			while (position >= high);
		}
	}
	for (unsigned i = 0; i < size; i++) {
		struct fse_entry *entry = &fse->entries[i];
		unsigned state = next[entry->symbol]++;
		entry->bits = (unsigned char)(log - (31 - (unsigned)__builtin_clz(state)));
		entry->base = (uint16_t)((state << entry->bits) - size);
	}
}

ptrdiff_t fse_read(struct fse *fse, const unsigned char *bytes, size_t length, unsigned most_symbol, unsigned most_log)
{
	int16_t counts[256];
	size_t at = 4;
	if (length == 0) return -1;
	unsigned log = (bytes[0] & 15) + 5, symbol = 0;
	if (log > most_log) return -1;
	int left = (1 << log) + 1, threshold = 1 << log;
	unsigned width = log + 1;
	while (left > 1) {
		if (symbol > most_symbol || at > length * 8) return -1;
		unsigned ahead = (unsigned)(load64(bytes + at / 8) >> at % 8);
		// The values that need not all their bits: how many there are follows from what is left.
		int spare = 2 * threshold - 1 - left, count;
		if ((int)(ahead & (unsigned)(threshold - 1)) < spare) {
			count = (int)(ahead & (unsigned)(threshold - 1));
			at += width - 1;
		} else {
			count = (int)(ahead & (unsigned)(2 * threshold - 1));
			if (count >= threshold) count -= spare;
			at += width;
		}
		count--;
		left -= count < 0 ? -count : count;
		if (left < 1) return -1;
		counts[symbol++] = (int16_t)count;
		for (; left < threshold; threshold >>= 1) width--;
		for (bool more = count == 0; more;) {
			if (at > length * 8) return -1;
			unsigned zeros = (unsigned)(load64(bytes + at / 8) >> at % 8) & 3;
			at += 2;
			if (symbol + zeros > most_symbol + 1) return -1;
			for (unsigned i = 0; i < zeros; i++) counts[symbol++] = 0;
			more = zeros == 3;
		}
	}
	size_t used = (at + 7) / 8;
	if (left != 1 || used > length) return -1;
	fse_build(fse, counts, symbol, log);
	return (ptrdiff_t)used;
}

// The weights of the symbols but the last, coded with two states by turns. Returns how many, or -1.
static int read_weights(const unsigned char *bytes, size_t length, unsigned char weights[255])
{
	struct fse fse;
	ptrdiff_t used = fse_read(&fse, bytes, length, 255, 6);
	struct bits bits;
	if (used < 0 || bits_start(&bits, bytes + used, length - (size_t)used) < 0) return -1;
	unsigned states[2];
	for (int i = 0; i < 2; i++) states[i] = (unsigned)bits_take(&bits, fse.log);
	if (bits.left < 0) return -1;
	for (int count = 0;; count++) {
		if (count == 254) return -1;
		const struct fse_entry *entry = &fse.entries[states[count % 2]];
		weights[count] = entry->symbol;
		// When the bits are used up the other state has one more to say.
		if (bits.left < entry->bits) {
			weights[count + 1] = fse.entries[states[(count + 1) % 2]].symbol;
			return count + 2;
		}
		states[count % 2] = entry->base + (unsigned)bits_take(&bits, entry->bits);
	}
}

static int build_huffman(struct huffman *huffman, unsigned char *weights, unsigned count)
{
	unsigned total = 0, starts[HUFFMAN_MOST_BITS + 2] = { 0 };
	for (unsigned i = 0; i < count; i++) {
		if (weights[i] > HUFFMAN_MOST_BITS) return -1;
		total += weights[i] ? 1u << (weights[i] - 1) : 0;
	}
	if (total == 0) return -1;
	// The last weight is what fills the table up to a power of two.
	unsigned bits = 32 - (unsigned)__builtin_clz(total), rest = (1u << bits) - total;
	if (bits > HUFFMAN_MOST_BITS || (rest & (rest - 1)) != 0) return -1;
	weights[count++] = (unsigned char)(32 - __builtin_clz(rest));
	for (unsigned i = 0; i < count; i++)
		if (weights[i]) starts[weights[i] + 1] += 1u << (weights[i] - 1);
	for (unsigned weight = 1; weight <= HUFFMAN_MOST_BITS; weight++) starts[weight + 1] += starts[weight];
	for (unsigned i = 0; i < count; i++) {
		if (!weights[i]) continue;
		unsigned entries = 1u << (weights[i] - 1);
		struct huffman_entry entry = { (unsigned char)i, (unsigned char)(bits + 1 - weights[i]) };
		for (unsigned j = 0; j < entries; j++) huffman->entries[starts[weights[i]]++] = entry;
	}
	huffman->bits = bits;
	return 0;
}

ptrdiff_t huffman_read(struct huffman *huffman, const unsigned char *bytes, size_t length)
{
	unsigned char weights[256];
	if (length == 0) return -1;
	unsigned head = bytes[0], count;
	size_t used;
	if (head < 128) {
		used = 1 + head;
		if (used > length) return -1;
		int found = read_weights(bytes + 1, head, weights);
		if (found < 0) return -1;
		count = (unsigned)found;
	} else {
		count = head - 127;
		used = 1 + (count + 1) / 2;
		if (used > length) return -1;
		for (unsigned i = 0; i < count; i++) weights[i] = bytes[1 + i / 2] >> (i % 2 ? 0 : 4) & 15;
	}
	return build_huffman(huffman, weights, count) < 0 ? -1 : (ptrdiff_t)used;
}

// The next bits, from the top; at least 56 of them count.
static inline uint64_t look_ahead(const struct bits *bits)
{
	return load64(bits->bytes + (bits->left >> 3) - 7) << (8 - (bits->left & 7));
}

static inline unsigned char take_symbol(const struct huffman_entry *entries, unsigned shift, uint64_t *ahead, unsigned *used)
{
	struct huffman_entry entry = entries[*ahead >> shift];
	*ahead <<= entry.bits;
	*used += entry.bits;
	return entry.symbol;
}

static int decode_rest(const struct huffman *huffman, struct bits *bits, unsigned char *to, const unsigned char *end)
{
	while (to < end) {
		uint64_t ahead = look_ahead(bits);
		unsigned used = 0;
		for (int i = 0; i < 5 && to < end; i++) *to++ = take_symbol(huffman->entries, 64 - huffman->bits, &ahead, &used);
		bits->left -= used;
		if (bits->left < 0) return -1;
	}
	return bits->left == 0 ? 0 : -1;
}

int huffman_decode(const struct huffman *huffman, const unsigned char *bytes, size_t length, unsigned char *to, size_t count)
{
	struct bits bits;
	if (bits_start(&bits, bytes, length) < 0) return -1;
	return decode_rest(huffman, &bits, to, to + count);
}

int huffman_decode4(const struct huffman *huffman, const unsigned char *bytes, const size_t lengths[4], unsigned char *to, size_t count, size_t last)
{
	struct bits bits[4];
	unsigned char *at[4];
	for (int i = 0; i < 4; i++) {
		if (bits_start(&bits[i], bytes, lengths[i]) < 0) return -1;
		bytes += lengths[i];
		at[i] = to + (size_t)i * count;
	}
	const struct huffman_entry *entries = huffman->entries;
	const unsigned shift = 64 - huffman->bits;
	for (size_t left = last; left >= 5; left -= 5) {
		uint64_t ahead[4];
		unsigned used[4] = { 0 };
		for (int i = 0; i < 4; i++) ahead[i] = look_ahead(&bits[i]);
		for (int j = 0; j < 5; j++)
			for (int i = 0; i < 4; i++) at[i][j] = take_symbol(entries, shift, &ahead[i], &used[i]);
		bool is_over = false;
		for (int i = 0; i < 4; i++) {
			at[i] += 5;
			bits[i].left -= used[i];
			is_over |= bits[i].left < 0;
		}
		if (is_over) return -1;
	}
	for (size_t i = 0; i < 4; i++)
		if (decode_rest(huffman, &bits[i], at[i], to + i * count + (i < 3 ? count : last)) < 0) return -1;
	return 0;
}
