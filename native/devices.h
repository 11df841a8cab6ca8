// The step's /dev.
#ifndef SLIPWAY_DEVICES_H
#define SLIPWAY_DEVICES_H
#include <stdbool.h>
#include <stdint.h>

struct devices_options {
	// Any device may be opened.
	bool insecure;
	// Bytes of /dev/shm; 0 is docker's 64 MiB.
	uint64_t shm_size;
	// A directory on a private tmpfs that may hold devices.
	int nodes;
};

// Mounts /dev with docker's nodes, pts, shm, mqueue and links on the open directory `place`.
// Only the nodes made here can be opened: the file system around them refuses devices. 0, or -1 recorded.
int devices_mount(int place, struct devices_options options);

// A detached mount of the null device alone. `store` is as devices_options.nodes. Returns its fd, or -1 recorded.
int devices_clone_null(int store, uint64_t attributes);

// Opens the null device of the calling process's root; -1 recorded, also when something else is in its place.
int devices_open_null(void);
#endif
