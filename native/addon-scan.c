// See addon-scan.h.
#include "addon-scan.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

// A directory being listed: its names in one block, sorted.
struct level {
	int fd;
	char *names;     // each behind a `d` for a directory or a `-`
	uint32_t *order; // offsets into names, of the names themselves
	size_t count, next;
	size_t path_length; // of the directory's own path
};

struct scan {
	struct scan_result *result;
	unsigned flags;
	uint64_t left;
	bool limited;
	struct level *levels;
	size_t depth, capacity;
	char *path;
	size_t path_capacity;
};

static bool fail(struct scan *scan, int error, const char *call)
{
	if (scan->result->error) return false;
	scan->result->error = error;
	scan->result->call = call;
	scan->result->path = scan->path ? strdup(scan->path) : NULL;
	return false;
}

// The block grown so that it holds `needed`, or NULL (the old one stays).
static void *grown(void *block, size_t *capacity, size_t needed, size_t item)
{
	if (needed <= *capacity) return block;
	size_t larger = *capacity ? *capacity : 64;
	while (larger < needed) larger *= 2;
	void *moved = realloc(block, larger * item);
	if (moved) *capacity = larger;
	return moved;
}

static bool reserve(struct scan *scan, size_t length)
{
	struct scan_result *result = scan->result;
	void *rows = grown(result->rows, &result->capacity, result->length + length, 1);
	if (!rows) return fail(scan, ENOMEM, "malloc");
	result->rows = rows;
	return true;
}

static bool append(struct scan *scan, const void *bytes, size_t length)
{
	if (!reserve(scan, length)) return false;
	memcpy(scan->result->rows + scan->result->length, bytes, length);
	scan->result->length += length;
	return true;
}

static bool set_path(struct scan *scan, size_t parent_length, const char *name)
{
	size_t length = strlen(name);
	char *path = grown(scan->path, &scan->path_capacity, parent_length + length + 2, 1);
	if (!path) return fail(scan, ENOMEM, "malloc");
	scan->path = path;
	if (parent_length) path[parent_length++] = '/';
	memcpy(path + parent_length, name, length + 1);
	return true;
}

static int64_t nanoseconds(struct timespec time)
{
	int64_t value;
	if (__builtin_mul_overflow((int64_t)time.tv_sec, (int64_t)1000000000, &value) || __builtin_add_overflow(value, (int64_t)time.tv_nsec, &value))
		return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return value;
}

// Appends the attributes of `name` in `fd`; an attribute that vanishes is left out.
static bool append_xattrs(struct scan *scan, int fd, const char *name)
{
	char path[64 + NAME_MAX + 1];
	// The kernel gained listxattrat only in 6.13; the fd keeps the directory, the last name is not followed.
	snprintf(path, sizeof path, "/proc/self/fd/%d/%.255s", fd, name);
	ssize_t size = llistxattr(path, NULL, 0);
	if (size == 0 || (size < 0 && (errno == ENOTSUP || errno == ENOENT))) return true;
	if (size < 0) return fail(scan, errno, "llistxattr");
	char names[XATTR_LIST_MAX];
	static _Thread_local char value[XATTR_SIZE_MAX];
	size = llistxattr(path, names, sizeof names);
	if (size < 0) return errno == ENOENT ? true : fail(scan, errno, "llistxattr");
	for (char *at = names; at < names + size; at += strlen(at) + 1) {
		ssize_t length = lgetxattr(path, at, value, sizeof value);
		if (length < 0 && (errno == ENODATA || errno == ENOENT || errno == ENOTSUP)) continue;
		if (length < 0) return fail(scan, errno, "lgetxattr");
		uint32_t lengths[2] = { (uint32_t)strlen(at), (uint32_t)length };
		if (!append(scan, lengths, sizeof lengths) || !append(scan, at, lengths[0]) || !append(scan, value, lengths[1])) return false;
	}
	return true;
}

