// Starting the step's program.
#ifndef SLIPWAY_PROGRAM_H
#define SLIPWAY_PROGRAM_H
#include "run-request.h"

// Gives the environment a HOME when it has none.
int program_set_home(struct texts *env, const char *home);

// Replaces the calling process; a name without a slash is searched in the environment's PATH.
// Returns -1 recorded as kind "exec" with the texts docker uses.
int program_exec(const struct texts *args, const struct texts *env);
#endif
