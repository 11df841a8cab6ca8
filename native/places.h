// Places to mount on. Those that the image lacks are in a lowest overlay layer that the caller made, so a step's upper
// directory never holds them; only where the image hides that layer (a whiteout) is a place made in the step's view,
// and taken out of the upper directory afterwards.
#ifndef SLIPWAY_PLACES_H
#define SLIPWAY_PLACES_H
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

enum { PLACES_MAX = 64 };

// Shared between the process that makes them and the one that takes them away.
struct places {
	size_t count;
	struct made {
		// Below the layer; no link is in it.
		char path[PATH_MAX];
		ino_t inode;
		// Modification time of the directory it was made in, before and after.
		struct timespec before, after;
	} made[PLACES_MAX];
};

struct place {
	int root;
	// Where what is made has to be noted, -1: nowhere (it is on a mount of the step and goes away with it).
	int layer;
	const char *path;
	bool directory, no_links;
	// Owners are recorded (record.h).
	bool records_owners;
	// Of the place itself when it is made; its directories have 0755 and the same owner.
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

// The open place (O_PATH), made when missing, with the directories above it. -1 with errno or recorded.
int place_open(const struct place *place, struct places *places);

// Removes from `layer` what was noted, if it is still the same and empty. Precondition: nothing runs or is mounted there any more.
void places_remove(const struct places *places, int layer);
#endif