// Appends the row of `name` in directory `fd`, whose path is scan->path. false: failed.
static bool append_row(struct scan *scan, int fd, const char *name, const struct stat *status)
{
	if (scan->limited && scan->left-- == 0) return fail(scan, E2BIG, "scan");
	size_t start = scan->result->length;
	struct scan_row row = {
		.mode = status->st_mode,
		.uid = status->st_uid,
		.gid = status->st_gid,
		.nlink = (uint32_t)status->st_nlink,
		.rdev_major = major(status->st_rdev),
		.rdev_minor = minor(status->st_rdev),
		.path_length = (uint32_t)strlen(scan->path),
		.size = (double)status->st_size,
		.dev = (double)status->st_dev,
		.ino = status->st_ino,
		.mtime_ns = nanoseconds(status->st_mtim),
		.ctime_ns = nanoseconds(status->st_ctim),
	};
	if (!append(scan, &row, sizeof row) || !append(scan, scan->path, row.path_length)) return false;
	if (S_ISLNK(status->st_mode)) {
		char target[PATH_MAX];
		ssize_t length = readlinkat(fd, name, target, sizeof target);
		if (length < 0 && (errno == ENOENT || errno == EINVAL)) {
			// Gone since it was looked at: so is its row.
			scan->result->length = start;
			return true;
		}
		if (length < 0) return fail(scan, errno, "readlink");
		row.link_length = (uint32_t)length;
		if (!append(scan, target, (size_t)length)) return false;
	}
	if (scan->flags & SCAN_XATTRS) {
		size_t before = scan->result->length;
		if (!append_xattrs(scan, fd, name)) return false;
		row.xattrs_length = (uint32_t)(scan->result->length - before);
	}
	static const char zeros[8];
	if (!append(scan, zeros, -(scan->result->length - start) & 7)) return false;
	row.row_length = (uint32_t)(scan->result->length - start);
	memcpy(scan->result->rows + start, &row, sizeof row);
	return true;
}

static int by_name(const void *a, const void *b, void *names)
{
	return strcmp((char *)names + *(const uint32_t *)a, (char *)names + *(const uint32_t *)b);
}

static bool is_directory(int fd, const struct dirent *entry)
{
	struct stat status;
	if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
	return fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

static bool read_names(struct scan *scan, struct level *level)
{
	size_t used = 0, names_capacity = 0, order_capacity = 0;
	int own = fcntl(level->fd, F_DUPFD_CLOEXEC, 0);
	DIR *directory = own < 0 ? NULL : fdopendir(own);
	if (!directory) {
		fail(scan, errno, "opendir");
		if (own >= 0) close(own);
		return false;
	}
	bool good = true;
	struct dirent *entry;
	while (good && (errno = 0, entry = readdir(directory))) {
		const char *name = entry->d_name;
		if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) continue;
		size_t length = strlen(name) + 1;
		char *names = grown(level->names, &names_capacity, used + 1 + length, 1);
		if (names) level->names = names;
		uint32_t *order = grown(level->order, &order_capacity, level->count + 1, sizeof *order);
		if (order) level->order = order;
		if (!names || !order || used + 1 + length > UINT32_MAX) {
			good = fail(scan, ENOMEM, "malloc");
		} else {
			names[used++] = is_directory(level->fd, entry) ? 'd' : '-';
			memcpy(names + used, name, length);
			order[level->count++] = (uint32_t)used;
			used += length;
		}
	}
	if (good && errno) good = fail(scan, errno, "readdir");
	closedir(directory);
	if (good && level->count > 1) qsort_r(level->order, level->count, sizeof *level->order, by_name, level->names);
	return good;
}

static void leave(struct scan *scan)
{
	struct level *level = &scan->levels[--scan->depth];
	close(level->fd);
	free(level->names);
	free(level->order);
}

// Takes `fd` over, whatever happens.
static bool enter(struct scan *scan, int fd)
{
	struct level *levels = grown(scan->levels, &scan->capacity, scan->depth + 1, sizeof *levels);
	if (!levels) {
		close(fd);
		return fail(scan, ENOMEM, "malloc");
	}
	scan->levels = levels;
	struct level *level = &levels[scan->depth++];
	*level = (struct level){ .fd = fd, .path_length = strlen(scan->path) };
	return read_names(scan, level);
}

