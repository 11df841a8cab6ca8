// The xz container: streams of blocks, each with its filters and checksum, and an index that must agree.
#include "checksum.h"
#include "decode.h"
#include "fail.h"
#include "lzma2.h"
#include "xz-filters.h"
#include <stdlib.h>
#include <string.h>

enum { CHECK_NONE = 0, CHECK_CRC32 = 1, CHECK_CRC64 = 4, CHECK_SHA256 = 10, LZMA2 = 0x21 };

struct xz {
	struct decoder *decoder;
	unsigned check;
	uint32_t crc32;
	uint64_t crc64, length;
	struct sha256 sha256;
	unsigned filter_count;
	struct filter filters[FILTERS_MOST];
};
static struct xz *state;

int xz_prepare(void)
{
	checksum_prepare();
	state = calloc(1, sizeof *state);
	if (!state) return fail_errno("allocate", NULL);
	return lzma2_prepare();
}

// What of the blocks must be found again in the index, as sums and a checksum.
struct records {
	uint64_t count, packed, plain;
	uint32_t crc;
};

static void add_record(struct records *records, uint64_t packed, uint64_t plain)
{
	unsigned char bytes[16];
	for (int i = 0; i < 8; i++) {
		bytes[i] = (unsigned char)(packed >> 8 * i);
		bytes[8 + i] = (unsigned char)(plain >> 8 * i);
	}
	records->crc = crc32_update(records->crc, bytes, sizeof bytes);
	records->count++;
	records->packed += packed;
	records->plain += plain;
}

static bool are_same(const struct records *one, const struct records *other)
{
	return one->count == other->count && one->packed == other->packed && one->plain == other->plain && one->crc == other->crc;
}

static uint32_t little32(const unsigned char *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static int leave(struct xz *xz, const unsigned char *bytes, size_t length)
{
	xz->length += length;
	if (xz->check == CHECK_CRC32) xz->crc32 = crc32_update(xz->crc32, bytes, length);
	if (xz->check == CHECK_CRC64) xz->crc64 = crc64_update(xz->crc64, bytes, length);
	if (xz->check == CHECK_SHA256) sha256_update(&xz->sha256, bytes, length);
	return output_write(bytes, length);
}

// Through the filters from `stage` - 1 down to the first, and out.
static int pass(struct xz *xz, unsigned stage, const unsigned char *bytes, size_t length)
{
	if (stage == 0) return leave(xz, bytes, length);
	struct filter *filter = &xz->filters[stage - 1];
	while (length > 0) {
		size_t part = FILTER_PENDING - filter->length < length ? FILTER_PENDING - filter->length : length;
		memcpy(filter->pending + filter->length, bytes, part);
		filter->length += part;
		bytes += part;
		length -= part;
		size_t done = filter_apply(filter);
		if (pass(xz, stage - 1, filter->pending, done) < 0) return -1;
		memmove(filter->pending, filter->pending + done, filter->length - done);
		filter->length -= done;
	}
	return 0;
}

static int sink(void *at, const unsigned char *bytes, size_t length)
{
	struct xz *xz = at;
	return pass(xz, xz->filter_count, bytes, length);
}

// What the filters hold back at the end is left as it is.
static int finish_filters(struct xz *xz)
{
	for (unsigned stage = xz->filter_count; stage > 0; stage--) {
		struct filter *filter = &xz->filters[stage - 1];
		if (pass(xz, stage - 1, filter->pending, filter->length) < 0) return -1;
	}
	return 0;
}

// A number of a header, which ends at `limit`.
static int take_number(const unsigned char **at, const unsigned char *limit, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 63; shift += 7) {
		if (*at == limit) break;
		unsigned char byte = *(*at)++;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80) continue;
		if (byte == 0 && shift > 0) break;
		return 0;
	}
	return decode_corrupt("a number is wrong");
}

struct block {
	uint64_t packed, plain;
	bool knows_packed, knows_plain;
};

