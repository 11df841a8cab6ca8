// What the step's process may do: capabilities, ids, limits, keyring and signal state.
#ifndef SLIPWAY_PRIVILEGES_H
#define SLIPWAY_PRIVILEGES_H
#include "user.h"
#include <stdbool.h>

struct privileges {
	// Every capability this process has, ambient too, and no system call filter.
	bool insecure;
	// The process keeps the caller's terminal.
	bool shares_terminal;
};

// Turns the calling process into `user` with docker's default capabilities and system call filter.
// Afterwards nothing privileged works any more. 0, or -1 recorded.
int privileges_assume(const struct user *user, struct privileges privileges);

// Leaves pid 1 just what ending a step needs (kill).
int privileges_keep_kill(void);

// umask, limits, session keyring: the rest of the process state that would be inherited.
int process_state_reset(void);
#endif
