// See userns.h.
#include "userns.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t ids_in(const char *path)
{
	uint64_t ids = 0;
	unsigned count;
	FILE *file = fopen(path, "re");
	if (!file) return ids;
	while (fscanf(file, "%*u %*u %u", &count) == 1) ids += count;
	fclose(file);
	return ids;
}

bool userns_is_initial(void)
{
	// The kernel's fixed number for it (PROC_USER_INIT_INO); a map of all ids may be another namespace's.
	static const char initial[] = "user:[4026531837]";
	char found[sizeof initial] = { 0 };
	ssize_t length = readlink("/proc/self/ns/user", found, sizeof found);
	return length < 0 || ((size_t)length == sizeof initial - 1 && memcmp(found, initial, sizeof initial - 1) == 0);
}

bool userns_records_owners(void)
{
	return ids_in("/proc/self/uid_map") == 1 || ids_in("/proc/self/gid_map") == 1;
}

static int write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return fail_errno("map the user", path);
	ssize_t length = write(fd, text, strlen(text));
	return closed(fd, length == (ssize_t)strlen(text) ? 0 : fail_errno("map the user", path));
}

int userns_become(uid_t uid, gid_t gid)
{
	char uids[32], gids[32];
	snprintf(uids, sizeof uids, "%u 0 1\n", uid);
	snprintf(gids, sizeof gids, "%u 0 1\n", gid);
	if (unshare(CLONE_NEWUSER) < 0) return fail_errno("create user namespace", NULL);
	if (write_map("/proc/self/setgroups", "deny") < 0 || write_map("/proc/self/uid_map", uids) < 0) return -1;
	return write_map("/proc/self/gid_map", gids);
}
