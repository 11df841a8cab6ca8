// Listing a directory tree with what Node's fs leaves out: nanoseconds without a bigint call per file,
// extended attributes, names as bytes. Knows nothing of Node.
#ifndef SLIPWAY_ADDON_SCAN_H
#define SLIPWAY_ADDON_SCAN_H
#include <stddef.h>
#include <stdint.h>

// One entry of the result; `path`, link target and attributes follow, then zeros up to a multiple of 8.
// An attribute is u32 name length, u32 value length, name, value. Native byte order.
struct scan_row {
	uint32_t row_length, mode, uid, gid, nlink, rdev_major, rdev_minor;
	uint32_t path_length, link_length, xattrs_length;
	double size, dev;
	uint64_t ino;
	int64_t mtime_ns, ctime_ns;
};

// SCAN_NO_LINKS: nor may a link stand anywhere in the path to `directory` (ELOOP).
enum { SCAN_XATTRS = 1, SCAN_NO_LINKS = 2 };

struct scan_result {
	unsigned char *rows; // malloc'ed, the caller's; NULL on failure
	size_t length, capacity;
	int error;        // errno of the first failure, 0 none
	const char *call; // the failed call
	char *path;       // malloc'ed, relative; NULL when memory ran out
};

// Lists `directory` itself (as the empty path) and all below, depth first, names sorted by bytes. Links are
// not followed; what vanishes meanwhile is left out. E2BIG: more than `max_entries` (0: no limit).
void scan_tree(const char *directory, unsigned flags, uint64_t max_entries, struct scan_result *result);

// As scan_tree, but only these paths below `directory`, in this order, whatever is in them: `paths` is their
// NUL-terminated names one behind the other. One that is gone, or is reached through a link, is left out.
void scan_paths(const char *directory, unsigned flags, const char *paths, size_t length, struct scan_result *result);

// The names in a directory, sorted by bytes, as `d` or `-` (no directory), name, NUL. No link may stand anywhere in its path (ELOOP).
void scan_names(const char *directory, struct scan_result *result);
#endif
