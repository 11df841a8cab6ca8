// Starting the step's program.
#ifndef SLIPWAY_PROGRAM_H
#define SLIPWAY_PROGRAM_H
#include "run-request.h"
#include <sys/types.h>

// Gives the environment a HOME when it has none.
int program_set_home(struct texts *env, const char *home);

// Whoever opens /dev/stdout needs permission on the pipe itself. 0, or -1 recorded.
int program_give_output(uid_t uid, gid_t gid);

// Replaces the calling process; a name without a slash is searched in the environment's PATH.
// Returns -1 recorded as kind "exec" with the texts docker uses.
int program_exec(const struct texts *args, const struct texts *env);
#endif
