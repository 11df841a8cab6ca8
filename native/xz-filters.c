// See xz-filters.h. In code, targets of calls are absolute after filtering; each kind finds its processor's
// calls and makes them relative again.
#include "xz-filters.h"
#include "decode.h"
#include <string.h>

enum { DELTA = 3, X86 = 4, POWERPC = 5, ARM = 7, ARM_THUMB = 8, SPARC = 9, ARM64 = 10 };

int filter_start(struct filter *filter, uint64_t kind, const unsigned char *properties, size_t length)
{
	memset(filter, 0, offsetof(struct filter, pending));
	filter->length = 0;
	filter->kind = kind;
	if (kind == DELTA) {
		if (length != 1) return decode_corrupt("the properties of a filter are wrong");
		filter->distance = properties[0] + 1u;
		return 0;
	}
	if (kind != X86 && kind != POWERPC && kind != ARM && kind != ARM_THUMB && kind != SPARC && kind != ARM64)
		return decode_unsupported("it uses a filter that is not known");
	if (length != 0 && length != 4) return decode_corrupt("the properties of a filter are wrong");
	for (size_t i = 0; i < length; i++) filter->address |= (uint32_t)properties[i] << 8 * i;
	return 0;
}

static size_t undo_delta(struct filter *filter)
{
	for (size_t i = 0; i < filter->length; i++) {
		unsigned at = filter->address++ & 0xff;
		filter->pending[i] = (unsigned char)(filter->pending[i] + filter->history[(at - filter->distance) & 0xff]);
		filter->history[at] = filter->pending[i];
	}
	return filter->length;
}

static uint32_t big32(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t little32(const unsigned char *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void put_big32(unsigned char *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void put_little32(unsigned char *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(value >> 8 * i);
}

// Kinds whose instructions are whole words.
static size_t undo_words(struct filter *filter)
{
	size_t i = 0;
	for (; i + 4 <= filter->length; i += 4) {
		unsigned char *bytes = filter->pending + i;
		uint32_t address = filter->address + (uint32_t)i, word;
		switch (filter->kind) {
		case POWERPC:
			word = big32(bytes);
			if ((word & 0xfc000003) == 0x48000001) put_big32(bytes, 0x48000001 | ((word - address) & 0x03fffffc));
			break;
		case ARM:
			if (bytes[3] == 0xeb) {
				word = ((little32(bytes) & 0xffffff) << 2) - address - 8;
				put_little32(bytes, 0xeb000000 | (word >> 2 & 0xffffff));
			}
			break;
		case SPARC:
			word = big32(bytes);
			if (word >> 22 == 0x100 || word >> 22 == 0x1ff) {
				word = ((word << 2) - address) >> 2;
				put_big32(bytes, ((0x40000000 - (word & 0x400000)) | 0x40000000 | (word & 0x3fffff)));
			}
			break;
		default: // ARM64
			word = little32(bytes);
			if (word >> 26 == 0x25) {
				put_little32(bytes, 0x94000000 | ((word - (address >> 2)) & 0x03ffffff));
			} else if ((word & 0x9f000000) == 0x90000000) {
				uint32_t page = (word >> 29 & 3) | (word >> 3 & 0x1ffffc);
				// Only near targets were changed: others would not have come back the same.
				if ((page + 0x020000) & 0x1c0000) break;
				uint32_t target = page - (address >> 12);
				word = (word & 0x9000001f) | (target & 3) << 29 | (target & 0x03fffc) << 3 | ((0u - (target & 0x020000)) & 0xe00000);
				put_little32(bytes, word);
			}
		}
	}
	return i;
}

static size_t undo_thumb(struct filter *filter)
{
	size_t i = 0;
	for (; i + 4 <= filter->length; i += 2) {
		unsigned char *bytes = filter->pending + i;
		if ((bytes[1] & 0xf8) != 0xf0 || (bytes[3] & 0xf8) != 0xf8) continue;
		uint32_t target = ((uint32_t)bytes[1] & 7) << 19 | (uint32_t)bytes[0] << 11 | ((uint32_t)bytes[3] & 7) << 8 | bytes[2];
		target = ((target << 1) - (filter->address + (uint32_t)i + 4)) >> 1;
		bytes[1] = (unsigned char)(0xf0 | (target >> 19 & 7));
		bytes[0] = (unsigned char)(target >> 11);
		bytes[3] = (unsigned char)(0xf8 | (target >> 8 & 7));
		bytes[2] = (unsigned char)target;
		i += 2;
	}
	return i;
}

static int is_sign(unsigned char byte)
{
	return byte == 0 || byte == 0xff;
}

// Instructions have any length: what was seen as a call shortly before decides whether this can be one.
static size_t undo_x86(struct filter *filter)
{
	static const unsigned char allowed[8] = { 1, 1, 1, 0, 1, 0, 0, 0 }, bit_of[8] = { 0, 1, 2, 2, 3, 3, 3, 3 };
	unsigned char *bytes = filter->pending;
	if (filter->length <= 4) return 0;
	size_t most = filter->length - 4, previous = (size_t)-1, i;
	uint32_t mask = filter->previous_mask;
	for (i = 0; i < most; i++) {
		if ((bytes[i] & 0xfe) != 0xe8) continue;
		previous = i - previous;
		if (previous > 3) {
			mask = 0;
		} else {
			mask = (mask << (previous - 1)) & 7;
			if (mask != 0 && (!allowed[mask] || is_sign(bytes[i + 4 - bit_of[mask]]))) {
				previous = i;
				mask = mask << 1 | 1;
				continue;
			}
		}
		previous = i;
		if (!is_sign(bytes[i + 4])) {
			mask = mask << 1 | 1;
			continue;
		}
		uint32_t from = little32(bytes + i + 1), to;
		for (;;) {
			to = from - (filter->address + (uint32_t)i + 5);
			if (mask == 0) break;
			unsigned shift = bit_of[mask] * 8u;
			if (!is_sign((unsigned char)(to >> (24 - shift)))) break;
			from = to ^ ((1u << (32 - shift)) - 1);
		}
		to &= 0x01ffffff;
		to |= 0 - (to & 0x01000000);
		put_little32(bytes + i + 1, to);
		i += 4;
	}
	previous = i - previous;
	filter->previous_mask = previous > 3 ? 0 : mask << (previous - 1);
	return i;
}

size_t filter_apply(struct filter *filter)
{
	if (filter->kind == DELTA) return undo_delta(filter);
	size_t done = filter->kind == X86 ? undo_x86(filter) : filter->kind == ARM_THUMB ? undo_thumb(filter) : undo_words(filter);
	filter->address += (uint32_t)done;
	return done;
}