static int read_filters(struct xz *xz, unsigned count, const unsigned char **at, const unsigned char *limit)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t kind, length;
		if (take_number(at, limit, &kind) < 0 || take_number(at, limit, &length) < 0) return -1;
		if (length > (size_t)(limit - *at)) return decode_corrupt("a block's header is wrong");
		const unsigned char *properties = *at;
		*at += length;
		if (i + 1 < count) {
			if (filter_start(&xz->filters[i], kind, properties, (size_t)length) < 0) return -1;
			continue;
		}
		if (kind != LZMA2) return decode_unsupported("it uses a filter that is not known");
		if (length != 1 || properties[0] > 40) return decode_corrupt("a block's header is wrong");
		uint64_t size = properties[0] == 40 ? UINT32_MAX : (uint64_t)(2 | (properties[0] & 1)) << (properties[0] / 2 + 11);
		if (size > DECODE_MAX_WINDOW) return decode_unsupported("it needs a dictionary of more than 512 MiB");
		window_reset(&xz->decoder->window, (size_t)size);
	}
	xz->filter_count = count - 1;
	return 0;
}

// The header behind its first byte.
static int read_block_header(struct xz *xz, unsigned first, struct block *block)
{
	unsigned char header[1024];
	size_t length = (first + 1) * 4;
	header[0] = (unsigned char)first;
	if (!input_read(&xz->decoder->input, header + 1, length - 1)) return decode_cut_off(&xz->decoder->input);
	const unsigned char *at = header + 2, *limit = header + length - 4;
	if (crc32_update(0, header, length - 4) != little32(limit)) return decode_corrupt("the checksum of a block's header is wrong");
	unsigned flags = header[1];
	if (flags & 0x3c) return decode_unsupported("it uses what is not known of xz");
	block->knows_packed = flags & 0x40;
	block->knows_plain = flags & 0x80;
	if (block->knows_packed && take_number(&at, limit, &block->packed) < 0) return -1;
	if (block->knows_plain && take_number(&at, limit, &block->plain) < 0) return -1;
	if (read_filters(xz, (flags & 3) + 1, &at, limit) < 0) return -1;
	while (at < limit) if (*at++ != 0) return decode_unsupported("it uses what is not known of xz");
	return 0;
}

static size_t check_size(unsigned check)
{
	static const unsigned char sizes[16] = { 0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64 };
	return sizes[check];
}

static int compare_check(struct xz *xz)
{
	unsigned char found[64], expected[64] = { 0 };
	size_t size = check_size(xz->check);
	if (!input_read(&xz->decoder->input, found, size)) return decode_cut_off(&xz->decoder->input);
	if (xz->check == CHECK_CRC32) for (int i = 0; i < 4; i++) expected[i] = (unsigned char)(xz->crc32 >> 8 * i);
	else if (xz->check == CHECK_CRC64) for (int i = 0; i < 8; i++) expected[i] = (unsigned char)(xz->crc64 >> 8 * i);
	else if (xz->check == CHECK_SHA256) sha256_end(&xz->sha256, expected);
	// A kind of checksum that nobody has defined yet says nothing.
	else return 0;
	return memcmp(found, expected, size) == 0 ? 0 : decode_corrupt("a checksum is wrong");
}

static int decode_block(struct xz *xz, unsigned first, struct records *records)
{
	struct input *input = &xz->decoder->input;
	struct block block;
	uint64_t taken = 0;
	if (read_block_header(xz, first, &block) < 0) return -1;
	xz->length = xz->crc64 = xz->crc32 = 0;
	sha256_start(&xz->sha256);
	if (lzma2_decode(xz->decoder, &taken) < 0 || finish_filters(xz) < 0) return -1;
	if ((block.knows_packed && block.packed != taken) || (block.knows_plain && block.plain != xz->length))
		return decode_corrupt("a block's size is not what its header says");
	for (uint64_t i = taken; i % 4 != 0; i++) {
		int byte = input_byte(input);
		if (byte != 0) return byte < 0 ? decode_cut_off(input) : decode_corrupt("a block's padding is wrong");
	}
	if (compare_check(xz) < 0) return -1;
	add_record(records, (first + 1u) * 4 + taken + check_size(xz->check), xz->length);
	return 0;
}