// Whether an entry that cannot be reached with this errno was there only when its name was read.
static bool is_gone(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

static bool visit(struct scan *scan)
{
	struct level *level = &scan->levels[scan->depth - 1];
	if (level->next == level->count) {
		leave(scan);
		return true;
	}
	const char *name = level->names + level->order[level->next++];
	struct stat status;
	if (!set_path(scan, level->path_length, name)) return false;
	if (fstatat(level->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? true : fail(scan, errno, "lstat");
	if (!append_row(scan, level->fd, name, &status)) return false;
	if (!S_ISDIR(status.st_mode)) return true;
	int fd = openat(level->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) return enter(scan, fd);
	return is_gone(errno) ? true : fail(scan, errno, "open");
}

// The directory at path[0..length) below `at`; the kernel takes no path of PATH_MAX bytes, so a longer one goes by pieces.
static int open_directory(int at, const char *path, size_t length, uint64_t resolve)
{
	char piece[PATH_MAX];
	int fd = at;
	for (;;) {
		size_t cut = length;
		while (cut >= sizeof piece) {
			do cut--;
			while (cut > 0 && path[cut] != '/');
		}
		if (cut == 0) errno = ENAMETOOLONG;
		struct open_how how = {
			.flags = (cut == length ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC,
			.resolve = resolve,
		};
		memcpy(piece, path, cut);
		piece[cut] = 0;
		int next = cut ? (int)syscall(SYS_openat2, fd, piece, &how, sizeof how) : -1;
		int error = errno;
		if (fd != at) close(fd);
		errno = error;
		if (next < 0 || cut == length) return next;
		fd = next;
		while (cut < length && path[cut] == '/') cut++;
		path += cut;
		length -= cut;
	}
}

static int open_top(const char *directory, unsigned flags)
{
	uint64_t resolve = flags & SCAN_NO_LINKS ? RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS : 0;
	return open_directory(AT_FDCWD, directory, strlen(directory), resolve);
}

// Frees what the result does not own.
static void finish(struct scan *scan, bool good)
{
	while (scan->depth) leave(scan);
	free(scan->levels);
	free(scan->path);
	if (good) return;
	free(scan->result->rows);
	scan->result->rows = NULL;
}

void scan_tree(const char *directory, unsigned flags, uint64_t max_entries, struct scan_result *result)
{
	*result = (struct scan_result){ 0 };
	struct scan scan = { .result = result, .flags = flags, .left = max_entries, .limited = max_entries > 0 };
	struct stat status;
	int fd = -1;
	bool good = set_path(&scan, 0, "");
	if (good) {
		fd = open_top(directory, flags);
		if (fd < 0) good = fail(&scan, errno, "open");
		else if (fstat(fd, &status) < 0) good = fail(&scan, errno, "stat");
	}
	if (good) good = append_row(&scan, fd, ".", &status);
	if (good) good = enter(&scan, fd);
	else if (fd >= 0) close(fd);
	while (good && scan.depth) good = visit(&scan);
	finish(&scan, good);
}

// The directory that was opened last: the entries of one follow each other.
struct parent {
	int fd;
	const char *path; // in the caller's list
	size_t length;
};

static int open_parent(struct parent *parent, int top, const char *path, size_t length)
{
	if (!length) return top;
	if (parent->fd >= 0 && parent->length == length && !memcmp(parent->path, path, length)) return parent->fd;
	// Below the last one: from there, or each level of a deep tree would cost all those above it.
	int last = parent->fd;
	size_t known = parent->length;
	bool below = last >= 0 && length > known && path[known] == '/' && !memcmp(parent->path, path, known);
	size_t skipped = below ? known + 1 : 0;
	int fd = open_directory(below ? last : top, path + skipped, length - skipped, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	int error = errno;
	if (last >= 0) close(last);
	*parent = (struct parent){ .fd = fd, .path = path, .length = length };
	errno = error;
	return fd;
}

static bool look_at(struct scan *scan, struct parent *parent, int top, const char *path)
{
	struct stat status;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	if (!set_path(scan, 0, path)) return false;
	int fd = open_parent(parent, top, path, slash ? (size_t)(slash - path) : 0);
	if (fd < 0) return is_gone(errno) ? true : fail(scan, errno, "open");
	if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return is_gone(errno) ? true : fail(scan, errno, "lstat");
	return append_row(scan, fd, name, &status);
}

void scan_paths(const char *directory, unsigned flags, const char *paths, size_t length, struct scan_result *result)
{
	*result = (struct scan_result){ 0 };
	struct scan scan = { .result = result, .flags = flags };
	struct parent parent = { .fd = -1 };
	int top = -1;
	// Even an empty list has rows that are not NULL.
	bool good = set_path(&scan, 0, "") && reserve(&scan, 1);
	if (good && (top = open_top(directory, flags)) < 0) good = fail(&scan, errno, "open");
	for (const char *path = paths; good && path < paths + length; path += strlen(path) + 1) good = look_at(&scan, &parent, top, path);
	if (parent.fd >= 0) close(parent.fd);
	if (top >= 0) close(top);
	finish(&scan, good);
}

void scan_names(const char *directory, struct scan_result *result)
{
	*result = (struct scan_result){ 0 };
	struct scan scan = { .result = result };
	int fd = -1;
	bool good = set_path(&scan, 0, "") && reserve(&scan, 1);
	if (good && (fd = open_top(directory, SCAN_NO_LINKS)) < 0) good = fail(&scan, errno, "openat2");
	if (good) good = enter(&scan, fd);
	for (size_t i = 0; good && i < scan.levels->count; i++) {
		const char *marked = scan.levels->names + scan.levels->order[i] - 1;
		good = append(&scan, marked, strlen(marked) + 1);
	}
	finish(&scan, good);
}
