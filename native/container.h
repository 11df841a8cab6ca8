// A build container from the inside: what process 1 of the new namespaces does, in order.
#ifndef SLIPWAY_CONTAINER_H
#define SLIPWAY_CONTAINER_H
#include "places.h"
#include "wire.h"

// Sets a container up, runs the process to its end and reports it on the status stream. `wire`: where the operations
// come from (steps.h), and the process behind them. `alive` gives a byte when the helper outside is ready, and end of
// file when it is gone. Precondition: the caller is process 1 of fresh namespaces with init_signals blocked.
// Returns the exit status: 0 reported its end, 1 reported a failure.
int container_main(struct wire *wire, struct places *places, int alive);
#endif
