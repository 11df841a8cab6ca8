// Reading many small files at once: a call per file from JavaScript would cost more than the reading. Each file is read
// only if it is the one that was listed, and whole. Knows nothing of Node.
#ifndef SLIPWAY_ADDON_READ_H
#define SLIPWAY_ADDON_READ_H
#include <stddef.h>
#include <stdint.h>

// READ_IDENTITY: `dev` and `ino` must be right. READ_TIMES: the times, too.
enum { READ_IDENTITY = 1, READ_TIMES = 2 };

// One file; its absolute path follows, path_length bytes and a NUL, then zeros up to a multiple of 8. Native byte order.
struct read_item {
	uint32_t row_length, path_length, flags, unused;
	uint64_t size;   // of the file, which must be this
	uint64_t offset; // where in `into` it goes
	uint64_t dev, ino;
	int64_t mtime_ns, ctime_ns;
};

// What the first failure was: an errno, or READ_CHANGED when the file was not what the item says, or changed meanwhile.
enum { READ_CHANGED = -1, READ_MALFORMED = -2 };
struct read_failure {
	uint32_t index; // of the item
	int error;      // 0: none
};

// Reads the files of the list `items` to their places. No link is followed anywhere in a path, nothing but a regular
// file is read, and nothing outside `into` is written.
struct read_failure read_files(const unsigned char *items, size_t items_length, unsigned char *into, size_t into_length);
#endif
