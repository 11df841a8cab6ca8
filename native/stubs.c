// See stubs.h.
#include "stubs.h"
#include "fail.h"
#include "inroot.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_directory(const struct request_mount *mount)
{
	struct stat st;
	if (mount->kind == MOUNT_TMPFS) return true;
	if (mount->kind == MOUNT_LAYERS) return fstat(mount->opened, &st) == 0 && S_ISDIR(st.st_mode);
	return mount->kind == MOUNT_BIND && stat(mount->source, &st) == 0 && S_ISDIR(st.st_mode);
}

// These are file systems of the step's own; what the layer below holds there is never seen.
static bool is_covered(const char *target)
{
	static const char *const covered[] = { "/dev/", "/proc/", "/sys/" };
	for (size_t i = 0; i < sizeof covered / sizeof *covered; i++)
		if (strncmp(target, covered[i], strlen(covered[i])) == 0) return true;
	return false;
}

// The directory part of `path`; the caller frees it.
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash > path ? strndup(path, (size_t)(slash - path)) : strdup("/");
}

// The path that the link at `path` names, seen from the root; NULL with errno when there is none. The caller frees it.
static char *follow_link(int root, const char *path)
{
	char link[PATH_MAX], *named = NULL;
	int fd = inroot_open(root, path, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0) return NULL;
	ssize_t length = readlinkat(fd, "", link, sizeof link - 1);
	close(fd);
	if (length < 0) return NULL;
	link[length] = 0;
	if (link[0] == '/') return strdup(link);
	char *parent = parent_of(path);
	if (parent && asprintf(&named, "%s/%s", parent, link) < 0) named = NULL;
	free(parent);
	return named;
}

