// zstd (RFC 8878): frames of blocks of literals and of sequences that say how to put them together.
#include "checksum.h"
#include "decode.h"
#include "fail.h"
#include "zstd-entropy.h"
#include <stdlib.h>

enum {
	MOST_BLOCK = 128 << 10,
	MOST_LENGTH_CODE = 35,
	MOST_MATCH_CODE = 52,
	MOST_OFFSET_CODE = 31,
	PLAIN_BLOCK = 0,
	REPEATED_BYTE = 1,
	COMPRESSED_BLOCK = 2,
};

struct zstd {
	struct xxh64 hash;
	uint64_t length;
	bool has_checksum;
	// What a block may take over from the one before.
	struct huffman huffman;
	bool has_huffman;
	struct fse tables[3];
	bool has_table[3];
	size_t offsets[3];
	unsigned char block[BITS_PADDING + MOST_BLOCK + BITS_PADDING];
	unsigned char literals[MOST_BLOCK + BITS_PADDING];
	size_t literal_count;
};
static struct zstd *state;

int zstd_prepare(void)
{
	state = calloc(1, sizeof *state);
	return state ? 0 : fail_errno("allocate", NULL);
}

// In the order of the tables: literal lengths, offsets, match lengths.
static const struct kind {
	unsigned most_symbol, most_log, log, symbols;
	int16_t counts[64];
} kinds[3] = {
	{ MOST_LENGTH_CODE, 9, 6, 36, { 4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1 } },
	{ MOST_OFFSET_CODE, 8, 5, 29, { 1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1 } },
	{ MOST_MATCH_CODE, 9, 6, 53, { 1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1 } },
};

struct length_code {
	uint32_t base;
	unsigned char bits;
};

static const struct length_code literal_lengths[MOST_LENGTH_CODE + 1] = {
	{ 0, 0 }, { 1, 0 }, { 2, 0 }, { 3, 0 }, { 4, 0 }, { 5, 0 }, { 6, 0 }, { 7, 0 }, { 8, 0 }, { 9, 0 }, { 10, 0 }, { 11, 0 },
	{ 12, 0 }, { 13, 0 }, { 14, 0 }, { 15, 0 }, { 16, 1 }, { 18, 1 }, { 20, 1 }, { 22, 1 }, { 24, 2 }, { 28, 2 }, { 32, 3 }, { 40, 3 },
	{ 48, 4 }, { 64, 6 }, { 128, 7 }, { 256, 8 }, { 512, 9 }, { 1024, 10 }, { 2048, 11 }, { 4096, 12 }, { 8192, 13 }, { 16384, 14 }, { 32768, 15 }, { 65536, 16 },
};

static const struct length_code match_lengths[MOST_MATCH_CODE + 1] = {
	{ 3, 0 }, { 4, 0 }, { 5, 0 }, { 6, 0 }, { 7, 0 }, { 8, 0 }, { 9, 0 }, { 10, 0 }, { 11, 0 }, { 12, 0 }, { 13, 0 }, { 14, 0 }, { 15, 0 }, { 16, 0 },
	{ 17, 0 }, { 18, 0 }, { 19, 0 }, { 20, 0 }, { 21, 0 }, { 22, 0 }, { 23, 0 }, { 24, 0 }, { 25, 0 }, { 26, 0 }, { 27, 0 }, { 28, 0 }, { 29, 0 }, { 30, 0 },
	{ 31, 0 }, { 32, 0 }, { 33, 0 }, { 34, 0 }, { 35, 1 }, { 37, 1 }, { 39, 1 }, { 41, 1 }, { 43, 2 }, { 47, 2 }, { 51, 3 }, { 59, 3 },
	{ 67, 4 }, { 83, 4 }, { 99, 5 }, { 131, 7 }, { 259, 8 }, { 515, 9 }, { 1027, 10 }, { 2051, 11 }, { 4099, 12 }, { 8195, 13 }, { 16387, 14 }, { 32771, 15 }, { 65539, 16 },
};

static int sink(void *at, const unsigned char *bytes, size_t length)
{
	struct zstd *z = at;
	z->length += length;
	if (z->has_checksum) xxh64_update(&z->hash, bytes, length);
	return output_write(bytes, length);
}

