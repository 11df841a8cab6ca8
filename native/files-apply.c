// What each file operation does. Names are resolved in the target's root only, the leaf is never followed
// and never reused: whatever stands at the path is removed first, so no existing inode is written to.
#include "fail.h"
#include "files-operation.h"
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static void report_implied(void *context, const char *path)
{
	struct files *files = context;
	files->implied++;
	status_add("{\"implied\":@}", path);
	status_send();
}

// The open parent directory of operation->path, made when it is missing.
static int parent_of(struct files *files, const struct operation *operation, const char **leaf)
{
	int parent = inroot_open_parent(&files->at, operation->path, leaf);
	if (parent >= 0) return parent;
	if (errno != ENOENT && errno != ENOTDIR) return fail_errno("open parent directory", operation->path);
	// A layer may hold `a` as a file and then `a/b`; in a merged file system that is a mistake.
	const struct inroot_mkdirs options = { .mode = 0755, .replace = !files->overlay, .made = report_implied, .context = files };
	char *directory = strndup(operation->path, (size_t)(*leaf - operation->path));
	if (!directory) return fail_code(ENOMEM, "create parent directory", operation->path);
	int result = inroot_mkdirs(files->at.root, directory, &options);
	free(directory);
	if (result < 0) return fail_errno("create parent directory", operation->path);
	parent = inroot_open_parent(&files->at, operation->path, leaf);
	return parent < 0 ? fail_errno("open parent directory", operation->path) : parent;
}

// As parent_of, for operations that cannot be done to the root itself. `leaf` receives a bare name.
static int parent_of_leaf(struct files *files, const struct operation *operation, char leaf[256])
{
	const char *name;
	int parent = parent_of(files, operation, &name);
	if (parent < 0) return -1;
	size_t length = strcspn(name, "/");
	if (length == 1 && name[0] == '.') return fail_kind("path-root", EINVAL, "path", operation->path, "the root can only be a directory");
	if (length > 255) return fail_code(ENAMETOOLONG, "path", operation->path);
	memcpy(leaf, name, length);
	leaf[length] = 0;
	return parent;
}

static int clear(struct files *files, int parent, const char *leaf, const struct operation *operation)
{
	inroot_forget(&files->links);
	return remove_tree(parent, leaf) < 0 ? fail_errno("replace", operation->path) : 0;
}

static int apply_directory(struct files *files, const struct operation *operation)
{
	const char *name;
	char leaf[256];
	int parent = parent_of(files, operation, &name);
	if (parent < 0) return -1;
	size_t length = strcspn(name, "/");
	if (length > 255) return fail_code(ENAMETOOLONG, "path", operation->path);
	memcpy(leaf, name, length);
	leaf[length] = 0;
	bool existed = false;
	if (strcmp(leaf, ".") == 0) {
		existed = true;
	} else if (mkdirat(parent, leaf, 0700) < 0) {
		if (errno != EEXIST) return fail_errno("create directory", operation->path);
		struct stat status;
		if (fstatat(parent, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("create directory", operation->path);
		existed = S_ISDIR(status.st_mode);
		if (!existed) {
			if (clear(files, parent, leaf, operation) < 0) return -1;
			if (mkdirat(parent, leaf, 0700) < 0) return fail_errno("create directory", operation->path);
		}
	}
	files->directories++;
	if (existed && operation->flags & OPERATION_KEEP_EXISTING) return 0;
	int fd = openat(parent, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) return fail_errno("open directory", operation->path);
	int result = metadata_fd(files, fd, operation);
	close(fd);
	return result;
}

static int create_file(struct files *files, int parent, const char *leaf, const struct operation *operation)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, leaf, flags, 0600);
	if (fd < 0 && errno == EEXIST) {
		if (clear(files, parent, leaf, operation) < 0) return -1;
		fd = openat(parent, leaf, flags, 0600);
	}
	return fd < 0 ? fail_errno("create file", operation->path) : fd;
}

static int apply_file(struct files *files, const struct operation *operation)
{
	char leaf[256];
	int parent = parent_of_leaf(files, operation, leaf);
	if (parent < 0) return -1;
	int fd = create_file(files, parent, leaf, operation);
	if (fd < 0) return -1;
	int result = operation->opcode == OP_FILE_INLINE ? data_inline(files, fd, operation) : data_copy(files, fd, operation);
	if (result == 0) result = metadata_fd(files, fd, operation);
	// Quotas and network file systems may say only now that the data did not fit.
	if (close(fd) < 0 && result == 0) result = fail_errno("write", operation->path);
	files->regular++;
	return result;
}

