// What a step of another user than root leaves behind where there is one id for all.
#ifndef SLIPWAY_ADOPT_H
#define SLIPWAY_ADOPT_H
#include <sys/types.h>

// Records `uid` and `gid` as the owner of everything in the directory `layer` that has no record and was not copied up
// from a layer below: the step made it. Precondition: nobody works in `layer` any more. 0, or -1 recorded.
int adopt_new_files(int layer, uid_t uid, gid_t gid);
#endif
