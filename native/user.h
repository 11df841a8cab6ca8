// Who the step's process is: USER as docker reads it, with /etc/passwd and /etc/group of the image.
#ifndef SLIPWAY_USER_H
#define SLIPWAY_USER_H
#include <stddef.h>
#include <sys/types.h>

enum { USER_MAX_GROUPS = 256 };

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_MAX_GROUPS];
	size_t group_count;
	// Home directory by passwd, "/" without one.
	char home[4096];
};

// Looks `name` (`user[:group]`, names or numbers, empty is 0) up below `root`. 0, or -1 recorded.
int user_lookup(struct user *user, int root, const char *name);
#endif
