// The request stream (fd 3): length-prefixed records of integers and strings, strictly bounds-checked.
// A record is u32le payload length, then u8 opcode and the fields; a field is a u64le integer or a
// u32le length followed by that many bytes. Inline data may follow a record raw.
#ifndef SLIPWAY_WIRE_H
#define SLIPWAY_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Ends a request; every mode shares it. The stream ending without it means that the parent died.
#define WIRE_END 0
#define WIRE_MAX_RECORD (16u << 20)

struct wire {
	int fd;
	unsigned char *buffer;
	size_t capacity, start, end;
};

struct record {
	unsigned opcode;
	unsigned char *at, *limit;
	bool malformed;
};

int wire_open(struct wire *wire, int fd);

// Reads the next record; its strings stay valid until the next call on the same wire.
// Failure ("request") at end of stream, a malformed length or a read error.
int wire_next(struct wire *wire, struct record *record);

// At least one byte of what is in no record and not in the buffer; -1 with a failure at end of stream.
ptrdiff_t wire_receive(const struct wire *wire, unsigned char *target, size_t size);

// Field readers: after the first malformed field they return 0 / "" and record_finish fails.
uint64_t record_u64(struct record *record);
// NUL-terminated text without NUL bytes inside.
const char *record_text(struct record *record);
// Any bytes.
const unsigned char *record_bytes(struct record *record, size_t *length);
// Whether fields remain (for repeated fields at the end of a record).
bool record_more(const struct record *record);
// Postcondition on 0: all fields were well formed and none is left over.
int record_finish(struct record *record);
#endif
