// See files-paths.h.
#include "files-paths.h"
#include "inroot.h"
#include "record.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40, MAX_COMPONENT = 255 };

void inroot_init(struct inroot *at, int root)
{
	*at = (struct inroot){ .root = root, .parent = -1 };
}

void inroot_forget(struct inroot *at)
{
	if (at->parent >= 0) close(at->parent);
	at->parent = -1;
}

void inroot_close(struct inroot *at)
{
	inroot_forget(at);
	free(at->parent_path);
	at->parent_path = NULL;
	at->parent_capacity = 0;
}

// Splits off trailing slashes and `.` components: `a/b/./` has the leaf `b`.
static size_t significant_length(const char *path)
{
	size_t length = strlen(path);
	for (;;) {
		while (length > 0 && path[length - 1] == '/') length--;
		if (length == 1 && path[0] == '.') return 0;
		if (length > 1 && path[length - 1] == '.' && path[length - 2] == '/') {
			length--;
			continue;
		}
		return length;
	}
}

static int remember(struct inroot *at, const char *path, size_t length)
{
	if (length + 1 > at->parent_capacity) {
		char *larger = realloc(at->parent_path, length + 256);
		if (!larger) return -1;
		at->parent_path = larger;
		at->parent_capacity = length + 256;
	}
	memcpy(at->parent_path, path, length);
	at->parent_path[length] = 0;
	at->parent_length = length;
	return 0;
}

int inroot_open_long(int root, const char *path, int flags, uint64_t resolve)
{
	size_t length = strlen(path);
	if (length < PATH_MAX) return inroot_open_how(root, path, flags, 0, resolve);
	char piece[PATH_MAX];
	int at = root;
	while (length >= sizeof piece) {
		size_t cut = sizeof piece - 1;
		while (cut > 0 && path[cut] != '/') cut--;
		if (cut == 0) {
			errno = ENAMETOOLONG;
			if (at != root) close(at);
			return -1;
		}
		memcpy(piece, path, cut);
		piece[cut] = 0;
		int next = inroot_open_how(at, piece, O_PATH | O_DIRECTORY, 0, at == root ? resolve : resolve | RESOLVE_BENEATH);
		int code = errno;
		if (at != root) close(at);
		errno = code;
		if (next < 0) return -1;
		at = next;
		resolve = (resolve & ~(uint64_t)RESOLVE_IN_ROOT) | RESOLVE_BENEATH;
		while (path[cut] == '/') cut++;
		path += cut;
		length -= cut;
	}
	int fd = inroot_open_how(at, path, flags, 0, resolve);
	int code = errno;
	if (at != root) close(at);
	errno = code;
	return fd;
}

int inroot_open_parent(struct inroot *at, const char *path, const char **leaf)
{
	size_t length = significant_length(path);
	size_t slash = length;
	while (slash > 0 && path[slash - 1] != '/') slash--;
	*leaf = length == 0 ? "." : path + slash;
	size_t known = at->parent_length;
	bool below = at->parent >= 0 && known <= slash && memcmp(at->parent_path, path, known) == 0;
	if (below && known == slash) return at->parent;
	if (remember(at, path, slash) < 0) return -1;
	int fd = below ? inroot_open_how(at->parent, at->parent_path + known, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS) : -1;
	inroot_forget(at);
	if (fd < 0) fd = inroot_open_long(at->root, at->parent_path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
	if (fd < 0) return -1;
	struct stat status;
	if (fstat(fd, &status) < 0) {
		close(fd);
		return -1;
	}
	at->parent = fd;
	at->parent_setgid = status.st_mode & S_ISGID;
	return fd;
}

// The state of one inroot_mkdirs: path[0..done) exists and is open as `at`; `path` is rewritten when a
// dangling link is met.
struct walk {
	int root, at;
	char *path;
	size_t done;
	unsigned links;
};

static void enter(struct walk *walk, int fd, size_t done)
{
	if (walk->at != walk->root) close(walk->at);
	walk->at = fd;
	walk->done = done;
}

// Puts a dangling link's target in the place of path[done..end).
static int follow(struct walk *walk, const char *target, size_t start, size_t end)
{
	if (++walk->links > MAX_LINKS) {
		errno = ELOOP;
		return -1;
	}
	if (target[0] == '/') start = 0;
	size_t size = start + strlen(target) + strlen(walk->path + end) + 2;
	char *rewritten = malloc(size);
	if (!rewritten) return -1;
	snprintf(rewritten, size, "%.*s%s%s", (int)start, walk->path, target, walk->path + end);
	free(walk->path);
	walk->path = rewritten;
	enter(walk, walk->root, 0);
	return 0;
}

// Opens path[0..end), whose last component begins at `start`: from where the walk is, unless a link
// or `..` is met, which have a meaning only from the root.
static int open_prefix(struct walk *walk, size_t start, size_t end)
{
	char kept = walk->path[end];
	walk->path[end] = 0;
	int fd = inroot_open_how(walk->at, walk->path + start, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd < 0 && (errno == ELOOP || errno == EXDEV)) fd = inroot_open_long(walk->root, walk->path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
	walk->path[end] = kept;
	return fd;
}

static int make_component(struct walk *walk, size_t start, size_t end, const struct inroot_mkdirs *options)
{
	int parent = walk->at;
	char name[MAX_COMPONENT + 1];
	char target[PATH_MAX];
	if (end - start > MAX_COMPONENT) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, walk->path + start, end - start);
	name[end - start] = 0;
	struct stat status;
	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISLNK(status.st_mode)) {
			ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
			if (length < 0) return -1;
			target[length] = 0;
			// A link to something that is no directory resolves; only a dangling one is followed here.
			char kept = walk->path[end];
			walk->path[end] = 0;
			int found = inroot_open_long(walk->root, walk->path, O_PATH, RESOLVE_IN_ROOT);
			walk->path[end] = kept;
			if (found < 0) return errno == ENOENT ? follow(walk, target, start, end) : -1;
			close(found);
		}
		if (!options->replace) {
			errno = ENOTDIR;
			return -1;
		}
		if (unlinkat(parent, name, 0) < 0) return -1;
	} else if (errno != ENOENT) {
		return -1;
	}
	if (mkdirat(parent, name, 0700) < 0) return -1;
	int made = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0) return -1;
	if (record_set_owner(made, options->uid, options->gid, options->records_owners) < 0 || fchmod(made, options->mode & 07777) < 0) {
		int code = errno;
		close(made);
		errno = code;
		return -1;
	}
	enter(walk, made, end);
	if (options->made) {
		char kept = walk->path[end];
		walk->path[end] = 0;
		options->made(options->context, walk->path);
		walk->path[end] = kept;
	}
	return 0;
}

