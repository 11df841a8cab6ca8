// A user namespace for the commands of an ordinary user that touch root file systems.
#ifndef SLIPWAY_LAUNCH_NAMESPACE_H
#define SLIPWAY_LAUNCH_NAMESPACE_H
#include <stdbool.h>

// Whether this command line makes or runs root file systems. A wrong yes costs milliseconds, a wrong no ends
// in an error, so it is a yes where that is not clear.
bool namespace_wanted(int argc, char **argv);

// Unless the process may mount already: moves it into new user and mount namespaces in which it is root and
// has the caller's ranges of ids, or the caller's one id. Postcondition: SLIPWAY_NAMESPACE is `ok`, or says
// in one line why there is none; SLIPWAY_CALLER_UID is the uid outside. Without need they stay as they are.
void namespace_enter(void);
#endif
