// Real pipes for the step's output. Node hands out sockets, and /dev/stdout of a socket cannot be opened.
#ifndef SLIPWAY_RELAY_H
#define SLIPWAY_RELAY_H
#include <stdbool.h>

struct relay {
	// What the step writes into; -1 once handed over.
	int input[2];
	// Where it comes out here; -1 at its end.
	int from[2];
};

// Whether stdout or stderr is a socket, so that relaying is needed.
bool relay_needed(void);

// Makes the two pipes. 0, or -1 recorded.
int relay_open(struct relay *relay);

// Moves what is there of stream `index` (0 stdout, 1 stderr) to the helper's own; at its end `from` becomes -1. 0, or -1 recorded.
int relay_move(struct relay *relay, int index);
#endif
