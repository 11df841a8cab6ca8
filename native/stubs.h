// Places to mount on that the image does not have. They live in a lowest overlay layer of their own, so a
// step's upper directory never holds them. Only where the image hides that layer (a whiteout, a link on
// the way) is a place made in the step's view, and taken out of the upper directory afterwards.
#ifndef SLIPWAY_STUBS_H
#define SLIPWAY_STUBS_H
#include "run-request.h"
#include <limits.h>
#include <sys/stat.h>

enum { STUBS_MAX = 64 };

struct stub {
	// Where it is in the upper directory, resolved.
	char path[PATH_MAX];
	dev_t device;
	ino_t inode;
	// Modification time of the directory it was made in, before and after.
	struct timespec before, after;
};

// Shared between the process that makes them and the one that takes them away.
struct stubs {
	size_t count;
	struct stub at[STUBS_MAX];
};

// Fills the layer directory `layer` with a place for every mount of the request. 0 or -1 recorded.
int stubs_fill_layer(int layer, const struct run_request *request);

// The place of `mount` in `root` (an O_PATH fd), made when missing; those made in `upper` are noted in `stubs`. -1 recorded.
int stubs_open_target(int root, int upper, const struct request_mount *mount, struct stubs *stubs);

// Removes from `upper` what was noted, if it is still the same and empty. Precondition: nothing runs or is mounted there any more.
void stubs_remove(const struct stubs *stubs, int upper);
#endif
