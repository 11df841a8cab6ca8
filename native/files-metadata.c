// Owner, extended attributes, mode and times of what `files` mode makes.
#include "fail.h"
#include "files-operation.h"
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void times_of(int64_t mtime, struct timespec times[2])
{
	int64_t seconds = mtime / 1000000000, nanoseconds = mtime % 1000000000;
	if (nanoseconds < 0) {
		nanoseconds += 1000000000;
		seconds--;
	}
	times[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	times[1] = (struct timespec){ .tv_sec = seconds, .tv_nsec = nanoseconds };
}

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

// Sets the attributes on `fd`, or on `path` itself when fd is -1.
static int set_xattrs(struct files *files, int fd, const char *path, const struct operation *operation)
{
	struct record xattrs = operation->xattrs;
	while (record_more(&xattrs)) {
		size_t length;
		const char *name = record_text(&xattrs);
		const unsigned char *value = record_bytes(&xattrs, &length);
		if (xattrs.malformed) break;
		// These steer overlayfs; only the OPAQUE operation may write one.
		if (begins_with(name, "trusted.overlay.") || begins_with(name, "user.overlay."))
			return fail_kind("xattr-reserved", EPERM, "set extended attribute", operation->path, "overlay attributes cannot be set");
		int result = fd >= 0 ? fsetxattr(fd, name, value, length, 0) : lsetxattr(path, name, value, length, 0);
		if (result == 0) continue;
		// user.* is a convenience that not every file system has, and links and devices never.
		if (begins_with(name, "user.") && (errno == ENOTSUP || (fd < 0 && errno == EPERM))) {
			files->xattrs_skipped++;
			continue;
		}
		return fail_errno("set extended attribute", operation->path);
	}
	return xattrs.malformed ? fail_kind("malformed", EPROTO, "request", operation->path, "an attribute list is malformed") : 0;
}

// A new file has the helper's own ids, unless its directory hands down the group.
static bool owner_is_right(const struct files *files, const struct operation *operation)
{
	return operation->opcode != OP_DIRECTORY && !files->at.parent_setgid && operation->uid == geteuid() && operation->gid == getegid();
}

static int fail_owner(const struct operation *operation)
{
	char text[80];
	if (errno != EINVAL) return fail_errno("set owner", operation->path);
	snprintf(text, sizeof text, "no user %u or no group %u in this user namespace", operation->uid, operation->gid);
	return fail_kind("owner-unmapped", EINVAL, "set owner", operation->path, text);
}

// Links and pipes can have no record: where there is one id they stay root's.
static int record_owner(int fd, const char *path, const struct operation *operation)
{
	const struct recorded owner = { .uid = operation->uid, .gid = operation->gid };
	if (record_write(fd, path, &owner) < 0 && (fd >= 0 || errno != EPERM)) return fail_errno("record owner", operation->path);
	return 0;
}

int metadata_fd(struct files *files, int fd, const struct operation *operation)
{
	bool has_owner = owner_is_right(files, operation);
	if (!has_owner && files->records_owners && record_owner(fd, NULL, operation) < 0) return -1;
	if (!has_owner && !files->records_owners && fchown(fd, operation->uid, operation->gid) < 0) return fail_owner(operation);
	if (set_xattrs(files, fd, NULL, operation) < 0) return -1;
	if (fchmod(fd, operation->mode) < 0) return fail_errno("set mode", operation->path);
	if (!(operation->flags & OPERATION_HAS_MTIME)) return 0;
	if (operation->opcode == OP_DIRECTORY) return late_times_add(files, operation);
	struct timespec times[2];
	times_of(operation->mtime, times);
	return futimens(fd, times) < 0 ? fail_errno("set time", operation->path) : 0;
}

// Devices must not be opened, and fchmodat would follow a link put in their place.
static int set_mode(int parent, const char *leaf, const struct operation *operation)
{
	struct stat status;
	char path[64];
	int fd = openat(parent, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) return fail_errno("set mode", operation->path);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int result = fstat(fd, &status);
	if (result == 0 && S_ISLNK(status.st_mode)) {
		errno = ELOOP;
		result = -1;
	}
	if (result == 0) result = chmod(path, operation->mode);
	if (result < 0) fail_errno("set mode", operation->path);
	close(fd);
	return result;
}

static int leaf_metadata(struct files *files, int parent, const char *leaf, const struct operation *operation, bool has_owner, bool is_link)
{
	// The kernel has no *at form for attributes; the parent's own fd keeps the name where it was.
	char path[64 + 256];
	snprintf(path, sizeof path, "/proc/self/fd/%d/%.255s", parent, leaf);
	if (!has_owner && files->records_owners && record_owner(-1, path, operation) < 0) return -1;
	if (!has_owner && !files->records_owners && fchownat(parent, leaf, operation->uid, operation->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_owner(operation);
	if (record_more(&operation->xattrs)) {
		if (set_xattrs(files, -1, path, operation) < 0) return -1;
	}
	if (!is_link && set_mode(parent, leaf, operation) < 0) return -1;
	if (!(operation->flags & OPERATION_HAS_MTIME)) return 0;
	struct timespec times[2];
	times_of(operation->mtime, times);
	return utimensat(parent, leaf, times, AT_SYMLINK_NOFOLLOW) < 0 ? fail_errno("set time", operation->path) : 0;
}

int metadata_leaf(struct files *files, int parent, const char *leaf, const struct operation *operation)
{
	return leaf_metadata(files, parent, leaf, operation, owner_is_right(files, operation), operation->opcode == OP_SYMLINK);
}

int metadata_link(struct files *files, int parent, const char *leaf, const struct operation *operation)
{
	struct stat status;
	if (fstatat(parent, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("set owner", operation->path);
	if (!S_ISLNK(status.st_mode)) return leaf_metadata(files, parent, leaf, operation, false, false);
	struct operation owner = *operation;
	owner.flags &= ~(uint64_t)OPERATION_HAS_MTIME;
	return leaf_metadata(files, parent, leaf, &owner, false, true);
}

int late_times_add(struct files *files, const struct operation *operation)
{
	if (files->late_count == files->late_capacity) {
		size_t capacity = files->late_capacity ? files->late_capacity * 2 : 256;
		struct late_time *late = realloc(files->late, capacity * sizeof *late);
		if (!late) return fail_code(ENOMEM, "set time", operation->path);
		files->late = late;
		files->late_capacity = capacity;
	}
	char *path = strdup(operation->path);
	if (!path) return fail_code(ENOMEM, "set time", operation->path);
	files->late[files->late_count++] = (struct late_time){ .path = path, .mtime = operation->mtime };
	return 0;
}

static int late_time_apply(struct files *files, const struct late_time *late)
{
	const char *leaf;
	struct stat status;
	int parent = inroot_open_parent(&files->at, late->path, &leaf);
	// A later operation may have removed the directory or put something else there.
	if (parent < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno("set time", late->path);
	if (fstatat(parent, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? 0 : fail_errno("set time", late->path);
	if (!S_ISDIR(status.st_mode)) return 0;
	struct timespec times[2];
	times_of(late->mtime, times);
	return utimensat(parent, leaf, times, AT_SYMLINK_NOFOLLOW) < 0 ? fail_errno("set time", late->path) : 0;
}

int late_times_apply(struct files *files)
{
	int result = 0;
	for (size_t i = 0; i < files->late_count; i++) {
		if (result == 0) result = late_time_apply(files, &files->late[i]);
		free(files->late[i].path);
	}
	free(files->late);
	files->late = NULL;
	files->late_count = files->late_capacity = 0;
	return result;
}
