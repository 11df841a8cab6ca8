// See inroot.h.
#include "inroot.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_COMPONENT = 255 };

int inroot_open_how(int root, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	for (;;) {
		long fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
		if (fd >= 0) return (int)fd;
		// EAGAIN: something was renamed while `..` was resolved; the kernel asks to try again.
		if (errno == EAGAIN || errno == EINTR) continue;
		if (errno == ENOSYS) fail_errno("openat2", path);
		return -1;
	}
}

int inroot_open(int root, const char *path, int flags, mode_t mode)
{
	return inroot_open_how(root, path, flags, mode, RESOLVE_IN_ROOT);
}

int inroot_open_nolinks(int root, const char *path, int flags, mode_t mode)
{
	return inroot_open_how(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int path_check(const char *path)
{
	while (*path) {
		while (*path == '/') path++;
		const char *end = strchrnul(path, '/');
		size_t length = (size_t)(end - path);
		if (length == 2 && path[0] == '.' && path[1] == '.')
			return fail_kind("path-escapes", EINVAL, "path", path, "a path must not contain `..`");
		if (length > MAX_COMPONENT)
			return fail_kind("name-too-long", ENAMETOOLONG, "path", path, "a name in the path is longer than 255 bytes");
		path = end;
	}
	return 0;
}
