// See addon-measure.h.
#include "addon-measure.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct measure {
	struct measure_result *result;
	dev_t device;
	// Inodes with several names that were counted: open addressing, 0 is free, a power of two of places.
	uint64_t *seen;
	size_t places, used;
	DIR **levels;
	size_t depth, capacity;
};

static bool fail(struct measure *measure, int error, const char *call)
{
	if (!measure->result->error) {
		measure->result->error = error;
		measure->result->call = call;
	}
	return false;
}

static void insert(uint64_t *seen, size_t places, uint64_t inode)
{
	size_t at = (inode * 0x9e3779b97f4a7c15u) & (places - 1);
	while (seen[at] && seen[at] != inode) at = (at + 1) & (places - 1);
	seen[at] = inode;
}

static bool is_seen(const struct measure *measure, uint64_t inode)
{
	if (!measure->places) return false;
	size_t at = (inode * 0x9e3779b97f4a7c15u) & (measure->places - 1);
	while (measure->seen[at] && measure->seen[at] != inode) at = (at + 1) & (measure->places - 1);
	return measure->seen[at] == inode;
}

static bool remember(struct measure *measure, uint64_t inode)
{
	if (2 * measure->used >= measure->places) {
		size_t places = measure->places ? 2 * measure->places : 256;
		uint64_t *seen = calloc(places, sizeof *seen);
		if (!seen) return fail(measure, ENOMEM, "malloc");
		for (size_t i = 0; i < measure->places; i++)
			if (measure->seen[i]) insert(seen, places, measure->seen[i]);
		free(measure->seen);
		measure->seen = seen;
		measure->places = places;
	}
	insert(measure->seen, measure->places, inode);
	measure->used++;
	return true;
}

static bool count(struct measure *measure, const struct stat *status)
{
	if (status->st_nlink > 1 && !S_ISDIR(status->st_mode)) {
		if (is_seen(measure, status->st_ino)) return true;
		if (!remember(measure, status->st_ino)) return false;
	}
	measure->result->bytes += (uint64_t)status->st_blocks * 512;
	measure->result->inodes++;
	return true;
}

// Takes `fd` over, whatever happens.
static bool enter(struct measure *measure, int fd)
{
	if (measure->depth == measure->capacity) {
		size_t capacity = measure->capacity ? 2 * measure->capacity : 16;
		DIR **levels = realloc(measure->levels, capacity * sizeof *levels);
		if (!levels) {
			close(fd);
			return fail(measure, ENOMEM, "malloc");
		}
		measure->levels = levels;
		measure->capacity = capacity;
	}
	DIR *directory = fdopendir(fd);
	if (!directory) {
		int error = errno;
		close(fd);
		return fail(measure, error, "opendir");
	}
	measure->levels[measure->depth++] = directory;
	return true;
}

static bool is_gone(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

static bool visit(struct measure *measure)
{
	DIR *directory = measure->levels[measure->depth - 1];
	errno = 0;
	struct dirent *entry = readdir(directory);
	if (!entry) {
		if (errno) return fail(measure, errno, "readdir");
		closedir(directory);
		measure->depth--;
		return true;
	}
	const char *name = entry->d_name;
	if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) return true;
	struct stat status;
	if (fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) < 0) return is_gone(errno) ? true : fail(measure, errno, "lstat");
	// What is mounted there is no part of it.
	if (status.st_dev != measure->device) return true;
	if (!count(measure, &status)) return false;
	if (!S_ISDIR(status.st_mode)) return true;
	int fd = openat(dirfd(directory), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) return enter(measure, fd);
	return is_gone(errno) ? true : fail(measure, errno, "open");
}

void measure_tree(const char *path, struct measure_result *result)
{
	*result = (struct measure_result){ 0 };
	struct measure measure = { .result = result };
	struct stat status;
	bool good = lstat(path, &status) == 0 || fail(&measure, errno, "lstat");
	if (good) {
		measure.device = status.st_dev;
		good = count(&measure, &status);
	}
	if (good && S_ISDIR(status.st_mode)) {
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		good = fd >= 0 ? enter(&measure, fd) : fail(&measure, errno, "open");
	}
	while (good && measure.depth) good = visit(&measure);
	while (measure.depth) closedir(measure.levels[--measure.depth]);
	free(measure.levels);
	free(measure.seen);
}
