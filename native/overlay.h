// Mounting layer directories as one file system.
#ifndef SLIPWAY_OVERLAY_H
#define SLIPWAY_OVERLAY_H
#include <stddef.h>

// Mounts lower[0..count) (bottom first) with `upper` and `work` on `target`. Precondition: there is one, and
// the caller is in its own mount namespace whose root is private. 0, or -1 with the failure recorded.
int overlay_mount(const char *const *lower, size_t count, const char *upper, const char *work, const char *target);

// Enters a fresh mount namespace in which nothing propagates outwards. 0, or -1 with the failure recorded.
int overlay_unshare(void);
#endif
