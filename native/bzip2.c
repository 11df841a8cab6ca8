// bzip2: Huffman-coded move-to-front positions of a Burrows–Wheeler transform of run-length-coded bytes.
#include "decode.h"
#include "fail.h"
#include <stdlib.h>
#include <string.h>

enum {
	MOST_BLOCK = 900000,
	GROUP = 50,
	MOST_SELECTORS = 18002,
	MOST_LENGTH = 20,
	FAST_BITS = 10,
	OUT = 128 << 10,
};

#define BLOCK_MAGIC 0x314159265359u
#define END_MAGIC 0x177245385090u

// A prefix code: codes of up to FAST_BITS bits by one look (symbol << 5 | length), longer ones by length.
struct code {
	uint16_t fast[1 << FAST_BITS];
	uint32_t limit[MOST_LENGTH + 2];
	int32_t offset[MOST_LENGTH + 2];
	uint16_t symbols[258];
};

struct bzip2 {
	struct input *input;
	uint64_t bits;
	unsigned bit_count;
	bool cut_off;
	struct code codes[6];
	unsigned char selectors[MOST_SELECTORS];
	uint32_t links[MOST_BLOCK];
	uint32_t crc_table[256];
	unsigned char out[OUT];
};
static struct bzip2 *state;

int bzip2_prepare(void)
{
	state = calloc(1, sizeof *state);
	if (!state) return fail_errno("allocate", NULL);
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte << 24;
		for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7u : 0);
		state->crc_table[byte] = crc;
	}
	return 0;
}

// Postcondition: 32 bits or more, zeros behind the end of the input.
static inline void need_bits(struct bzip2 *bz)
{
	while (bz->bit_count <= 56) {
		int byte = bz->input->at < bz->input->end ? bz->input->buffer[bz->input->at++] : input_byte(bz->input);
		// Behind the end come zeros; `drop_bits` notices when they are used.
		if (byte < 0) return;
		bz->bits |= (uint64_t)byte << (56 - bz->bit_count);
		bz->bit_count += 8;
	}
}

static inline void drop_bits(struct bzip2 *bz, unsigned count)
{
	if (count > bz->bit_count) {
		bz->cut_off = true;
		bz->bits = bz->bit_count = 0;
		return;
	}
	bz->bits <<= count;
	bz->bit_count -= count;
}

// 1 to 32 bits.
static uint32_t take_bits(struct bzip2 *bz, unsigned count)
{
	need_bits(bz);
	uint32_t value = (uint32_t)(bz->bits >> (64 - count));
	drop_bits(bz, count);
	return value;
}

static int make_code(struct code *code, const unsigned char *lengths, unsigned symbols)
{
	unsigned counts[MOST_LENGTH + 2] = { 0 }, next[MOST_LENGTH + 2], total = 0;
	for (unsigned i = 0; i < symbols; i++) counts[lengths[i]]++;
	uint32_t first = 0;
	memset(code->fast, 0, sizeof code->fast);
	for (unsigned length = 1; length <= MOST_LENGTH; length++) {
		next[length] = total;
		// Codes of this length are those from `first` on; `limit` is left-aligned to MOST_LENGTH bits.
		code->offset[length] = (int32_t)total - (int32_t)first;
		total += counts[length];
		first += counts[length];
		if (first > 1u << length) return decode_corrupt("a prefix code is oversubscribed");
		code->limit[length] = first << (MOST_LENGTH - length);
		first <<= 1;
	}
	code->limit[MOST_LENGTH + 1] = UINT32_MAX;
	for (unsigned i = 0; i < symbols; i++) {
		unsigned length = lengths[i], rank = next[length]++;
		code->symbols[rank] = (uint16_t)i;
		if (length > FAST_BITS) continue;
		uint32_t value = (uint32_t)((int32_t)rank - code->offset[length]) << (FAST_BITS - length);
		for (uint32_t j = 0; j < 1u << (FAST_BITS - length); j++) code->fast[value + j] = (uint16_t)(i << 5 | length);
	}
	return 0;
}

