// The step's /proc and /sys, and what of them is hidden or read-only.
#ifndef SLIPWAY_SYSTEM_MOUNTS_H
#define SLIPWAY_SYSTEM_MOUNTS_H
#include <stdbool.h>

// The image's directory `name` ("proc") as a place to mount on, made when missing.
// Links are refused: they would redirect what is set up there. Returns an O_PATH fd, or -1 recorded.
int system_open_place(int root, const char *name);

struct system_mounts {
	int proc, sys;
	bool insecure;
	// The network namespace is the step's.
	bool own_network;
};

// Mounts proc and sysfs (with cgroups) in `root`. The fds of `mounts` belong to the caller. 0, or -1 recorded.
int system_mount(struct system_mounts *mounts, int root);

// Hides and write-protects docker's list of places. `store` holds a `null` device and an `empty` directory.
// Precondition: every other mount of the step is in place. 0, or -1 recorded.
int system_restrict(const struct system_mounts *mounts, int store);
#endif
