// See lzma2.h. The LZMA part reads whole chunks from memory: that a chunk lies about its size is noticed
// after each match at the latest, because zeros lie behind it.
#include "lzma2.h"
#include "fail.h"
#include <stdlib.h>
#include <string.h>

enum {
	CHUNK = 64 << 10,
	// One symbol takes at most this many bytes of a chunk.
	SYMBOL = 32,
	STATES = 12,
	POSITIONS = 16,
	LITERAL = 0x300,
};

typedef uint16_t probability;

struct lengths {
	probability choice, choice2, low[POSITIONS][8], middle[POSITIONS][8], high[256];
};

struct lzma {
	uint32_t distances[4];
	unsigned state, literal_context, literal_position_mask, position_mask;
	struct probabilities {
		probability is_match[STATES][POSITIONS], is_repeat[STATES], is_repeat0[STATES], is_repeat1[STATES], is_repeat2[STATES];
		probability is_long_repeat0[STATES][POSITIONS], slots[4][64], special[128], align[16];
		struct lengths match, repeat;
		probability literals[16][LITERAL];
	} p;
	unsigned char chunk[CHUNK + SYMBOL];
};
static struct lzma *lzma;

int lzma2_prepare(void)
{
	lzma = calloc(1, sizeof *lzma);
	return lzma ? 0 : fail_errno("allocate", NULL);
}

static void reset_state(void)
{
	memset(lzma->distances, 0, sizeof lzma->distances);
	lzma->state = 0;
	probability *all = (probability *)&lzma->p;
	for (size_t i = 0; i < sizeof lzma->p / sizeof *all; i++) all[i] = 1024;
}

static int set_properties(int properties)
{
	if (properties < 0 || properties >= 9 * 5 * 5) return decode_corrupt("its properties are wrong");
	unsigned literal_position = (unsigned)properties / 9 % 5, position = (unsigned)properties / 45;
	lzma->literal_context = (unsigned)properties % 9;
	if (lzma->literal_context + literal_position > 4) return decode_corrupt("its properties are wrong");
	lzma->literal_position_mask = (1u << literal_position) - 1;
	lzma->position_mask = (1u << position) - 1;
	return 0;
}

// The range coder, in local variables where it matters.
struct coder {
	uint32_t range, code;
	const unsigned char *at;
};

static inline void normalize(struct coder *rc)
{
	if (rc->range >= 1u << 24) return;
	rc->range <<= 8;
	rc->code = rc->code << 8 | *rc->at++;
}

static inline unsigned decode_bit(struct coder *rc, probability *p)
{
	normalize(rc);
	uint32_t bound = (rc->range >> 11) * *p;
	if (rc->code < bound) {
		rc->range = bound;
		*p = (probability)(*p + ((2048 - *p) >> 5));
		return 0;
	}
	rc->range -= bound;
	rc->code -= bound;
	*p = (probability)(*p - (*p >> 5));
	return 1;
}

static inline unsigned decode_tree(struct coder *rc, probability *p, unsigned bits)
{
	unsigned node = 1;
	for (unsigned i = 0; i < bits; i++) node = node << 1 | decode_bit(rc, p + node);
	return node - (1u << bits);
}

static inline unsigned decode_reversed(struct coder *rc, probability *p, unsigned bits)
{
	unsigned node = 1, value = 0;
	for (unsigned i = 0; i < bits; i++) {
		unsigned bit = decode_bit(rc, p + node);
		node = node << 1 | bit;
		value |= bit << i;
	}
	return value;
}

static inline unsigned decode_length(struct coder *rc, struct lengths *p, unsigned position)
{
	if (!decode_bit(rc, &p->choice)) return 2 + decode_tree(rc, p->low[position], 3);
	if (!decode_bit(rc, &p->choice2)) return 10 + decode_tree(rc, p->middle[position], 3);
	return 18 + decode_tree(rc, p->high, 8);
}

// Zero-based.
static inline uint32_t decode_distance(struct coder *rc, struct lzma *z, unsigned length)
{
	unsigned slot = decode_tree(rc, z->p.slots[length < 6 ? length - 2 : 3], 6);
	if (slot < 4) return slot;
	unsigned bits = (slot >> 1) - 1;
	uint32_t distance = (2 | (slot & 1)) << bits;
	if (slot < 14) return distance + decode_reversed(rc, z->p.special + distance - slot, bits);
	uint32_t direct = 0;
	for (unsigned i = 0; i < bits - 4; i++) {
		normalize(rc);
		rc->range >>= 1;
		rc->code -= rc->range;
		uint32_t below = 0 - (rc->code >> 31);
		rc->code += rc->range & below;
		direct = (direct << 1) + (below + 1);
	}
	return distance + (direct << 4) + decode_reversed(rc, z->p.align, 4);
}

static inline unsigned char decode_literal(struct coder *rc, probability *p, unsigned state, const unsigned char *at, uint32_t distance)
{
	unsigned node = 1;
	if (state >= 7) {
		unsigned match = at[-(ptrdiff_t)distance - 1], offset = 0x100;
		// From the first bit that differs on, `offset` is zero: what the match says means nothing any more.
		do {
			match <<= 1;
			unsigned wanted = match & offset, bit = decode_bit(rc, p + offset + wanted + node);
			node = node << 1 | bit;
			offset &= bit ? wanted : ~wanted;
		} while (node < 0x100);
		return (unsigned char)node;
	}
	while (node < 0x100) node = node << 1 | decode_bit(rc, p + node);
	return (unsigned char)node;
}