// The next symbol, or a number above every symbol when there is no such code.
static inline unsigned take_symbol(struct bzip2 *bz, const struct code *code)
{
	if (bz->bit_count < MOST_LENGTH) need_bits(bz);
	unsigned entry = code->fast[bz->bits >> (64 - FAST_BITS)];
	if (entry != 0) {
		drop_bits(bz, entry & 31);
		return entry >> 5;
	}
	uint32_t ahead = (uint32_t)(bz->bits >> (64 - MOST_LENGTH));
	unsigned length = FAST_BITS + 1;
	while (ahead >= code->limit[length]) length++;
	if (length > MOST_LENGTH) return UINT16_MAX;
	drop_bits(bz, length);
	return code->symbols[(int32_t)(ahead >> (MOST_LENGTH - length)) + code->offset[length]];
}

// Which bytes occur, in order. Returns how many, or -1.
static int read_alphabet(struct bzip2 *bz, unsigned char used[256])
{
	uint32_t rows = take_bits(bz, 16);
	int count = 0;
	for (unsigned row = 0; row < 16; row++) {
		if (!(rows >> (15 - row) & 1)) continue;
		uint32_t columns = take_bits(bz, 16);
		for (unsigned column = 0; column < 16; column++)
			if (columns >> (15 - column) & 1) used[count++] = (unsigned char)(16 * row + column);
	}
	return count > 0 ? count : decode_corrupt("a block has no alphabet");
}

// The codes and which group of symbols uses which. Returns how many selectors, or -1.
static int read_codes(struct bzip2 *bz, unsigned symbols)
{
	unsigned codes = take_bits(bz, 3), selectors = take_bits(bz, 15);
	if (codes < 2 || codes > 6 || selectors == 0) return decode_corrupt("the number of prefix codes is wrong");
	unsigned char order[6] = { 0, 1, 2, 3, 4, 5 };
	for (unsigned i = 0; i < selectors; i++) {
		unsigned place = 0;
		while (take_bits(bz, 1)) if (++place >= codes) return decode_corrupt("a selector is wrong");
		unsigned char chosen = order[place];
		memmove(order + 1, order, place);
		order[0] = chosen;
		// Some writers round their number up; no block has use for more.
		if (i < MOST_SELECTORS) bz->selectors[i] = chosen;
	}
	for (unsigned i = 0; i < codes; i++) {
		unsigned char lengths[258];
		unsigned length = take_bits(bz, 5);
		for (unsigned symbol = 0; symbol < symbols; symbol++) {
			for (;;) {
				if (length < 1 || length > MOST_LENGTH) return decode_corrupt("the length of a prefix code is wrong");
				if (!take_bits(bz, 1)) break;
				length += take_bits(bz, 1) ? -1 : 1;
			}
			lengths[symbol] = (unsigned char)length;
		}
		if (make_code(&bz->codes[i], lengths, symbols) < 0) return -1;
	}
	return (int)(selectors < MOST_SELECTORS ? selectors : MOST_SELECTORS);
}

// The bytes of the block as the transform left them, in the low bytes of `links`. Returns how many, or -1.
static int read_block(struct bzip2 *bz, unsigned most, unsigned counts[256])
{
	unsigned char order[256];
	int alphabet = read_alphabet(bz, order);
	if (alphabet < 0) return -1;
	const unsigned end = (unsigned)alphabet + 1;
	int selectors = read_codes(bz, end + 1);
	if (selectors < 0) return -1;
	memset(counts, 0, 256 * sizeof *counts);
	unsigned length = 0, run = 0, run_bit = 1;
	for (int group = 0; group < selectors; group++) {
		const struct code *code = &bz->codes[bz->selectors[group]];
		for (unsigned i = 0; i < GROUP; i++) {
			unsigned symbol = take_symbol(bz, code);
			if (symbol <= 1) {
				// Digits of base 2 without a zero: how often the first byte comes.
				if (run_bit > 2 * MOST_BLOCK) return decode_corrupt("a run is too long");
				run += run_bit << symbol;
				run_bit <<= 1;
				continue;
			}
			if (run > 0) {
				if (run > most - length) return decode_corrupt("a block is too long");
				unsigned char byte = order[0];
				counts[byte] += run;
				while (run > 0) bz->links[length++] = byte, run--;
				run_bit = 1;
			}
			if (symbol == end) return bz->cut_off ? decode_cut_off(bz->input) : (int)length;
			if (symbol > end || length == most) return bz->cut_off ? decode_cut_off(bz->input) : decode_corrupt("a block is wrong");
			unsigned char byte = order[symbol - 1];
			memmove(order + 1, order, symbol - 1);
			order[0] = byte;
			counts[byte]++;
			bz->links[length++] = byte;
		}
		if (bz->cut_off) return decode_cut_off(bz->input);
	}
	return decode_corrupt("a block has no end");
}

