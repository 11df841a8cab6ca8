// The user namespace the helper runs in: the machine's own, or one that the launcher made for an ordinary user.
#ifndef SLIPWAY_USERNS_H
#define SLIPWAY_USERNS_H
#include <stdbool.h>
#include <sys/types.h>

// Whether this is the machine's own, where root is root. Elsewhere overlayfs keeps its marks in user.* attributes
// and no device can be made. Precondition of all of these: /proc is the one the helper was started with.
bool userns_is_initial(void);

// Makes the calling process `uid` and `gid` in a user namespace of its own, in which it may do everything and has the
// one id of its caller's. 0, or -1 recorded.
int userns_become(uid_t uid, gid_t gid);

// Whether the namespace has just one user or one group: then other owners of files are recorded (record.h).
bool userns_records_owners(void);
#endif
