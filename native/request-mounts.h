// The mounts a request names: binds, tmpfs, small files, views of layers.
#ifndef SLIPWAY_REQUEST_MOUNTS_H
#define SLIPWAY_REQUEST_MOUNTS_H
#include "run-request.h"
#include "stubs.h"

struct mount_places {
	// The step's root and its upper directory.
	int root, upper;
	// A directory on a private tmpfs for the contents of file mounts.
	int store;
};

// Mounts all of them in the order of the request. Precondition: layer_mounts_open. 0, or -1 recorded.
int request_mounts(const struct run_request *request, struct mount_places places, struct stubs *stubs);
#endif
