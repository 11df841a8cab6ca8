// The content of new files: from the request stream, or from a file of the host.
#include "fail.h"
#include "files-operation.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	COPY_BUFFER = 256 << 10,
	// What is smaller is no block of its own in most file systems.
	CLONE_MIN = 4096,
	// From here on a copy within the kernel outweighs opening the file once more.
	BENEATH_MIN = 128 << 10,
};
static unsigned char copy_buffer[COPY_BUFFER];

static int write_all(int fd, const unsigned char *bytes, size_t length, const char *path)
{
	while (length > 0) {
		ssize_t n = write(fd, bytes, length);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return fail_errno("write", path);
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

// Long enough to be worth a hole, and nothing but zeros.
static bool is_hole(const unsigned char *bytes, size_t length)
{
	return length >= 4096 && bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

// The next up to `max` raw bytes (at least one) behind a record. `*bytes` stays valid until the next call, the record's
// strings until wire_next.
static ptrdiff_t next_data(struct wire *wire, size_t max, const unsigned char **bytes)
{
	static unsigned char data[1 << 18];
	size_t length = wire->end - wire->start;
	if (length == 0) {
		*bytes = data;
		return wire_receive(wire, data, max < sizeof data ? max : sizeof data);
	}
	if (length > max) length = max;
	*bytes = wire->buffer + wire->start;
	wire->start += length;
	return (ptrdiff_t)length;
}

int data_inline(struct files *files, int fd, const struct operation *operation)
{
	bool ends_in_hole = false;
	for (uint64_t left = operation->size; left > 0;) {
		const unsigned char *bytes;
		ptrdiff_t n = next_data(&files->wire, left < PTRDIFF_MAX ? (size_t)left : PTRDIFF_MAX, &bytes);
		if (n < 0) return -1;
		ends_in_hole = is_hole(bytes, (size_t)n);
		if (ends_in_hole ? lseek(fd, n, SEEK_CUR) < 0 : write_all(fd, bytes, (size_t)n, operation->path) < 0) return fail_errno("write", operation->path);
		left -= (uint64_t)n;
	}
	if (ends_in_hole && ftruncate(fd, (off_t)operation->size) < 0) return fail_errno("write", operation->path);
	files->bytes += (int64_t)operation->size;
	return 0;
}

static int fail_changed(const char *path)
{
	return fail_kind("source-changed", 0, "copy", path, "the file changed while it was being copied");
}

static bool was_refused(const struct refusal *refusal, dev_t device)
{
	return refusal->any && refusal->device == device;
}

// A content and where it goes; `plain` when the kernel can only copy it through this process.
struct copy {
	int from, to;
	dev_t device;
	bool plain;
	const struct operation *operation;
};

// Moves `length` bytes; both files stand at the right offset.
static int copy_bytes(struct files *files, struct copy *copy, uint64_t length)
{
	const int from = copy->from, to = copy->to;
	const struct operation *operation = copy->operation;
	while (length > 0 && !copy->plain) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, length < (1u << 30) ? (size_t)length : 1u << 30, 0);
		if (n == 0) return fail_changed(operation->other);
		if (n > 0) {
			length -= (uint64_t)n;
		} else if (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG) {
			return fail_errno("write", operation->path);
		} else if (errno != EINTR) {
			// Not between these two file systems: it fails at the first call, and then always.
			files->copy_range = (struct refusal){ .any = true, .device = copy->device };
			copy->plain = true;
		}
	}
	while (length > 0) {
		ssize_t n = read(from, copy_buffer, length < COPY_BUFFER ? (size_t)length : COPY_BUFFER);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return fail_errno("read", operation->other);
		if (n == 0) return fail_changed(operation->other);
		if (write_all(to, copy_buffer, (size_t)n, operation->path) < 0) return -1;
		length -= (uint64_t)n;
	}
	return 0;
}

// Holes stay holes: a disk image of 100 GB may hold one.
static int copy_sparse(struct files *files, struct copy *copy, off_t size)
{
	const int from = copy->from, to = copy->to;
	const struct operation *operation = copy->operation;
	for (off_t at = 0; at < size;) {
		off_t data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO) break;
		off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (hole < 0) return fail_errno("read", operation->other);
		if (hole > size) hole = size;
		if (data >= size) break;
		if (lseek(from, data, SEEK_SET) < 0 || lseek(to, data, SEEK_SET) < 0) return fail_errno("copy", operation->path);
		if (copy_bytes(files, copy, (uint64_t)(hole - data)) < 0) return -1;
		at = hole;
	}
	return ftruncate(to, size) < 0 ? fail_errno("write", operation->path) : 0;
}