// A byte of the index, in its checksum and length.
static int index_byte(struct input *input, uint32_t *crc, uint64_t *length)
{
	int byte = input_byte(input);
	if (byte < 0) return decode_cut_off(input);
	unsigned char bytes[1] = { (unsigned char)byte };
	*crc = crc32_update(*crc, bytes, 1);
	++*length;
	return byte;
}

static int index_number(struct input *input, uint32_t *crc, uint64_t *length, uint64_t *value)
{
	unsigned char bytes[9];
	for (unsigned i = 0; i < sizeof bytes; i++) {
		int byte = index_byte(input, crc, length);
		if (byte < 0) return -1;
		bytes[i] = (unsigned char)byte;
		if (byte & 0x80) continue;
		const unsigned char *at = bytes;
		return take_number(&at, bytes + i + 1, value);
	}
	return decode_corrupt("the index is wrong");
}

// The index behind its first byte, and the stream's footer.
static int read_index(struct xz *xz, const struct records *expected, const unsigned char flags[2])
{
	struct input *input = &xz->decoder->input;
	uint32_t crc = crc32_update(0, (const unsigned char *)"", 1);
	uint64_t length = 1, count;
	struct records found = { 0 };
	if (index_number(input, &crc, &length, &count) < 0) return -1;
	if (count != expected->count) return decode_corrupt("the index is wrong");
	for (uint64_t i = 0; i < count; i++) {
		uint64_t packed, plain;
		if (index_number(input, &crc, &length, &packed) < 0 || index_number(input, &crc, &length, &plain) < 0) return -1;
		add_record(&found, packed, plain);
	}
	while (length % 4 != 0) {
		int byte = index_byte(input, &crc, &length);
		if (byte != 0) return byte < 0 ? -1 : decode_corrupt("the index is wrong");
	}
	unsigned char sum[4], footer[12];
	if (!input_read(input, sum, 4) || !input_read(input, footer, 12)) return decode_cut_off(input);
	if (crc != little32(sum) || !are_same(&found, expected)) return decode_corrupt("the index is wrong");
	bool is_right = crc32_update(0, footer + 4, 6) == little32(footer) && memcmp(footer + 8, flags, 2) == 0
		&& memcmp(footer + 10, "YZ", 2) == 0 && ((uint64_t)little32(footer + 4) + 1) * 4 == length + 4;
	return is_right ? 0 : decode_corrupt("the end of the stream is wrong");
}

static int decode_stream(struct xz *xz, const unsigned char header[12])
{
	if (crc32_update(0, header + 6, 2) != little32(header + 8)) return decode_corrupt("the checksum of its header is wrong");
	if (header[6] != 0 || header[7] > 15) return decode_unsupported("it uses what is not known of xz");
	xz->check = header[7];
	struct records records = { 0 };
	for (;;) {
		int first = input_byte(&xz->decoder->input);
		if (first < 0) return decode_cut_off(&xz->decoder->input);
		if (first == 0) return read_index(xz, &records, header + 6);
		if (decode_block(xz, (unsigned)first, &records) < 0) return -1;
	}
}

int xz_decode(struct decoder *decoder)
{
	struct xz *xz = state;
	xz->decoder = decoder;
	decoder->window.sink = sink;
	decoder->window.state = xz;
	struct input *input = &decoder->input;
	unsigned char header[12];
	if (!input_read(input, header, sizeof header)) return decode_cut_off(input);
	for (;;) {
		if (memcmp(header, "\xfd" "7zXZ", 6) != 0) return decode_trailing();
		if (decode_stream(xz, header) < 0) return -1;
		// Between streams and behind the last one there may be zeros, four at a time.
		do {
			if (input->at == input->end && !input_more(input)) return input->failed ? decode_cut_off(input) : 0;
			if (!input_read(input, header, 4)) return decode_trailing();
		} while (little32(header) == 0);
		if (!input_read(input, header + 4, 8)) return memcmp(header, "\xfd" "7zX", 4) == 0 ? decode_cut_off(input) : decode_trailing();
	}
}
