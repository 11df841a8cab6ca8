// See adopt.h. Overlayfs marks what it copies up, root's own files without a record among it.
#include "adopt.h"
#include "fail.h"
#include "record.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool is_known(int fd)
{
	return fgetxattr(fd, RECORD_XATTR, NULL, 0) >= 0 || fgetxattr(fd, "user.overlay.origin", NULL, 0) >= 0;
}

static int adopt_one(int fd, const char *name, const struct recorded *owner)
{
	return is_known(fd) || record_write(fd, NULL, owner) == 0 ? 0 : fail_errno("record owner", name);
}

// `fd` is closed. Depth is limited by the step's own paths and the limit of open files, which files.c raises alike.
static int adopt_below(int fd, const struct recorded *owner)
{
	DIR *directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return fail_errno("record owners", NULL);
	}
	int result = 0;
	for (struct dirent *entry; result == 0 && (entry = readdir(directory));) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (entry->d_type != DT_REG && entry->d_type != DT_DIR)) continue;
		int found = openat(dirfd(directory), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (found < 0) {
			result = fail_errno("record owner", name);
			break;
		}
		result = adopt_one(found, name, owner);
		if (result == 0 && entry->d_type == DT_DIR) result = adopt_below(found, owner);
		else close(found);
	}
	closedir(directory);
	return result;
}

int adopt_new_files(int layer, uid_t uid, gid_t gid)
{
	const struct recorded owner = { .uid = uid, .gid = gid };
	int fd = openat(layer, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_errno("record owners", NULL) : adopt_below(fd, &owner);
}
