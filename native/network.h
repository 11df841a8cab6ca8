// The network namespace of a step without network.
#ifndef SLIPWAY_NETWORK_H
#define SLIPWAY_NETWORK_H

// Brings up the loopback interface of the calling process's network namespace. 0, or -1 recorded.
int network_up_loopback(void);
#endif