// Overlayfs shares no extents with a file outside of it. The new file `fd`, which is in the upper directory, is
// therefore filled there; its owner, mode and times, set through the mount afterwards, make the mount look again.
// -1: it cannot be told which file that is, or nothing is gained.
static int open_beneath(const struct files *files, int fd)
{
	char name[64], root[PATH_MAX], path[PATH_MAX];
	snprintf(name, sizeof name, "/proc/self/fd/%d", files->at.root);
	ssize_t prefix = readlink(name, root, sizeof root);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(name, path, sizeof path - 1);
	if (prefix < 0 || length <= prefix || memcmp(path, root, (size_t)prefix) != 0 || path[prefix] != '/') return -1;
	path[length] = 0;
	struct open_how how = {
		.flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int beneath = (int)syscall(SYS_openat2, files->upper, path + prefix + 1, &how, sizeof how);
	struct stat status;
	if (beneath < 0 || (fstat(beneath, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0 && status.st_nlink == 1)) return beneath;
	close(beneath);
	return -1;
}

static int copy_content(struct files *files, struct copy *copy, const struct stat *status)
{
	if (!was_refused(&files->clone, status->st_dev) && !copy->plain && status->st_size >= CLONE_MIN) {
		if (ioctl(copy->to, FICLONE, copy->from) == 0) {
			// The source may have grown or shrunk since.
			struct stat made;
			if (fstat(copy->to, &made) < 0) return fail_errno("copy", copy->operation->path);
			return made.st_size == status->st_size ? 0 : fail_changed(copy->operation->other);
		}
		files->clone = (struct refusal){ .any = true, .device = status->st_dev };
	}
	copy->plain = copy->plain || was_refused(&files->copy_range, status->st_dev);
	if (status->st_size >= 1 << 16 && status->st_blocks < status->st_size / 512) return copy_sparse(files, copy, status->st_size);
	return copy_bytes(files, copy, (uint64_t)status->st_size);
}

static int copy_open(struct files *files, int from, int to, const struct operation *operation)
{
	struct stat status;
	if (fstat(from, &status) < 0) return fail_errno("read", operation->other);
	if (!S_ISREG(status.st_mode)) return fail_kind("source-not-regular", EINVAL, "copy", operation->other, "not a regular file");
	if (operation->flags & OPERATION_HAS_INODE && operation->minor != status.st_ino) return fail_changed(operation->other);
	if (operation->flags & OPERATION_HAS_SIZE && operation->size != (uint64_t)status.st_size) return fail_changed(operation->other);
	files->bytes += status.st_size;
	bool clones = !was_refused(&files->clone, status.st_dev), ranges = !was_refused(&files->copy_range, status.st_dev);
	bool gains = (clones && status.st_size >= CLONE_MIN) || (ranges && status.st_size >= BENEATH_MIN);
	int beneath = files->upper >= 0 && gains ? open_beneath(files, to) : -1;
	struct copy copy = {
		.from = from,
		.to = beneath >= 0 ? beneath : to,
		.device = status.st_dev,
		.plain = files->upper >= 0 && beneath < 0,
		.operation = operation,
	};
	int result = copy_content(files, &copy, &status);
	if (beneath >= 0 && close(beneath) < 0 && result == 0) result = fail_errno("write", operation->path);
	return result;
}

int data_copy(struct files *files, int fd, const struct operation *operation)
{
	// O_NONBLOCK: a FIFO put in the file's place must not stop the build. No link may stand anywhere in the path:
	// whoever can write to a build context can swap one of its directories for a link to any place of the host.
	struct open_how how = {
		.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int from = (int)syscall(SYS_openat2, AT_FDCWD, operation->other, &how, sizeof how);
	if (from < 0 && errno == ELOOP) return fail_kind("source-not-regular", ELOOP, "copy", operation->other, "not a regular file, or there is a link in its path");
	if (from < 0) return fail_errno("open", operation->other);
	int result = copy_open(files, from, fd, operation);
	close(from);
	return result;
}
