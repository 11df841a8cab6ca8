// An OCI runtime (crun, runc) that makes the container in place of this helper: the root file system with everything
// mounted in it is ready, and so is the bundle's config.json.
#ifndef SLIPWAY_RUNTIME_H
#define SLIPWAY_RUNTIME_H
#include "process.h"

struct runtime {
	const struct process *process;
	// The root file system, and a private file system that holds the bundle: nothing of it ever reaches the disk.
	int root, store;
};

// Has the runtime create and start the container. The process it starts becomes a child of the caller.
// Precondition: the caller is process 1 of fresh mount and pid namespaces, its mounts are private.
// Returns the process's id, or -1 recorded (or reported by a child).
pid_t runtime_start(const struct runtime *runtime);
#endif
