// See wire.h. A string is terminated in place: its bytes move down over the last byte of their length.
#include "wire.h"
#include "fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INITIAL_CAPACITY = 1 << 20 };

int wire_open(struct wire *wire, int fd)
{
	*wire = (struct wire){ .fd = fd, .capacity = INITIAL_CAPACITY };
	wire->buffer = malloc(wire->capacity);
	return wire->buffer ? 0 : fail_code(ENOMEM, "request", NULL);
}

static uint32_t u32_at(const unsigned char *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

ptrdiff_t wire_receive(const struct wire *wire, unsigned char *target, size_t size)
{
	for (;;) {
		ssize_t n = read(wire->fd, target, size);
		if (n > 0) return n;
		if (n == 0) return fail_kind("request-cut", 0, "request", NULL, "the request ended early");
		if (errno != EINTR) return fail_errno("request", NULL);
	}
}

// Postcondition on 0: at least `needed` unread bytes are in the buffer, contiguous.
static int want(struct wire *wire, size_t needed)
{
	if (wire->end - wire->start >= needed) return 0;
	if (wire->start > 0) {
		memmove(wire->buffer, wire->buffer + wire->start, wire->end - wire->start);
		wire->end -= wire->start;
		wire->start = 0;
	}
	if (needed > wire->capacity) {
		unsigned char *larger = realloc(wire->buffer, needed);
		if (!larger) return fail_code(ENOMEM, "request", NULL);
		wire->buffer = larger;
		wire->capacity = needed;
	}
	while (wire->end < needed) {
		ptrdiff_t n = wire_receive(wire, wire->buffer + wire->end, wire->capacity - wire->end);
		if (n < 0) return -1;
		wire->end += (size_t)n;
	}
	return 0;
}

int wire_next(struct wire *wire, struct record *record)
{
	if (want(wire, 4) < 0) return -1;
	size_t length = u32_at(wire->buffer + wire->start);
	if (length < 1 || length > WIRE_MAX_RECORD) return fail_kind("malformed", EPROTO, "request", NULL, "a record has an impossible length");
	if (want(wire, 4 + length) < 0) return -1;
	unsigned char *payload = wire->buffer + wire->start + 4;
	*record = (struct record){ .opcode = payload[0], .at = payload + 1, .limit = payload + length };
	wire->start += 4 + length;
	return 0;
}

uint64_t record_u64(struct record *record)
{
	if (record->limit - record->at < 8) {
		record->malformed = true;
		record->at = record->limit;
		return 0;
	}
	uint64_t low = u32_at(record->at), high = u32_at(record->at + 4);
	record->at += 8;
	return high << 32 | low;
}

const unsigned char *record_bytes(struct record *record, size_t *length)
{
	*length = 0;
	if (record->limit - record->at >= 4) {
		size_t size = u32_at(record->at);
		if ((size_t)(record->limit - record->at) - 4 >= size) {
			const unsigned char *bytes = record->at + 4;
			record->at += 4 + size;
			*length = size;
			return bytes;
		}
	}
	record->malformed = true;
	record->at = record->limit;
	return (const unsigned char *)"";
}

const char *record_text(struct record *record)
{
	unsigned char *field = record->at;
	size_t length;
	record_bytes(record, &length);
	if (record->malformed) return "";
	memmove(field + 3, field + 4, length);
	field[3 + length] = 0;
	if (memchr(field + 3, 0, length)) {
		record->malformed = true;
		return "";
	}
	return (const char *)field + 3;
}

bool record_more(const struct record *record)
{
	return !record->malformed && record->at < record->limit;
}

int record_finish(struct record *record)
{
	if (!record->malformed && record->at == record->limit) return 0;
	return fail_kind("malformed", EPROTO, "request", NULL, "a record is malformed");
}