static inline void copy_match(unsigned char *to, size_t distance, unsigned length)
{
	const unsigned char *from = to - distance;
	if (distance >= 8) {
		// May write a few bytes too many, which what comes next overwrites; the window has room for them.
		for (unsigned done = 0; done < length; done += 8) memcpy(to + done, from + done, 8);
	} else if (distance == 1) {
		memset(to, *from, length);
	} else {
		while (length-- > 0) *to++ = *from++;
	}
}

// One of the last four distances comes first again.
static inline void repeat_distance(struct coder *rc, struct lzma *z, unsigned state)
{
	unsigned which = 1;
	if (decode_bit(rc, &z->p.is_repeat1[state])) which = 2 + decode_bit(rc, &z->p.is_repeat2[state]);
	uint32_t distance = z->distances[which];
	memmove(z->distances + 1, z->distances, which * sizeof *z->distances);
	z->distances[0] = distance;
}

// `length` plain bytes from a chunk of `packed` ones, into the window, which has room.
static int decode_chunk(struct window *window, size_t packed, size_t length)
{
	struct lzma *const z = lzma;
	struct coder coder = { UINT32_MAX, 0, z->chunk + 5 }, *const rc = &coder;
	for (int i = 1; i < 5; i++) rc->code = rc->code << 8 | z->chunk[i];
	const unsigned char *limit = z->chunk + packed;
	unsigned char *const base = window->base, *at = base + window->position, *const end = at + length;
	const size_t start = window->start;
	unsigned state = z->state;
	while (at < end) {
		if (rc->at > limit) return decode_corrupt("a chunk is wrong");
		size_t done = (size_t)(at - base), history = done - start;
		unsigned position = (unsigned)done & z->position_mask;
		if (!decode_bit(rc, &z->p.is_match[state][position])) {
			unsigned before = history > 0 ? at[-1] : 0, context = z->literal_context;
			unsigned set = (((unsigned)done & z->literal_position_mask) << context) + (before >> (8 - context));
			if (state >= 7 && z->distances[0] >= history) return decode_corrupt("a match is wrong");
			*at = decode_literal(rc, z->p.literals[set], state, at, z->distances[0]);
			at++;
			state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
			continue;
		}
		unsigned match;
		if (!decode_bit(rc, &z->p.is_repeat[state])) {
			memmove(z->distances + 1, z->distances, 3 * sizeof *z->distances);
			match = decode_length(rc, &z->p.match, position);
			z->distances[0] = decode_distance(rc, z, match);
			state = state < 7 ? 7 : 10;
		} else {
			bool is_latest = !decode_bit(rc, &z->p.is_repeat0[state]);
			if (is_latest && !decode_bit(rc, &z->p.is_long_repeat0[state][position])) {
				match = 1;
				state = state < 7 ? 9 : 11;
			} else {
				if (!is_latest) repeat_distance(rc, z, state);
				match = decode_length(rc, &z->p.repeat, position);
				state = state < 7 ? 8 : 11;
			}
		}
		uint32_t distance = z->distances[0];
		if (distance >= history || match > (size_t)(end - at)) return decode_corrupt("a match is wrong");
		copy_match(at, (size_t)distance + 1, match);
		at += match;
	}
	normalize(rc);
	if (rc->at != limit || rc->code != 0) return decode_corrupt("a chunk is wrong");
	z->state = state;
	window->position += length;
	return 0;
}

static int plain_chunk(struct decoder *decoder, size_t length)
{
	struct window *window = &decoder->window;
	if (!input_read(&decoder->input, window->base + window->position, length)) return decode_cut_off(&decoder->input);
	window->position += length;
	return 0;
}

int lzma2_decode(struct decoder *decoder, uint64_t *taken)
{
	struct input *input = &decoder->input;
	struct window *window = &decoder->window;
	bool needs_reset = true, needs_properties = true;
	for (;;) {
		unsigned char head[5];
		if (!input_read(input, head, 1)) return decode_cut_off(input);
		++*taken;
		unsigned control = head[0];
		if (control == 0) return window_flush(window);
		if (control >= 0xe0 || control == 1) {
			needs_properties = true;
			needs_reset = false;
			if (window_flush(window) < 0) return -1;
			window_reset(window, window->size);
		} else if (needs_reset || (control > 2 && control < 0x80)) {
			return decode_corrupt("a chunk is wrong");
		}
		size_t sizes = control < 0x80 ? 2 : 4;
		if (!input_read(input, head, sizes)) return decode_cut_off(input);
		*taken += sizes;
		size_t length = (size_t)(head[0] << 8 | head[1]) + 1;
		if (control >= 0x80) length += (size_t)(control & 0x1f) << 16;
		if (window_room(window, length) < 0) return -1;
		if (control < 0x80) {
			if (plain_chunk(decoder, length) < 0) return -1;
			*taken += length;
			continue;
		}
		size_t packed = (size_t)(head[2] << 8 | head[3]) + 1;
		if (control >= 0xc0) {
			if (!input_read(input, head, 1)) return decode_cut_off(input);
			++*taken;
			if (set_properties(head[0]) < 0) return -1;
			needs_properties = false;
		} else if (needs_properties) {
			return decode_corrupt("a chunk is wrong");
		}
		if (control >= 0xa0) reset_state();
		if (!input_read(input, lzma->chunk, packed)) return decode_cut_off(input);
		*taken += packed;
		if (packed < 5 || decode_chunk(window, packed, length) < 0) return decode_corrupt("a chunk is wrong");
	}
}
