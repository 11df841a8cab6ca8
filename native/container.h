// A build container from the inside: what process 1 of the new namespaces sets up, in order.
#ifndef SLIPWAY_CONTAINER_H
#define SLIPWAY_CONTAINER_H
#include "record.h"
#include "run-request.h"
#include "stubs.h"

struct container {
	struct run_request *request;
	struct stubs *stubs;
	// Whose the files are that the process makes, where that is to be recorded afterwards.
	struct recorded *owner;
	// Reads end of file when the helper outside is gone.
	int helper_alive;
	// The network namespace to join, -1 without one.
	int network;
};

// Sets the container up, runs the process to its end and reports it on the status stream.
// Precondition: the caller is process 1 of fresh mount, pid, ipc and uts namespaces with init_signals blocked.
// Returns the exit status: 0 reported its end, 1 reported a failure.
int container_main(const struct container *container);
#endif
