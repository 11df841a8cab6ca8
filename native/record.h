// What a file should be where this user may not make it so: its owner, or that it is a device. It stands in an
// extended attribute of the file, which copies, links and overlayfs take along. src/layer/recorded.ts reads it.
// Whoever may write to a file may write its record. So what stands for a device belongs to root and is open to nobody
// else, or says nothing; and owners are only recorded where all files have one owner anyway.
#ifndef SLIPWAY_RECORD_H
#define SLIPWAY_RECORD_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RECORD_XATTR "user.slipway.stat"

struct recorded {
	uid_t uid;
	gid_t gid;
	// 'c', 'b', or 0 when it is what it looks like.
	char device;
	unsigned major, minor;
	// Of a device only; of everything else the file's own mode counts.
	mode_t mode;
};

// In place of an open file: its path, links in it not followed or followed (an O_PATH file by its name in /proc).
enum { RECORD_PATH = -1, RECORD_FOLLOWED_PATH = -2 };

// Writes the record of the open file `fd` (not O_PATH), or of `path`; an owner 0:0 of no device is
// what no record means, and removes it. 0, or -1 with errno.
int record_write(int fd, const char *path, const struct recorded *recorded);

// Gives the open file its owner, or records it. 0, or -1 with errno.
int record_set_owner(int fd, uid_t uid, gid_t gid, bool is_recorded);

// Reads it; without a record everything is 0. 0, or -1 with errno.
int record_read(int fd, const char *path, struct recorded *recorded);
#endif
