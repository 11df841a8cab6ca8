// Protects the helper's own program file from the processes it starts.
#ifndef SLIPWAY_SEAL_H
#define SLIPWAY_SEAL_H

// Starts this program again through a read-only view of its file, unless that is already so. A step whose
// program or interpreter is /proc/self/exe gets hold of that view and cannot write through it.
// Returns 0 when running sealed, -1 recorded; otherwise it does not return.
int seal_self(const char *mode);
#endif