static uint64_t little(const unsigned char *bytes, size_t length)
{
	uint64_t value = 0;
	for (size_t i = 0; i < length; i++) value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

// Literals that Huffman codes stand for. Returns 0, or -1 when the block is wrong.
static int read_coded_literals(struct zstd *z, const unsigned char *at, size_t packed, unsigned streams, bool has_tree)
{
	const unsigned char *end = at + packed;
	if (has_tree) {
		ptrdiff_t used = huffman_read(&z->huffman, at, packed);
		if (used < 0) return -1;
		at += used;
		z->has_huffman = true;
	}
	if (!z->has_huffman) return -1;
	size_t count = z->literal_count, left = (size_t)(end - at);
	if (streams == 1) return huffman_decode(&z->huffman, at, left, z->literals, count);
	size_t lengths[4], quarter = (count + 3) / 4;
	if (left < 10 || count < 6) return -1;
	left -= 6;
	for (int i = 0; i < 3; i++) {
		lengths[i] = (size_t)little(at + 2 * i, 2);
		if (lengths[i] > left) return -1;
		left -= lengths[i];
	}
	lengths[3] = left;
	return huffman_decode4(&z->huffman, at + 6, lengths, z->literals, quarter, count - 3 * quarter);
}

// Returns the length of the section, or -1.
static ptrdiff_t read_literals(struct zstd *z, const unsigned char *at, size_t length)
{
	if (length == 0) return -1;
	unsigned kind = at[0] & 3, form = at[0] >> 2 & 3;
	uint64_t head = little(at, 5);
	if (kind < 2) {
		size_t header = form == 1 ? 2 : form == 3 ? 3 : 1;
		size_t count = (size_t)(header == 1 ? head >> 3 & 0x1f : header == 2 ? head >> 4 & 0xfff : head >> 4 & 0xfffff);
		size_t packed = kind == REPEATED_BYTE ? 1 : count;
		if (count > MOST_BLOCK || header + packed > length) return -1;
		if (kind == REPEATED_BYTE) memset(z->literals, at[header], count);
		else memcpy(z->literals, at + header, count);
		z->literal_count = count;
		return (ptrdiff_t)(header + packed);
	}
	unsigned width = form < 2 ? 10 : form == 2 ? 14 : 18;
	size_t header = form < 2 ? 3 : form == 2 ? 4 : 5;
	uint64_t mask = (1u << width) - 1;
	size_t count = (size_t)(head >> 4 & mask), packed = (size_t)(head >> (4 + width) & mask);
	if (count > MOST_BLOCK || header + packed > length) return -1;
	z->literal_count = count;
	if (read_coded_literals(z, at + header, packed, form == 0 ? 1 : 4, kind == 2) < 0) return -1;
	return (ptrdiff_t)(header + packed);
}

// One of the three tables of a block's sequences. Returns the length of its description, or -1.
static ptrdiff_t read_table(struct zstd *z, unsigned which, unsigned mode, const unsigned char *at, size_t length)
{
	const struct kind *kind = &kinds[which];
	struct fse *table = &z->tables[which];
	ptrdiff_t used = 0;
	switch (mode) {
	case 0:
		fse_build(table, kind->counts, kind->symbols, kind->log);
		break;
	case 1:
		if (length == 0 || at[0] > kind->most_symbol) return -1;
		fse_single(table, at[0]);
		used = 1;
		break;
	case 2:
		used = fse_read(table, at, length, kind->most_symbol, kind->most_log);
		break;
	default:
		if (!z->has_table[which]) return -1;
	}
	z->has_table[which] = used >= 0;
	return used;
}

// What `value` means as an offset: three numbers stand for the latest offsets, others for new ones. 0: nothing.
static inline size_t resolve_offset(size_t offsets[3], uint64_t value, bool has_literals)
{
	size_t offset;
	if (value > 3) {
		offset = (size_t)value - 3;
	} else {
		unsigned which = (unsigned)value - (has_literals ? 1 : 0);
		if (which == 0) return offsets[0];
		offset = which == 3 ? offsets[0] - 1 : offsets[which];
		if (which == 1) {
			offsets[1] = offsets[0];
			return offsets[0] = offset;
		}
	}
	offsets[2] = offsets[1];
	offsets[1] = offsets[0];
	return offsets[0] = offset;
}

// Copies may write up to 15 bytes too many: what comes next overwrites them.
static inline void copy_literals(unsigned char *to, const unsigned char *from, size_t length)
{
	size_t done = 0;
	do memcpy(to + done, from + done, 16);
	while ((done += 16) < length);
}

static inline void copy_match(unsigned char *to, size_t offset, size_t length)
{
	const unsigned char *from = to - offset;
	if (offset >= 16) {
		copy_literals(to, from, length);
	} else if (offset >= 8) {
		for (size_t done = 0; done < length; done += 8) memcpy(to + done, from + done, 8);
	} else if (offset == 1) {
		memset(to, *from, length);
	} else {
		while (length-- > 0) *to++ = *from++;
	}
}

// Puts the block together at the window's position. Returns its plain length, or -1.
static ptrdiff_t run_sequences(struct zstd *z, struct window *window, struct bits bits, unsigned count)
{
	unsigned char *const start = window->base + window->start, *const first = window->base + window->position;
	unsigned char *to = first, *const end = first + MOST_BLOCK;
	const unsigned char *literal = z->literals, *const literal_end = literal + z->literal_count;
	const struct fse_entry *lengths = z->tables[0].entries, *offsets = z->tables[1].entries, *matches = z->tables[2].entries;
	struct fse_entry length = { 0 }, offset = { 0 }, match = { 0 };
	if (count > 0) {
		length = lengths[bits_take(&bits, z->tables[0].log)];
		offset = offsets[bits_take(&bits, z->tables[1].log)];
		match = matches[bits_take(&bits, z->tables[2].log)];
	}
	for (unsigned i = 0; i < count; i++) {
		uint64_t value = ((uint64_t)1 << offset.symbol) + bits_take(&bits, offset.symbol);
		struct length_code match_code = match_lengths[match.symbol], literal_code = literal_lengths[length.symbol];
		size_t match_length = match_code.base + bits_take(&bits, match_code.bits);
		size_t literal_length = literal_code.base + bits_take(&bits, literal_code.bits);
		if (i + 1 < count) {
			length = lengths[length.base + bits_take(&bits, length.bits)];
			match = matches[match.base + bits_take(&bits, match.bits)];
			offset = offsets[offset.base + bits_take(&bits, offset.bits)];
		}
		size_t distance = resolve_offset(z->offsets, value, literal_length > 0);
		if (bits.left < 0 || literal_length > (size_t)(literal_end - literal) || literal_length + match_length > (size_t)(end - to)) return -1;
		copy_literals(to, literal, literal_length);
		literal += literal_length;
		to += literal_length;
		if (distance == 0 || distance > (size_t)(to - start)) return -1;
		copy_match(to, distance, match_length);
		to += match_length;
	}
	size_t rest = (size_t)(literal_end - literal);
	if ((count > 0 && bits.left != 0) || rest > (size_t)(end - to)) return -1;
	memcpy(to, literal, rest);
	return to + rest - first;
}

// Returns the plain length, or -1.
static ptrdiff_t read_compressed(struct zstd *z, struct window *window, const unsigned char *at, size_t length)
{
	const unsigned char *end = at + length;
	ptrdiff_t used = read_literals(z, at, length);
	if (used < 0) return -1;
	at += used;
	if (at == end) return -1;
	unsigned count = *at++;
	struct bits bits = { 0 };
	if (count >= 128) {
		if (end - at < (count == 255 ? 2 : 1)) return -1;
		if (count == 255) {
			count = (unsigned)little(at, 2) + 0x7f00;
			at += 2;
		} else {
			count = (count - 128) << 8 | *at++;
		}
	}
	if (count == 0) return at == end ? run_sequences(z, window, bits, 0) : -1;
	if (at == end) return -1;
	unsigned modes = *at++;
	if (modes & 3) return -1;
	for (unsigned which = 0; which < 3; which++) {
		used = read_table(z, which, modes >> (6 - 2 * which) & 3, at, (size_t)(end - at));
		if (used < 0) return -1;
		at += used;
	}
	if (bits_start(&bits, at, (size_t)(end - at)) < 0) return -1;
	return run_sequences(z, window, bits, count);
}

static int read_block(struct decoder *decoder, uint32_t header)
{
	struct zstd *z = state;
	struct window *window = &decoder->window;
	struct input *input = &decoder->input;
	size_t size = header >> 3, packed = (header >> 1 & 3) == REPEATED_BYTE ? 1 : size;
	unsigned char *block = z->block + BITS_PADDING;
	if (size > MOST_BLOCK) return decode_corrupt("a block is too long");
	if (window_room(window, MOST_BLOCK) < 0) return -1;
	unsigned char *to = window->base + window->position;
	ptrdiff_t length = (ptrdiff_t)size;
	switch (header >> 1 & 3) {
	case PLAIN_BLOCK:
		if (!input_read(input, to, packed)) return decode_cut_off(input);
		break;
	case REPEATED_BYTE:
		if (!input_read(input, block, 1)) return decode_cut_off(input);
		memset(to, block[0], size);
		break;
	case COMPRESSED_BLOCK:
		if (!input_read(input, block, packed)) return decode_cut_off(input);
		length = read_compressed(z, window, block, packed);
		if (length < 0) return decode_corrupt("a block is wrong");
		break;
	default:
		return decode_corrupt("a block is wrong");
	}
	window->position += (size_t)length;
	return 0;
}

static int read_blocks(struct decoder *decoder)
{
	for (;;) {
		unsigned char bytes[3];
		if (!input_read(&decoder->input, bytes, 3)) return decode_cut_off(&decoder->input);
		uint32_t header = (uint32_t)little(bytes, 3);
		if (read_block(decoder, header) < 0) return -1;
		if (header & 1) return window_flush(&decoder->window);
	}
}

static int read_frame(struct decoder *decoder)
{
	struct zstd *z = state;
	struct input *input = &decoder->input;
	unsigned char bytes[14];
	if (!input_read(input, bytes, 1)) return decode_cut_off(input);
	unsigned flags = bytes[0];
	bool is_single = flags & 0x20;
	size_t window = is_single ? 0 : 1, dictionary = (size_t[]){ 0, 1, 2, 4 }[flags & 3];
	size_t content = (size_t[]){ is_single ? 1 : 0, 2, 4, 8 }[flags >> 6];
	if (flags & 8) return decode_unsupported("it uses what is not known of zstd");
	if (!input_read(input, bytes, window + dictionary + content)) return decode_cut_off(input);
	if (little(bytes + window, dictionary) != 0) return decode_unsupported("it was compressed with a dictionary");
	uint64_t length = little(bytes + window + dictionary, content) + (content == 2 ? 256 : 0), size = length;
	if (!is_single) {
		size = (uint64_t)1 << (10 + (bytes[0] >> 3));
		size += size / 8 * (bytes[0] & 7);
	}
	if (size > DECODE_MAX_WINDOW) return decode_unsupported("it needs a window of more than 512 MiB");
	window_reset(&decoder->window, (size_t)size);
	decoder->window.sink = sink;
	decoder->window.state = z;
	z->has_checksum = flags & 4;
	z->has_huffman = z->has_table[0] = z->has_table[1] = z->has_table[2] = false;
	z->length = 0;
	z->offsets[0] = 1;
	z->offsets[1] = 4;
	z->offsets[2] = 8;
	xxh64_start(&z->hash);
	if (read_blocks(decoder) < 0) return -1;
	if (content > 0 && z->length != length) return decode_corrupt("its size is not what its header says");
	if (!z->has_checksum) return 0;
	if (!input_read(input, bytes, 4)) return decode_cut_off(input);
	return little(bytes, 4) == (uint32_t)xxh64_end(&z->hash) ? 0 : decode_corrupt("a checksum is wrong");
}

static int skip_frame(struct input *input)
{
	unsigned char bytes[4];
	if (!input_read(input, bytes, 4)) return decode_cut_off(input);
	for (uint64_t left = little(bytes, 4); left > 0;) {
		if (input->at == input->end && !input_more(input)) return decode_cut_off(input);
		size_t part = input->end - input->at < left ? input->end - input->at : (size_t)left;
		input->at += part;
		left -= part;
	}
	return 0;
}

int zstd_decode(struct decoder *decoder)
{
	struct input *input = &decoder->input;
	for (bool first = true;; first = false) {
		if (!first && input->at == input->end && !input_more(input)) return input->failed ? decode_cut_off(input) : 0;
		unsigned char bytes[4];
		if (!input_read(input, bytes, 4)) return first ? decode_cut_off(input) : decode_trailing();
		uint32_t magic = (uint32_t)little(bytes, 4);
		if (magic == 0xfd2fb528) {
			if (read_frame(decoder) < 0) return -1;
		} else if ((magic & 0xfffffff0) == 0x184d2a50) {
			if (skip_frame(input) < 0) return -1;
		} else {
			return first ? decode_corrupt("its header is wrong") : decode_trailing();
		}
	}
}
