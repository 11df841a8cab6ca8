// What a directory tree takes of its file system: blocks, not lengths, so that sparse files count as what they are.
// Knows nothing of Node.
#ifndef SLIPWAY_ADDON_MEASURE_H
#define SLIPWAY_ADDON_MEASURE_H
#include <stdint.h>

struct measure_result {
	uint64_t bytes, inodes;
	int error;        // errno of the first failure, 0 none
	const char *call; // the failed call
};

// Of `path`, which is no link's target but itself, and all below; a file with several names in it counts once. What
// vanishes meanwhile is left out.
void measure_tree(const char *path, struct measure_result *result);
#endif
