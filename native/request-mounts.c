// See request-mounts.h.
#include "request-mounts.h"
#include "fail.h"
#include "mount-fd.h"
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, bytes, length);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return -1;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

// Where there is one id everybody has it; before Linux 6.6 a tmpfs cannot even record another.
static int give(int fd, uid_t uid, gid_t gid)
{
	return record_set_owner(fd, uid, gid) == 0 || errno == ENOTSUP ? 0 : -1;
}

static int store_file(int store, const char *name, const struct request_mount *mount)
{
	int fd = openat(store, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) return fail_errno("write file mount", mount->target);
	int result = 0;
	if (write_all(fd, mount->content, mount->length) < 0 || give(fd, mount->uid, mount->gid) < 0 || fchmod(fd, mount->mode) < 0)
		result = fail_errno("write file mount", mount->target);
	close(fd);
	return result;
}

static int make_file(int store, size_t index, const struct request_mount *mount)
{
	char name[32];
	snprintf(name, sizeof name, "file-%zu", index);
	if (store_file(store, name, mount) < 0) return -1;
	uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	// A script of a here-document is run directly.
	if (!(mount->mode & 0111)) attributes |= MOUNT_ATTR_NOEXEC;
	return mount_clone(store, name, (struct clone_options){ .attributes = attributes });
}

static int make_tmpfs(const struct request_mount *mount, int place)
{
	char mode[16], size[32];
	struct stat st = { .st_mode = mount->mode };
	if (mount->inherits_mode && fstat(place, &st) < 0) return fail_errno("open mount point", mount->target);
	snprintf(mode, sizeof mode, "%o", st.st_mode & 07777);
	snprintf(size, sizeof size, "%llu", (unsigned long long)mount->size);
	const char *const options[] = { "mode", mode, mount->size ? "size" : NULL, size, NULL };
	return mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (mount->read_only ? MOUNT_ATTR_RDONLY : 0));
}

static int make_layers(const struct request_mount *mount)
{
	return mount_clone(mount->opened, "", (struct clone_options){ .attributes = MOUNT_ATTR_NODEV | (mount->read_only ? MOUNT_ATTR_RDONLY : 0) });
}

static int make_bind(const struct request_mount *mount)
{
	struct clone_options options = { .attributes = MOUNT_ATTR_NODEV | (mount->read_only ? MOUNT_ATTR_RDONLY : 0), .recursive = true };
	return mount_clone(AT_FDCWD, mount->source, options);
}

static int make_mount(const struct request_mount *mount, size_t index, int store, int place)
{
	switch (mount->kind) {
	case MOUNT_BIND: return make_bind(mount);
	case MOUNT_TMPFS: return make_tmpfs(mount, place);
	case MOUNT_FILE: return make_file(store, index, mount);
	case MOUNT_LAYERS: return make_layers(mount);
	}
	return fail_code(EINVAL, "mount", mount->target);
}

int request_mounts(const struct run_request *request, struct mount_places places, struct stubs *stubs)
{
	for (size_t i = 0; i < request->mount_count; i++) {
		const struct request_mount *mount = &request->mounts[i];
		int place = stubs_open_target(places.root, places.upper, mount, stubs);
		if (place < 0) return -1;
		int made = make_mount(mount, i, places.store, place);
		int result = made < 0 ? -1 : mount_attach(made, place, mount->target);
		if (made >= 0) close(made);
		close(place);
		if (result < 0) return -1;
	}
	return 0;
}