static int apply_symlink(struct files *files, const struct operation *operation)
{
	char leaf[256];
	int parent = parent_of_leaf(files, operation, leaf);
	if (parent < 0) return -1;
	if (symlinkat(operation->other, parent, leaf) < 0) {
		if (errno != EEXIST) return fail_errno("create symbolic link", operation->path);
		if (clear(files, parent, leaf, operation) < 0) return -1;
		if (symlinkat(operation->other, parent, leaf) < 0) return fail_errno("create symbolic link", operation->path);
	}
	files->symlinks++;
	return metadata_leaf(files, parent, leaf, operation);
}

static bool same_file(int parent_a, const char *a, int parent_b, const char *b)
{
	struct stat left, right;
	return fstatat(parent_a, a, &left, AT_SYMLINK_NOFOLLOW) == 0 && fstatat(parent_b, b, &right, AT_SYMLINK_NOFOLLOW) == 0 &&
	       left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

static int missing_target(struct files *files, const struct operation *operation)
{
	if (!files->report_links) return fail_kind("link-target-missing", ENOENT, "create hard link", operation->path, "the link's target does not exist");
	status_add("{\"missingTarget\":@,\"link\":@}", operation->other, operation->path);
	status_send();
	return 0;
}

static int apply_hardlink(struct files *files, const struct operation *operation)
{
	char leaf[256], target_leaf[256];
	const char *name;
	if (path_check(operation->other) < 0) return -1;
	int parent = parent_of_leaf(files, operation, leaf);
	if (parent < 0) return -1;
	int target = inroot_open_parent(&files->links, operation->other, &name);
	if (target < 0) return errno == ENOENT || errno == ENOTDIR ? missing_target(files, operation) : fail_errno("create hard link", operation->path);
	size_t length = strcspn(name, "/");
	memcpy(target_leaf, name, length);
	target_leaf[length] = 0;
	struct stat status;
	if (fstatat(target, target_leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT) return missing_target(files, operation);
		return fail_errno("create hard link", operation->path);
	}
	if (S_ISDIR(status.st_mode)) return fail_kind("link-to-directory", EPERM, "create hard link", operation->path, "the link's target is a directory");
	if (linkat(target, target_leaf, parent, leaf, 0) < 0) {
		if (errno != EEXIST) return fail_errno("create hard link", operation->path);
		if (!same_file(parent, leaf, target, target_leaf)) {
			// Removing what is in the way may remove the target with it, so look at it again by name.
			if (clear(files, parent, leaf, operation) < 0) return -1;
			target = inroot_open_parent(&files->links, operation->other, &name);
			if (target < 0 || linkat(target, target_leaf, parent, leaf, 0) < 0)
				return errno == ENOENT ? missing_target(files, operation) : fail_errno("create hard link", operation->path);
		}
	}
	files->hardlinks++;
	return operation->flags & OPERATION_HAS_METADATA ? metadata_link(files, parent, leaf, operation) : 0;
}

static int record_node(struct files *files, const struct operation *operation);

static int make_node(struct files *files, const struct operation *operation, mode_t type, dev_t device)
{
	char leaf[256];
	int parent = parent_of_leaf(files, operation, leaf);
	if (parent < 0) return -1;
	if (mknodat(parent, leaf, type | 0600, device) < 0) {
		// A layer on a file system that is an overlay itself, which nobody can mount: the record will do.
		if (errno == EPERM && operation->opcode == OP_WHITEOUT) return record_node(files, operation);
		if (errno != EEXIST) return fail_errno("create device", operation->path);
		if (clear(files, parent, leaf, operation) < 0) return -1;
		if (mknodat(parent, leaf, type | 0600, device) < 0) return fail_errno("create device", operation->path);
	}
	files->nodes++;
	return operation->opcode == OP_WHITEOUT ? 0 : metadata_leaf(files, parent, leaf, operation);
}

// A user namespace can have no device; a step could not open one either way. The layer that is written has it again.
static int record_node(struct files *files, const struct operation *operation)
{
	char leaf[256];
	int parent = parent_of_leaf(files, operation, leaf);
	if (parent < 0) return -1;
	int fd = create_file(files, parent, leaf, operation);
	if (fd < 0) return -1;
	const struct recorded recorded = {
		.uid = operation->uid,
		.gid = operation->gid,
		.device = operation->opcode == OP_BLOCK ? 'b' : 'c',
		.major = (unsigned)operation->size,
		.minor = (unsigned)operation->minor,
		.mode = operation->mode,
	};
	// It stays root's, with the mode of a new file.
	struct operation place = *operation;
	place.uid = place.gid = 0;
	place.mode = 0600;
	int result = metadata_fd(files, fd, &place);
	if (result == 0 && record_write(fd, NULL, &recorded) < 0) result = fail_errno("record device", operation->path);
	close(fd);
	files->nodes++;
	if (operation->opcode != OP_WHITEOUT) files->recorded_nodes++;
	return result;
}

static int apply_node(struct files *files, const struct operation *operation)
{
	if (operation->opcode == OP_FIFO) return make_node(files, operation, S_IFIFO, 0);
	if (operation->size > UINT32_MAX || operation->minor > UINT32_MAX) return fail_code(EINVAL, "create device", operation->path);
	if (!files->is_initial && operation->size | operation->minor) return record_node(files, operation);
	dev_t device = makedev((unsigned)operation->size, (unsigned)operation->minor);
	if (operation->opcode == OP_BLOCK) return make_node(files, operation, S_IFBLK, device);
	// 0:0 would be a whiteout to overlayfs.
	if (device == 0) return fail_kind("device-reserved", EPERM, "create device", operation->path, "character device 0:0 cannot be made");
	return make_node(files, operation, S_IFCHR, device);
}

static int apply_remove(struct files *files, const struct operation *operation)
{
	const char *name;
	if (inroot_open_parent(&files->at, operation->path, &name) < 0) {
		if (errno == ENOENT || errno == ENOTDIR) return 0;
		return fail_errno("open parent directory", operation->path);
	}
	char leaf[256];
	int parent = parent_of_leaf(files, operation, leaf);
	if (parent < 0) return -1;
	files->removed++;
	inroot_forget(&files->links);
	return remove_tree(parent, leaf) < 0 ? fail_errno("remove", operation->path) : 0;
}

static int apply_opaque(struct files *files, const struct operation *operation)
{
	if (files->overlay) return fail_kind("opaque-on-overlay", EINVAL, "mark opaque", operation->path, "only a layer directory can hold the mark");
	struct operation directory = *operation;
	directory.opcode = OP_DIRECTORY;
	directory.flags = OPERATION_KEEP_EXISTING;
	directory.mode = 0755;
	directory.uid = directory.gid = 0;
	const char *name;
	int fd = inroot_open_parent(&files->at, operation->path, &name);
	if (fd < 0 || faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) report_implied(files, operation->path);
	if (apply_directory(files, &directory) < 0) return -1;
	files->directories--;
	fd = inroot_open_long(files->at.root, operation->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, RESOLVE_IN_ROOT);
	if (fd < 0) return fail_errno("mark opaque", operation->path);
	int result = fsetxattr(fd, files->is_initial ? "trusted.overlay.opaque" : "user.overlay.opaque", "y", 1, 0);
	if (result < 0) fail_errno("mark opaque", operation->path);
	close(fd);
	return result;
}

static int apply_mkdirs(struct files *files, const struct operation *operation)
{
	struct inroot_mkdirs options = {
		.mode = operation->mode,
		.uid = operation->uid,
		.gid = operation->gid,
		.records_owners = files->records_owners,
		.made = report_implied,
		.context = files,
	};
	return inroot_mkdirs(files->at.root, operation->path, &options) < 0 ? fail_errno("create directory", operation->path) : 0;
}

// Of what is there already.
static int apply_owner(const struct files *files, const struct operation *operation)
{
	int fd = inroot_open_long(files->at.root, operation->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (fd < 0) return fail_errno("record owner", operation->path);
	return closed(fd, record_set_owner(fd, operation->uid, operation->gid, files->records_owners) < 0 ? fail_errno("record owner", operation->path) : 0);
}

int operation_apply(struct files *files, const struct operation *operation)
{
	if (path_check(operation->path) < 0) return -1;
	switch (operation->opcode) {
	case OP_DIRECTORY: return apply_directory(files, operation);
	case OP_FILE_INLINE:
	case OP_FILE_COPY: return apply_file(files, operation);
	case OP_SYMLINK: return apply_symlink(files, operation);
	case OP_HARDLINK: return apply_hardlink(files, operation);
	case OP_CHAR:
	case OP_BLOCK:
	case OP_FIFO: return apply_node(files, operation);
	case OP_WHITEOUT: return files->overlay ? apply_remove(files, operation) : make_node(files, operation, S_IFCHR, 0);
	case OP_OPAQUE: return apply_opaque(files, operation);
	case OP_REMOVE: return apply_remove(files, operation);
	case OP_MKDIRS: return apply_mkdirs(files, operation);
	case OP_OWNER: return apply_owner(files, operation);
	default: return fail_kind("malformed", EPROTO, "request", NULL, "an unknown operation");
	}
}