// Undoes the transform and then the run-length code. Returns the checksum in `sum`; 0 or -1.
static int write_block(struct bzip2 *bz, unsigned length, unsigned origin, unsigned counts[256], uint32_t *sum)
{
	uint32_t *links = bz->links;
	unsigned total = 0;
	for (unsigned i = 0; i < 256; i++) {
		unsigned count = counts[i];
		counts[i] = total;
		total += count;
	}
	for (unsigned i = 0; i < length; i++) links[counts[links[i] & 0xff]++] |= i << 8;
	uint32_t crc = UINT32_MAX, at = links[origin] >> 8;
	unsigned used = 0, repeats = 0;
	int before = -1;
	for (unsigned i = 0; i < length; i++) {
		uint32_t link = links[at];
		unsigned char byte = (unsigned char)link;
		at = link >> 8;
		unsigned times = 1;
		if (repeats == 4) {
			// After four equal bytes comes how many more of them.
			times = byte;
			byte = (unsigned char)before;
			repeats = 0;
			before = -1;
		} else if (byte == before) {
			repeats++;
		} else {
			repeats = 1;
			before = byte;
		}
		if (used + 256 > OUT) {
			if (output_write(bz->out, used) < 0) return -1;
			used = 0;
		}
		for (; times > 0; times--) {
			bz->out[used++] = byte;
			crc = crc << 8 ^ bz->crc_table[crc >> 24 ^ byte];
		}
	}
	*sum = ~crc;
	return output_write(bz->out, used);
}

static int decode_block(struct bzip2 *bz, unsigned most, uint32_t *stream_sum)
{
	uint32_t expected = take_bits(bz, 32), sum;
	if (take_bits(bz, 1)) return decode_unsupported("it has randomised blocks, which only bzip2 before 1.0 wrote");
	unsigned origin = take_bits(bz, 24), counts[256];
	int length = read_block(bz, most, counts);
	if (length < 0) return -1;
	if (length == 0 || origin >= (unsigned)length) return decode_corrupt("a block is wrong");
	if (write_block(bz, (unsigned)length, origin, counts, &sum) < 0) return -1;
	if (sum != expected) return decode_corrupt("a checksum is wrong");
	*stream_sum = (*stream_sum << 1 | *stream_sum >> 31) ^ sum;
	return 0;
}

int bzip2_decode(struct decoder *decoder)
{
	struct bzip2 *bz = state;
	bz->input = &decoder->input;
	for (bool first = true;; first = false) {
		need_bits(bz);
		if (!first && bz->bit_count == 0) return bz->input->failed ? decode_cut_off(bz->input) : 0;
		uint32_t magic = take_bits(bz, 32);
		unsigned level = (magic & 0xff) - '0';
		if (bz->cut_off || magic >> 8 != 0x425a68 || level < 1 || level > 9) {
			if (!first) return decode_trailing();
			return bz->cut_off ? decode_cut_off(bz->input) : decode_corrupt("its header is wrong");
		}
		uint32_t sum = 0;
		for (;;) {
			uint64_t start = (uint64_t)take_bits(bz, 24) << 24;
			start |= take_bits(bz, 24);
			if (bz->cut_off) return decode_cut_off(bz->input);
			if (start == END_MAGIC) break;
			if (start != BLOCK_MAGIC) return decode_corrupt("there is no block where one should be");
			if (decode_block(bz, level * 100000, &sum) < 0) return -1;
		}
		uint32_t expected = take_bits(bz, 32);
		if (bz->cut_off) return decode_cut_off(bz->input);
		if (sum != expected) return decode_corrupt("the checksum of all is wrong");
		drop_bits(bz, bz->bit_count % 8);
	}
}
