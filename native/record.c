// See record.h. The text is `uid:gid`, and for devices `uid:gid:c:major:minor:mode`, the mode octal.
#include "record.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MAX_TEXT = 96 };

int record_write(int fd, const char *path, const struct recorded *recorded)
{
	char text[MAX_TEXT];
	if (recorded->uid == 0 && recorded->gid == 0 && !recorded->device) {
		int removed = fd >= 0 ? fremovexattr(fd, RECORD_XATTR) : fd == RECORD_PATH ? lremovexattr(path, RECORD_XATTR) : removexattr(path, RECORD_XATTR);
		return removed == 0 || errno == ENODATA || errno == ENOTSUP ? 0 : -1;
	}
	int length = snprintf(text, sizeof text, "%u:%u", recorded->uid, recorded->gid);
	if (recorded->device)
		length += snprintf(text + length, sizeof text - (size_t)length, ":%c:%u:%u:%o", recorded->device, recorded->major, recorded->minor, recorded->mode & 07777);
	if (fd >= 0) return fsetxattr(fd, RECORD_XATTR, text, (size_t)length, 0);
	return (fd == RECORD_PATH ? lsetxattr : setxattr)(path, RECORD_XATTR, text, (size_t)length, 0);
}

int record_read(int fd, const char *path, struct recorded *recorded)
{
	char text[MAX_TEXT];
	*recorded = (struct recorded){ 0 };
	ssize_t length = fd >= 0 ? fgetxattr(fd, RECORD_XATTR, text, sizeof text - 1) : (fd == RECORD_PATH ? lgetxattr : getxattr)(path, RECORD_XATTR, text, sizeof text - 1);
	if (length < 0) return errno == ENODATA || errno == ENOTSUP ? 0 : -1;
	text[length] = 0;
	struct recorded read = { 0 };
	int fields = sscanf(text, "%u:%u:%c:%u:%u:%o", &read.uid, &read.gid, &read.device, &read.major, &read.minor, &read.mode);
	// A step may write what it likes there; what is no record says nothing.
	if (fields == 2 || (fields == 6 && (read.device == 'c' || read.device == 'b'))) *recorded = read;
	return 0;
}

int record_set_owner(int fd, uid_t uid, gid_t gid, bool is_recorded)
{
	return is_recorded ? record_write(fd, NULL, &(struct recorded){ .uid = uid, .gid = gid }) : fchown(fd, uid, gid);
}
