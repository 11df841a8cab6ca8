// What /etc/subuid and /etc/subgid grant a user (subuid(5)).
#ifndef SLIPWAY_LAUNCH_RANGES_H
#define SLIPWAY_LAUNCH_RANGES_H
#include <stddef.h>
#include <sys/types.h>

enum { RANGES_MAX = 32 };

struct ranges {
	struct {
		unsigned long start, count;
	} at[RANGES_MAX];
	size_t count;
};

// The ranges that `file` grants the user, in its order; none when it cannot be read. Lines that are not
// understood are passed over, as newuidmap does.
void ranges_read(struct ranges *ranges, const char *file, uid_t user);
#endif