// 0, 1 when something that is no file is there already, or -1 with errno.
static int make_file_at(int root, const char *path, const struct inroot_mkdirs *options)
{
	char *parent = parent_of(path);
	if (!parent) return -1;
	int result = inroot_mkdirs(root, parent, options);
	free(parent);
	if (result < 0) return -1;
	int fd = inroot_open(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	if (fd < 0) return errno == EEXIST ? 1 : -1;
	return close(fd);
}

// A link that leads nowhere (resolv.conf of many distributions) is followed: its target is the place.
static int make_file(int root, const char *target, const struct inroot_mkdirs *options)
{
	enum { MAX_LINKS = 40 };
	char *path = strdup(target);
	int result = -1;
	for (int links = 0; path && links < MAX_LINKS; links++) {
		result = make_file_at(root, path, options);
		if (result <= 0) break;
		char *named = follow_link(root, path);
		free(path);
		path = named;
		result = -1;
	}
	free(path);
	return result;
}

// Makes the place and the directories above it; `made` hears of every directory. -1 with errno, nothing recorded.
static int make_place(int root, const struct request_mount *mount, struct inroot_mkdirs options)
{
	options.mode = 0755;
	if (!is_directory(mount)) return make_file(root, mount->target, &options);
	if (inroot_mkdirs(root, mount->target, &options) < 0) return -1;
	if (!mount->inherits_mode) return 0;
	int fd = inroot_open(root, mount->target, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0) return -1;
	int result = fchmod(fd, 01777);
	close(fd);
	return result;
}

int stubs_fill_layer(int layer, const struct run_request *request)
{
	for (size_t i = 0; i < request->mount_count; i++) {
		const struct request_mount *mount = &request->mounts[i];
		if (path_check(mount->target) < 0) return -1;
		if (is_covered(mount->target)) continue;
		// Whatever does not fit in here (a place below a file) is judged again in the merged view.
		if (make_place(layer, mount, (struct inroot_mkdirs){ 0 }) < 0 && has_failed()) return -1;
	}
	return 0;
}

// The path of the open file `fd` below the directory `root`.
static int resolved_path(int root, int fd, char *path, size_t size)
{
	char link[32], base[PATH_MAX], full[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", root);
	ssize_t base_length = readlink(link, base, sizeof base);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, full, sizeof full);
	if (base_length < 0 || length <= base_length || (size_t)(length - base_length) >= size || memcmp(full, base, (size_t)base_length) != 0) return -1;
	memcpy(path, full + base_length, (size_t)(length - base_length));
	path[length - base_length] = 0;
	return 0;
}

struct making {
	int root, upper;
	struct stubs *stubs;
	struct timespec before;
	bool first;
};

static void note(struct making *making, const char *path)
{
	struct stubs *stubs = making->stubs;
	struct stat st;
	// Not in the upper directory: it is on a mount of the step and goes away with it.
	int fd = inroot_open_nolinks(making->upper, path, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0) return;
	if (fstat(fd, &st) == 0 && stubs->count < STUBS_MAX && strlen(path) < PATH_MAX) {
		struct stub *stub = &stubs->at[stubs->count++];
		snprintf(stub->path, sizeof stub->path, "%s", path);
		stub->device = st.st_dev;
		stub->inode = st.st_ino;
		char *parent = parent_of(path);
		int directory = parent ? inroot_open_nolinks(making->upper, parent, O_PATH | O_DIRECTORY, 0) : -1;
		if (directory >= 0 && fstat(directory, &st) == 0) stub->after = st.st_mtim;
		// Below a directory made here there is no earlier time worth keeping.
		stub->before = making->first ? making->before : stub->after;
		if (directory >= 0) close(directory);
		free(parent);
		making->first = false;
	}
	close(fd);
}

// `path` was made in the merged view; links on the way lead elsewhere in the upper directory.
static void note_made(void *context, const char *path)
{
	struct making *making = context;
	char resolved[PATH_MAX];
	int fd = inroot_open(making->root, path, O_PATH, 0);
	if (fd < 0) return;
	if (resolved_path(making->root, fd, resolved, sizeof resolved) == 0) note(making, resolved);
	close(fd);
}

// The modification time of the nearest directory above `target` that exists.
static struct timespec time_above(int root, const char *target)
{
	struct timespec time = { 0 };
	for (char *path = parent_of(target); path;) {
		struct stat st;
		int fd = inroot_open(root, path, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0) {
			if (fstat(fd, &st) == 0) time = st.st_mtim;
			close(fd);
			free(path);
			break;
		}
		bool top = strcmp(path, "/") == 0;
		char *above = top ? NULL : parent_of(path);
		free(path);
		path = above;
	}
	return time;
}

int stubs_open_target(int root, int upper, const struct request_mount *mount, struct stubs *stubs)
{
	int fd = inroot_open(root, mount->target, O_PATH, 0);
	if (fd >= 0) return fd;
	if (errno != ENOENT) return fail_errno("open mount point", mount->target);
	struct making making = { .root = root, .upper = upper, .stubs = stubs, .before = time_above(root, mount->target), .first = true };
	struct inroot_mkdirs options = { .made = note_made, .context = &making };
	if (make_place(root, mount, options) < 0) return fail_errno("make mount point", mount->target);
	if (!is_directory(mount)) note_made(&making, mount->target);
	fd = inroot_open(root, mount->target, O_PATH, 0);
	return fd < 0 ? fail_errno("open mount point", mount->target) : fd;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void remove_stub(const struct stub *stub, int upper)
{
	char *parent = parent_of(stub->path);
	int directory = parent ? inroot_open_nolinks(upper, parent, O_RDONLY | O_DIRECTORY, 0) : -1;
	free(parent);
	if (directory < 0) return;
	const char *leaf = strrchr(stub->path, '/');
	leaf = leaf ? leaf + 1 : stub->path;
	struct stat above, st;
	if (fstat(directory, &above) == 0 && fstatat(directory, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == stub->device && st.st_ino == stub->inode) {
		bool is_empty_file = S_ISREG(st.st_mode) && st.st_size == 0;
		// A directory with something in it stays: that is the step's work.
		if ((is_empty_file && unlinkat(directory, leaf, 0) == 0) || (S_ISDIR(st.st_mode) && unlinkat(directory, leaf, AT_REMOVEDIR) == 0)) {
			struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, same_time(above.st_mtim, stub->after) ? stub->before : above.st_mtim };
			futimens(directory, times);
		}
	}
	close(directory);
}

void stubs_remove(const struct stubs *stubs, int upper)
{
	size_t count = stubs->count < STUBS_MAX ? stubs->count : STUBS_MAX;
	for (size_t i = count; i-- > 0;) remove_stub(&stubs->at[i], upper);
}
