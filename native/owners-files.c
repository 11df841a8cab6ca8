// Owners of files for a step that cannot set them: chown records (record.h), stat shows what is recorded. Links, pipes
// and sockets can have no record: they stay root's, and to chown them does nothing.
#include "fail.h"
#include "owners-call.h"
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// The caller's root, its working directory or its open file: where a path begins.
static int open_start(const struct call *call, const char *path, int number)
{
	char start[48];
	if (*path == '/' || number == AT_FDCWD) snprintf(start, sizeof start, "%u/%s", call->asked->pid, *path == '/' ? "root" : "cwd");
	else snprintf(start, sizeof start, "%u/fd/%d", call->asked->pid, number);
	return openat(call->proc, start, O_PATH | O_CLOEXEC);
}

// The file that the call names, open for looks only, or a negative errno.
static int open_named(const struct call *call)
{
	const signed char *is = call->as->is;
	const __u64 *args = call->asked->data.args;
	int number = is[IS_FILE] == NONE ? AT_FDCWD : (int)args[(int)is[IS_FILE]];
	int always = is[IS_FLAGS] == NO_FOLLOW ? AT_SYMLINK_NOFOLLOW : is[IS_FLAGS] == NO_PATH ? AT_EMPTY_PATH : 0;
	int flags = is[IS_FLAGS] < 0 ? always : (int)args[(int)is[IS_FLAGS]];
	uint64_t address = is[IS_PATH] == NONE ? 0 : args[(int)is[IS_PATH]];
	char path[4096] = "";
	if ((address || !(flags & AT_EMPTY_PATH)) && !call_read_text(call, address, path, sizeof path)) return -EFAULT;
	// "self" in /proc would be this process.
	if (strncmp(path, "/proc/", 6) == 0) return -EXDEV;
	int from = open_start(call, path, number);
	if (from < 0) return -EBADF;
	if (!*path && flags & AT_EMPTY_PATH) return from;
	// From its root everything stays in there, also what a chroot sees; this process has the same root otherwise.
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0),
		.resolve = *path == '/' ? RESOLVE_IN_ROOT : 0,
	};
	int fd = (int)syscall(SYS_openat2, from, path, &how, sizeof how);
	return closed(from, fd < 0 ? -errno : fd);
}

static void own_path(char path[32], int fd)
{
	snprintf(path, 32, "/proc/self/fd/%d", fd);
}

static int change(const struct call *call, int fd, uid_t uid, gid_t gid)
{
	struct stat status;
	struct recorded recorded;
	char path[32];
	own_path(path, fd);
	if (fstatat(fd, "", &status, AT_EMPTY_PATH) < 0) return -errno;
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return 0;
	if (record_read(RECORD_FOLLOWED_PATH, path, &recorded) < 0) return -errno;
	const struct recorded before = recorded;
	if (uid != (uid_t)-1) recorded.uid = uid;
	if (gid != (gid_t)-1) recorded.gid = gid;
	if (ids_is_other(call) && (recorded.uid != before.uid || recorded.gid != before.gid)) return -EPERM;
	if (!call_waits(call)) return -EINTR;
	if (record_write(RECORD_FOLLOWED_PATH, path, &recorded) < 0) return -errno;
	// Who gets a program shall not get the former owner's rights with it.
	mode_t mode = status.st_mode & 07777, kept = mode & ~(mode_t)(S_ISUID | (mode & S_IXGRP ? S_ISGID : 0));
	return S_ISREG(status.st_mode) && kept != mode && chmod(path, kept) < 0 ? -errno : 0;
}

int files_chown(const struct call *call, int64_t *value)
{
	(void)value;
	const __u64 *ids = call->asked->data.args + call->as->is[IS_REST];
	int fd = open_named(call);
	// /proc/self/fd and the like: a file of the same name may be another one here.
	if (fd == -EXDEV) return ANSWER_BY_KERNEL;
	return fd < 0 ? fd : closed(fd, change(call, fd, (uid_t)ids[0], (gid_t)ids[1]));
}

static mode_t device_mode(const struct recorded *recorded)
{
	return (recorded->mode & 07777) | (recorded->device == 'c' ? S_IFCHR : S_IFBLK);
}

static int show_stat(const struct call *call, int fd, const struct recorded *recorded, uint64_t address)
{
	struct stat status;
	if (fstatat(fd, "", &status, AT_EMPTY_PATH) < 0) return -errno;
	status.st_uid = recorded->uid;
	status.st_gid = recorded->gid;
	if (recorded->device) {
		status.st_mode = device_mode(recorded);
		status.st_rdev = makedev(recorded->major, recorded->minor);
	}
	return call_write(call, address, &status, sizeof status) ? 0 : -EFAULT;
}

static int show_statx(const struct call *call, int fd, const struct recorded *recorded, uint64_t address)
{
	const __u64 *args = call->asked->data.args;
	struct statx status;
	int flags = (int)(args[2] & (AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC)) | AT_EMPTY_PATH;
	if (syscall(SYS_statx, fd, "", flags, (unsigned)args[3], &status) < 0) return -errno;
	status.stx_uid = recorded->uid;
	status.stx_gid = recorded->gid;
	if (recorded->device) {
		status.stx_mode = (__u16)device_mode(recorded);
		status.stx_rdev_major = recorded->major;
		status.stx_rdev_minor = recorded->minor;
	}
	return call_write(call, address, &status, sizeof status) ? 0 : -EFAULT;
}

// Without a record the kernel's own answer is right, and so are its errors.
int files_stat(const struct call *call, int64_t *value)
{
	(void)value;
	struct recorded recorded;
	char path[32];
	int fd = open_named(call);
	own_path(path, fd);
	bool has = fd >= 0 && record_read(RECORD_FOLLOWED_PATH, path, &recorded) == 0 && (recorded.uid || recorded.gid || recorded.device);
	if (!has || !call_waits(call)) return closed(fd, ANSWER_BY_KERNEL);
	uint64_t address = call->asked->data.args[(int)call->as->is[IS_REST]];
	bool is_statx = call->asked->data.nr == SYS_statx;
	return closed(fd, is_statx ? show_statx(call, fd, &recorded, address) : show_stat(call, fd, &recorded, address));
}
