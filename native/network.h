// Network namespaces: one without network, one that a program outside connects.
#ifndef SLIPWAY_NETWORK_H
#define SLIPWAY_NETWORK_H

// Brings up the loopback interface of the calling process's network namespace. 0, or -1 with errno.
int network_up_loopback(void);

// `slipway-helper network`: holds a new network namespace, its own (/proc/PID/ns/net), and runs `command`, a program
// that connects it (an argument `@` is the namespace's path), in the namespace that the helper was started in. Ends with the program and ends the program and
// all that it starts when it ends, however that comes. Returns the exit status, the failure reported.
int network_main(char **command);
#endif
