// See mount-fd.h. Needs Linux 5.12 (mount_setattr).
#include "mount-fd.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail_mount(int context, const char *type)
{
	int code = errno;
	char stage[64];
	snprintf(stage, sizeof stage, "mount %s", type);
	fail_code(code, stage, NULL);
	close(context);
	return -1;
}

int mount_new(const char *type, const char *const *options, uint64_t attributes)
{
	int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (context < 0) return fail_mount(context, type);
	// Only a name in mount tables.
	syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", type, 0);
	for (; options && *options; options += 2)
		if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, options[0], options[1], 0) < 0) return fail_mount(context, type);
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) return fail_mount(context, type);
	int mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	if (mount < 0) return fail_mount(context, type);
	close(context);
	return mount;
}

int mount_clone(int directory, const char *path, struct clone_options options)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (options.recursive ? AT_RECURSIVE : 0);
	int mount = (int)syscall(SYS_open_tree, directory, path, flags);
	if (mount < 0) return fail_errno("bind mount", path);
	struct mount_attr attributes = { .attr_set = options.attributes };
	unsigned depth = AT_EMPTY_PATH | (options.recursive ? AT_RECURSIVE : 0);
	if (options.attributes && syscall(SYS_mount_setattr, mount, "", depth, &attributes, sizeof attributes) < 0) {
		if (errno == ENOSYS) fail_kind("unsupported", ENOSYS, "set mount attributes", path, "Linux 5.12 or newer is needed");
		else fail_errno("set mount attributes", path);
		close(mount);
		return -1;
	}
	return mount;
}

int mount_attach(int mount, int target, const char *name)
{
	if (syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0) return 0;
	return fail_errno("attach mount", name);
}
