// Mounts of what is in layers: another stage's files, an image's, a context's. What the step writes there is thrown away.
#ifndef SLIPWAY_LAYER_MOUNTS_H
#define SLIPWAY_LAYER_MOUNTS_H
#include "run-request.h"

// Puts the layers of every such mount together below `work` (the request's work directory) and opens what the mount
// shows of them. Precondition: the caller is in its own mount namespace whose root is private. 0, or -1 recorded.
int layer_mounts_open(struct run_request *request, int work);
#endif
