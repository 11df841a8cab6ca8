// See addon-read.h.
#include "addon-read.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int64_t nanoseconds(struct timespec time)
{
	int64_t value;
	if (__builtin_mul_overflow((int64_t)time.tv_sec, (int64_t)1000000000, &value) || __builtin_add_overflow(value, (int64_t)time.tv_nsec, &value))
		return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return value;
}

static bool same_times(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool is_listed(const struct read_item *item, const struct stat *status)
{
	if ((uint64_t)status->st_size != item->size) return false;
	if (item->flags & READ_IDENTITY && (status->st_dev != item->dev || status->st_ino != item->ino)) return false;
	return !(item->flags & READ_TIMES) || (nanoseconds(status->st_mtim) == item->mtime_ns && nanoseconds(status->st_ctim) == item->ctime_ns);
}

// Exactly `size` bytes, or READ_CHANGED, or an errno.
static int read_whole(int fd, unsigned char *into, size_t size)
{
	// One byte more than there should be: some file systems tell a size late, or never.
	unsigned char further;
	for (;;) {
		ssize_t n = size > 0 ? read(fd, into, size) : read(fd, &further, 1);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return errno;
		if (size == 0) return n == 0 ? 0 : READ_CHANGED;
		if (n == 0) return READ_CHANGED;
		into += n;
		size -= (size_t)n;
	}
}

static int read_open(int fd, const struct read_item *item, unsigned char *into)
{
	struct stat before, after;
	if (fstat(fd, &before) < 0) return errno;
	if (!S_ISREG(before.st_mode) || !is_listed(item, &before)) return READ_CHANGED;
	int error = read_whole(fd, into + item->offset, (size_t)item->size);
	if (error) return error;
	if (fstat(fd, &after) < 0) return errno;
	return after.st_size == before.st_size && same_times(&before, &after) ? 0 : READ_CHANGED;
}

static int read_file(const struct read_item *item, const char *path, unsigned char *into)
{
	// O_NONBLOCK: a FIFO put in the file's place must not stop the build.
	struct open_how how = {
		.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
	if (fd < 0) return errno;
	int error = read_open(fd, item, into);
	close(fd);
	return error;
}

struct read_failure read_files(const unsigned char *items, size_t items_length, unsigned char *into, size_t into_length)
{
	struct read_failure failure = { 0 };
	for (size_t at = 0; at < items_length; failure.index++) {
		struct read_item item;
		failure.error = READ_MALFORMED;
		if (items_length - at < sizeof item) return failure;
		memcpy(&item, items + at, sizeof item);
		if (item.row_length > items_length - at || item.row_length <= sizeof item) return failure;
		if (item.path_length >= item.row_length - sizeof item) return failure;
		const char *path = (const char *)items + at + sizeof item;
		if (strnlen(path, item.path_length + 1) != item.path_length) return failure;
		if (item.offset > into_length || item.size > into_length - item.offset) return failure;
		failure.error = read_file(&item, path, into);
		if (failure.error) return failure;
		at += item.row_length;
	}
	failure.error = 0;
	return failure;
}
