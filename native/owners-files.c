// Owners of files for a step that cannot set them: chown records (record.h), stat shows what is recorded. Links, pipes
// and sockets can have no record: they stay root's, and to chown them does nothing.
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

// What a call names: a file by its number (no path), or by a path from a directory.
struct named {
	int fd;
	uint64_t path;
	bool follow, may_be_empty;
};

static int open_of(const struct call *call, const char *what, int number)
{
	char path[48];
	if (number < 0) snprintf(path, sizeof path, "%u/%s", call->asked->pid, what);
	else snprintf(path, sizeof path, "%u/fd/%d", call->asked->pid, number);
	return openat(call->proc, path, O_PATH | O_CLOEXEC);
}

// The named file, open for looks only, or a negative errno.
static int open_named(const struct call *call, const struct named *named)
{
	char path[4096] = "";
	if (named->path && !call_read_text(call, named->path, path, sizeof path)) return -EFAULT;
	bool by_number = !named->path || (named->may_be_empty && !*path);
	if (by_number && named->fd >= 0) {
		int fd = open_of(call, NULL, named->fd);
		return fd < 0 ? -EBADF : fd;
	}
	// "self" in /proc would be this process.
	if (strncmp(path, "/proc/", 6) == 0) return -EXDEV;
	int from = *path == '/' ? open_of(call, "root", -1) : named->fd == AT_FDCWD ? open_of(call, "cwd", -1) : open_of(call, NULL, named->fd);
	if (from < 0) return -errno;
	// From its root everything stays in there, also what a chroot sees; this process has the same root otherwise.
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | (named->follow ? 0 : O_NOFOLLOW), .resolve = *path == '/' ? RESOLVE_IN_ROOT : 0 };
	int fd = by_number ? dup(from) : (int)syscall(SYS_openat2, from, path, &how, sizeof how);
	int result = fd < 0 ? -errno : fd;
	close(from);
	return result;
}

static void own_path(char path[32], int fd)
{
	snprintf(path, 32, "/proc/self/fd/%d", fd);
}

static bool can_record(const struct stat *status)
{
	return S_ISREG(status->st_mode) || S_ISDIR(status->st_mode);
}

static int change(const struct call *call, int fd, uid_t uid, gid_t gid)
{
	struct stat status;
	struct recorded recorded;
	char path[32];
	own_path(path, fd);
	if (fstatat(fd, "", &status, AT_EMPTY_PATH) < 0) return -errno;
	if (!can_record(&status)) return 0;
	if (record_read(RECORD_FOLLOWED_PATH, path, &recorded) < 0) return -errno;
	const struct recorded before = recorded;
	if (uid != (uid_t)-1) recorded.uid = uid;
	if (gid != (gid_t)-1) recorded.gid = gid;
	if (ids_is_other(call) && (recorded.uid != before.uid || recorded.gid != before.gid)) return -EPERM;
	if (!call_waits(call)) return -EINTR;
	if (record_write(RECORD_FOLLOWED_PATH, path, &recorded) < 0) return -errno;
	// Who gets a program shall not get the former owner's rights with it.
	mode_t mode = status.st_mode & 07777, kept = mode & ~(mode_t)(S_ISUID | (mode & S_IXGRP ? S_ISGID : 0));
	if (S_ISREG(status.st_mode) && kept != mode && chmod(path, kept) < 0) return -errno;
	return 0;
}

int files_chown(const struct call *call, int64_t *value)
{
	const __u64 *args = call->asked->data.args;
	struct named named = { .fd = AT_FDCWD, .path = args[0], .follow = true };
	const __u64 *ids = args + 1;
	switch (call->asked->data.nr) {
	case SYS_fchown: named = (struct named){ .fd = (int)args[0] }; break;
	case SYS_fchownat:
		named = (struct named){ .fd = (int)args[0], .path = args[1], .follow = !(args[4] & AT_SYMLINK_NOFOLLOW), .may_be_empty = args[4] & AT_EMPTY_PATH };
		ids = args + 2;
		break;
#ifdef SYS_lchown
	case SYS_lchown: named.follow = false; break;
#endif
	}
	int fd = open_named(call, &named);
	// /proc/self/fd and the like: a file of the same name may be another one here.
	if (fd == -EXDEV) return ANSWER_BY_KERNEL;
	if (fd < 0) return fd;
	*value = 0;
	int result = change(call, fd, (uid_t)ids[0], (gid_t)ids[1]);
	close(fd);
	return result;
}

static int show_stat(const struct call *call, int fd, const struct recorded *recorded, uint64_t address)
{
	struct stat status;
	if (fstatat(fd, "", &status, AT_EMPTY_PATH) < 0) return -errno;
	status.st_uid = recorded->uid;
	status.st_gid = recorded->gid;
	if (recorded->device) {
		status.st_mode = (recorded->mode & 07777) | (recorded->device == 'c' ? S_IFCHR : S_IFBLK);
		status.st_rdev = makedev(recorded->major, recorded->minor);
	}
	return call_write(call, address, &status, sizeof status) ? 0 : -EFAULT;
}

static int show_statx(const struct call *call, int fd, const struct recorded *recorded)
{
	const __u64 *args = call->asked->data.args;
	struct statx status;
	int flags = (int)(args[2] & (AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC)) | AT_EMPTY_PATH;
	if (syscall(SYS_statx, fd, "", flags, (unsigned)args[3], &status) < 0) return -errno;
	status.stx_uid = recorded->uid;
	status.stx_gid = recorded->gid;
	if (recorded->device) {
		status.stx_mode = (__u16)((recorded->mode & 07777) | (recorded->device == 'c' ? S_IFCHR : S_IFBLK));
		status.stx_rdev_major = recorded->major;
		status.stx_rdev_minor = recorded->minor;
	}
	return call_write(call, args[4], &status, sizeof status) ? 0 : -EFAULT;
}

// Without a record the kernel's own answer is right, and so are its errors.
int files_stat(const struct call *call, int64_t *value)
{
	const __u64 *args = call->asked->data.args;
	struct named named = { .fd = AT_FDCWD, .path = args[0], .follow = true };
	uint64_t address = args[1];
	switch (call->asked->data.nr) {
	case SYS_fstat: named = (struct named){ .fd = (int)args[0] }; break;
	case SYS_newfstatat:
		named = (struct named){ .fd = (int)args[0], .path = args[1], .follow = !(args[3] & AT_SYMLINK_NOFOLLOW), .may_be_empty = args[3] & AT_EMPTY_PATH };
		address = args[2];
		break;
	case SYS_statx:
		named = (struct named){ .fd = (int)args[0], .path = args[1], .follow = !(args[2] & AT_SYMLINK_NOFOLLOW), .may_be_empty = args[2] & AT_EMPTY_PATH };
		break;
#ifdef SYS_lstat
	case SYS_lstat: named.follow = false; break;
#endif
	}
	int fd = open_named(call, &named);
	if (fd < 0) return ANSWER_BY_KERNEL;
	struct recorded recorded = { 0 };
	char path[32];
	own_path(path, fd);
	int result = ANSWER_BY_KERNEL;
	bool has = record_read(RECORD_FOLLOWED_PATH, path, &recorded) == 0 && (recorded.uid || recorded.gid || recorded.device);
	if (has && call_waits(call)) result = call->asked->data.nr == SYS_statx ? show_statx(call, fd, &recorded) : show_stat(call, fd, &recorded, address);
	*value = 0;
	close(fd);
	return result;
}
