// Walking the target of `files` mode: parents kept open, directories made, trees removed. All paths are resolved by inroot.c.
#ifndef SLIPWAY_FILES_PATHS_H
#define SLIPWAY_FILES_PATHS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Keeps the last parent directory open, because operations come directory by directory.
struct inroot {
	int root;
	int parent;
	char *parent_path;
	size_t parent_length, parent_capacity;
	bool parent_setgid;
};

void inroot_init(struct inroot *at, int root);
// Must be called after anything that could be part of a path (directory, link) was removed or replaced.
void inroot_forget(struct inroot *at);
void inroot_close(struct inroot *at);

// As inroot_open_how, also when the path is longer than PATH_MAX: then it is walked in pieces, which links may not leave.
int inroot_open_long(int root, const char *path, int flags, uint64_t resolve);

// Splits `path` and opens its parent directory (O_PATH). `*leaf` points into `path`; it is "." for the root.
// The fd belongs to `at`. -1 with errno set (ENOENT: the parent is missing), nothing recorded.
// Precondition: path_check(path) == 0.
int inroot_open_parent(struct inroot *at, const char *path, const char **leaf);

struct inroot_mkdirs {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	// Owners are recorded (record.h).
	bool records_owners;
	// Replace a file that is in the way instead of failing with ENOTDIR.
	bool replace;
	// Called with the path of every directory made, as it was walked (may be NULL).
	void (*made)(void *context, const char *path);
	void *context;
};

// Makes every missing directory of `path`, following links inside the root, also dangling ones.
// 0, or -1 with errno set and nothing recorded (ENOTDIR: something that is no directory is in the way).
int inroot_mkdirs(int root, const char *path, const struct inroot_mkdirs *options);

// Removes `leaf` whatever it is, directories with all they hold; missing is not an error.
// 0, or -1 with errno set.
int remove_tree(int parent, const char *leaf);
#endif
