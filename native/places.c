// See places.h.
#include "places.h"
#include "fail.h"
#include "inroot.h"
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The directory below `root` that `path` is in, how it is, and the name there. -1 with errno.
static int open_above(int root, const char *path, inroot_opener *open_it, const char **leaf, struct stat *st)
{
	const char *slash = strrchr(path, '/');
	char above[PATH_MAX];
	*leaf = slash ? slash + 1 : path;
	if ((size_t)snprintf(above, sizeof above, "%.*s", (int)(*leaf - path), path) >= sizeof above) return -1;
	int fd = open_it(root, above, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 || fstat(fd, st) == 0 ? fd : closed(fd, -1);
}

static void note(struct places *places, int layer, const char *path, size_t length, struct timespec before)
{
	struct made *made = &places->made[places->count];
	struct stat above, st;
	const char *leaf;
	if (places->count == PLACES_MAX || (size_t)snprintf(made->path, sizeof made->path, "%.*s", (int)length, path) >= sizeof made->path) return;
	int fd = open_above(layer, made->path, inroot_open_nolinks, &leaf, &above);
	if (fd < 0) return;
	if (fstatat(fd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		made->inode = st.st_ino;
		made->before = before;
		made->after = above.st_mtim;
		places->count++;
	}
	close(fd);
}

// What is new in a directory with a group of its own has that group and a bit for it.
static int give(int parent, const char *name, const struct place *place, mode_t mode)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -1 : closed(fd, record_set_owner(fd, place->uid, place->gid, place->records_owners) < 0 ? -1 : fchmod(fd, mode));
}

// Makes path[0..length), which is missing, in the directory it belongs into.
static int make(const struct place *place, struct places *places, size_t length, bool last)
{
	struct stat above;
	const char *leaf;
	char path[PATH_MAX];
	if ((size_t)snprintf(path, sizeof path, "%.*s", (int)length, place->path) >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int directory = open_above(place->root, path, inroot_open, &leaf, &above);
	if (directory < 0) return -1;
	bool is_file = last && !place->directory;
	int result = is_file ? mknodat(directory, leaf, S_IFREG | place->mode, 0) : mkdirat(directory, leaf, 0700);
	if (result == 0 && !is_file) result = give(directory, leaf, place, last ? place->mode : 0755);
	closed(directory, 0);
	if (result == 0 && place->layer >= 0) note(places, place->layer, path, length, above.st_mtim);
	return result;
}

int place_open(const struct place *place, struct places *places)
{
	inroot_opener *open_it = place->no_links ? inroot_open_nolinks : inroot_open;
	int flags = O_PATH | (place->no_links ? O_DIRECTORY | O_NOFOLLOW : 0), fd = open_it(place->root, place->path, flags, 0);
	if (fd >= 0 || errno != ENOENT) return fd;
	if (path_check(place->path) < 0) return -1;
	for (const char *end = place->path; *end;) {
		while (*end == '/') end++;
		end = strchrnul(end, '/');
		if (make(place, places, (size_t)(end - place->path), !*end) < 0 && errno != EEXIST) return -1;
	}
	return open_it(place->root, place->path, flags, 0);
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void remove_made(const struct made *made, int layer)
{
	struct stat above, st;
	const char *leaf;
	int directory = open_above(layer, made->path, inroot_open_nolinks, &leaf, &above);
	if (directory < 0) return;
	if (fstatat(directory, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == made->inode) {
		bool is_empty_file = S_ISREG(st.st_mode) && st.st_size == 0;
		// A directory with something in it stays: that is the step's work.
		if ((is_empty_file && unlinkat(directory, leaf, 0) == 0) || (S_ISDIR(st.st_mode) && unlinkat(directory, leaf, AT_REMOVEDIR) == 0)) {
			struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, same_time(above.st_mtim, made->after) ? made->before : above.st_mtim };
			futimens(directory, times);
		}
	}
	close(directory);
}

void places_remove(const struct places *places, int layer)
{
	for (size_t i = places->count < PLACES_MAX ? places->count : PLACES_MAX; i-- > 0;) remove_made(&places->made[i], layer);
}
