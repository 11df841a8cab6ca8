// Process 1 of a build container after the set-up: reaps, forwards signals, ends everything.
#ifndef SLIPWAY_INIT_H
#define SLIPWAY_INIT_H
#include <signal.h>
#include <sys/types.h>

// The signals a step hears of when the helper gets them, and SIGCHLD; blocked in the helper and in process 1.
void init_signals(sigset_t *signals);

// Waits for `process`, passing on signals to its process group; then kills and reaps whatever else
// runs in the pid namespace. Returns the wait status. Precondition: init_signals are blocked.
int init_wait(pid_t process);
#endif
