// What the decoders of compressed data share: input, the window that output goes through, and words for
// what is wrong. All memory is taken before the first byte is read: afterwards the process may only read,
// write and end.
#ifndef SLIPWAY_DECODE_H
#define SLIPWAY_DECODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DECODE_INPUT = 256 << 10 };

// Windows up to this size are decoded, as BuildKit does for zstd; it bounds the memory a hostile file can take.
#define DECODE_MAX_WINDOW ((size_t)512 << 20)

// The compressed bytes, from fd 0.
struct input {
	unsigned char *buffer;
	size_t at, end;
	bool ended, failed;
};

// Gets more bytes behind those not yet taken (at most DECODE_INPUT altogether). False: there are no more.
bool input_more(struct input *input);

// The next byte, or -1 at the end.
int input_byte(struct input *input);

// Exactly `length` bytes into `bytes`; false when the input ends before.
bool input_read(struct input *input, void *bytes, size_t length);

// Whether `length` (at most DECODE_INPUT / 2) bytes can be seen at `buffer + at`.
bool input_see(struct input *input, size_t length);

// Writes plain bytes to fd 1. 0, or -1 recorded.
int output_write(const unsigned char *bytes, size_t length);

// The plain bytes not yet written, behind as many of the written ones as matches may refer to.
struct window {
	unsigned char *base;
	// Bytes are written at `position`; what is before `flushed` has left, matches may go back to `start`.
	size_t position, flushed, start;
	// How far matches go back, and where the buffer is full.
	size_t size, capacity;
	// Receives bytes that leave; 0 or -1 recorded.
	int (*sink)(void *state, const unsigned char *bytes, size_t length);
	void *state;
};

// Room for a window of DECODE_MAX_WINDOW; pages that are never used cost nothing.
int window_open(struct window *window);

// Empties the window: nothing of what it holds can be referred to any more. Precondition: all has left.
void window_reset(struct window *window, size_t size);

// Postcondition: `length` (at most 2 MiB) bytes can be written at `position`.
int window_room(struct window *window, size_t length);

// Hands all that has not left to the sink.
int window_flush(struct window *window);

// The failures of the data itself; they return -1.
int decode_corrupt(const char *why);
int decode_cut_off(const struct input *input);
// What was read is complete, and something else is behind it.
int decode_trailing(void);
int decode_unsupported(const char *what);

struct decoder {
	struct input input;
	struct window window;
};

// Each reads all of the input and writes all of the output; 0, or -1 recorded.
int bzip2_decode(struct decoder *decoder);
int xz_decode(struct decoder *decoder);
int zstd_decode(struct decoder *decoder);
// Take the format's own memory; 0, or -1 recorded.
int bzip2_prepare(void);
int xz_prepare(void);
int zstd_prepare(void);
#endif
