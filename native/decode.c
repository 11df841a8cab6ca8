// See decode.h.
#include "decode.h"
#include "fail.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// A chunk of LZMA2 expands to at most 2 MiB, a block of zstd to 128 KiB; matches may be copied a little too far.
enum { ROOM = 2 << 20, MARGIN = 64, FLUSH = 128 << 10, LEAST_SLACK = 1 << 20, MOST_SLACK = 64 << 20 };

int decode_corrupt(const char *why)
{
	return fail_kind("corrupt", 0, "decompress", NULL, why);
}

int decode_cut_off(const struct input *input)
{
	if (input->failed) return fail_kind("input", 0, "decompress", NULL, "the input cannot be read");
	return decode_corrupt("it is cut off");
}

int decode_trailing(void)
{
	return fail_kind("trailing", 0, "decompress", NULL, "there is something behind its end");
}

int decode_unsupported(const char *what)
{
	return fail_kind("unsupported", 0, "decompress", NULL, what);
}

bool input_more(struct input *input)
{
	if (input->ended) return false;
	if (input->at > 0) {
		memmove(input->buffer, input->buffer + input->at, input->end - input->at);
		input->end -= input->at;
		input->at = 0;
	}
	if (input->end == DECODE_INPUT) return false;
	ssize_t n;
	do n = read(STDIN_FILENO, input->buffer + input->end, DECODE_INPUT - input->end);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		input->ended = true;
		input->failed = n < 0;
		return false;
	}
	input->end += (size_t)n;
	return true;
}

int input_byte(struct input *input)
{
	if (input->at == input->end && !input_more(input)) return -1;
	return input->buffer[input->at++];
}

bool input_read(struct input *input, void *bytes, size_t length)
{
	unsigned char *to = bytes;
	while (length > 0) {
		if (input->at == input->end && !input_more(input)) return false;
		size_t part = input->end - input->at < length ? input->end - input->at : length;
		memcpy(to, input->buffer + input->at, part);
		input->at += part;
		to += part;
		length -= part;
	}
	return true;
}

bool input_see(struct input *input, size_t length)
{
	while (input->end - input->at < length)
		if (!input_more(input)) return false;
	return true;
}

int output_write(const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, length);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return fail_kind("output", errno, "decompress", NULL, "the output cannot be written");
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

int window_open(struct window *window)
{
	size_t length = DECODE_MAX_WINDOW + MOST_SLACK + ROOM + MARGIN;
	window->base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return window->base == MAP_FAILED ? fail_errno("reserve memory", NULL) : 0;
}

void window_reset(struct window *window, size_t size)
{
	size_t slack = size / 2 < LEAST_SLACK ? LEAST_SLACK : size / 2 > MOST_SLACK ? MOST_SLACK : size / 2;
	window->position = window->flushed = window->start = 0;
	window->size = size;
	window->capacity = size + slack;
}

int window_flush(struct window *window)
{
	size_t length = window->position - window->flushed;
	if (length > 0 && window->sink(window->state, window->base + window->flushed, length) < 0) return -1;
	window->flushed = window->position;
	return 0;
}

int window_room(struct window *window, size_t length)
{
	if (window->position - window->flushed >= FLUSH && window_flush(window) < 0) return -1;
	if (window->position + length <= window->capacity + ROOM) return 0;
	if (window_flush(window) < 0) return -1;
	size_t kept = window->position - window->start < window->size ? window->position - window->start : window->size;
	// By whole pages: LZMA looks at the low bits of positions.
	size_t shift = (window->position - kept) & ~(size_t)4095;
	kept = window->position - shift;
	memmove(window->base, window->base + shift, kept);
	window->start = window->start < shift ? 0 : window->start - shift;
	window->position = window->flushed = kept;
	return 0;
}
