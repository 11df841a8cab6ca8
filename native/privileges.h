// What the step's process may do: capabilities, ids, limits, keyring and signal state.
#ifndef SLIPWAY_PRIVILEGES_H
#define SLIPWAY_PRIVILEGES_H
#include "run-request.h"
#include "user.h"

// Turns the calling process into `user` with docker's default capabilities and the request's system call filter;
// with `insecure` it keeps every capability, ambient too, and has no filter.
// Afterwards nothing privileged works any more. 0, or -1 recorded.
int privileges_assume(const struct user *user, const struct run_request *request);

// Leaves the calling process nothing. 0, or -1 recorded.
int privileges_drop_all(void);

// Leaves pid 1 just what ending a step needs (kill).
int privileges_keep_kill(void);

// umask, the request's limits, session keyring, processors, personality: the rest of what would be inherited.
int process_state_reset(const struct run_request *request);
#endif