int inroot_mkdirs(int root, const char *path, const struct inroot_mkdirs *options)
{
	struct walk walk = { .root = root, .at = root, .path = strdup(path) };
	if (!walk.path) return -1;
	int result = 0;
	for (;;) {
		size_t start = walk.done;
		while (walk.path[start] == '/') start++;
		if (!walk.path[start]) break;
		size_t end = (size_t)(strchrnul(walk.path + start, '/') - walk.path);
		int fd = open_prefix(&walk, start, end);
		if (fd >= 0) {
			enter(&walk, fd, end);
			continue;
		}
		if ((errno != ENOENT && errno != ENOTDIR) || make_component(&walk, start, end, options) < 0) {
			result = -1;
			break;
		}
	}
	int code = errno;
	enter(&walk, root, 0);
	free(walk.path);
	errno = code;
	return result;
}

// The directories being emptied, outermost first.
struct emptied {
	DIR **open;
	char **name;
	size_t depth, capacity;
};

static int descend(struct emptied *stack, int parent, const char *name)
{
	if (stack->depth == stack->capacity) {
		size_t capacity = stack->capacity ? stack->capacity * 2 : 16;
		DIR **open = realloc(stack->open, capacity * sizeof *open);
		if (open) stack->open = open;
		char **names = realloc(stack->name, capacity * sizeof *names);
		if (names) stack->name = names;
		if (!open || !names) return -1;
		stack->capacity = capacity;
	}
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) return -1;
	DIR *directory = fdopendir(fd);
	char *copy = strdup(name);
	if (!directory || !copy) {
		if (directory) closedir(directory);
		else close(fd);
		free(copy);
		return -1;
	}
	stack->open[stack->depth] = directory;
	stack->name[stack->depth++] = copy;
	return 0;
}

// Removes what can be removed in the innermost directory; leaves it, or enters a directory it holds.
static int empty_step(struct emptied *stack, int top)
{
	DIR *directory = stack->open[stack->depth - 1];
	int fd = dirfd(directory);
	struct dirent *entry;
	while (errno = 0, (entry = readdir(directory))) {
		const char *name = entry->d_name;
		if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) continue;
		if (entry->d_type != DT_DIR && unlinkat(fd, name, 0) == 0) continue;
		if (entry->d_type != DT_DIR && errno != EISDIR) return -1;
		return descend(stack, fd, name);
	}
	if (errno) return -1;
	stack->depth--;
	closedir(directory);
	char *name = stack->name[stack->depth];
	int parent = stack->depth ? dirfd(stack->open[stack->depth - 1]) : top;
	int result = unlinkat(parent, name, AT_REMOVEDIR);
	free(name);
	return result;
}

int remove_tree(int parent, const char *leaf)
{
	if (unlinkat(parent, leaf, 0) == 0 || errno == ENOENT) return 0;
	if (errno != EISDIR && errno != EPERM) return -1;
	if (unlinkat(parent, leaf, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
	if (errno != ENOTEMPTY && errno != EEXIST) return -1;
	struct emptied stack = { 0 };
	int result = descend(&stack, parent, leaf);
	while (result == 0 && stack.depth) result = empty_step(&stack, parent);
	int code = errno;
	while (stack.depth--) {
		closedir(stack.open[stack.depth]);
		free(stack.name[stack.depth]);
	}
	free(stack.open);
	free(stack.name);
	errno = code;
	return result;
}
