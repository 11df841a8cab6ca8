// See layer-mounts.h.
#include "layer-mounts.h"
#include "fail.h"
#include "inroot.h"
#include "overlay.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UPPER, OVERLAY, ROOT, PARTS };
static const char *const parts[PARTS] = { "upper", "overlay", "root" };

// `mount-<index>` in the work directory, with a directory for each part. Its paths go to `paths`.
static int make_directories(const char *work_path, int work, size_t index, char paths[PARTS][PATH_MAX])
{
	char name[32];
	snprintf(name, sizeof name, "mount-%zu", index);
	if (mkdirat(work, name, 0700) < 0) return fail_errno("make directory", name);
	for (size_t i = 0; i < PARTS; i++) {
		int length = snprintf(paths[i], PATH_MAX, "%s/%s/%s", work_path, name, parts[i]);
		if (length >= PATH_MAX) return fail_code(ENAMETOOLONG, "mount layers", work_path);
		if (mkdir(paths[i], 0700) < 0) return fail_errno("make directory", paths[i]);
	}
	return 0;
}

// The merged root looks like the uppermost directory, which has to carry on what the layers' own was.
static int copy_root_metadata(const char *layer, const char *upper)
{
	struct stat st;
	if (lstat(layer, &st) < 0) return fail_errno("open layer", layer);
	struct timespec times[2] = { st.st_mtim, st.st_mtim };
	if (lchown(upper, st.st_uid, st.st_gid) < 0 || chmod(upper, st.st_mode & 07777) < 0 || utimensat(AT_FDCWD, upper, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno("copy metadata of layer", layer);
	return 0;
}

static int open_mount(struct request_mount *mount, const char *work_path, int work, size_t index)
{
	char paths[PARTS][PATH_MAX];
	const struct texts *layers = &mount->layers;
	if (make_directories(work_path, work, index, paths) < 0) return -1;
	if (layers->count > 0 && copy_root_metadata(layers->at[layers->count - 1], paths[UPPER]) < 0) return -1;
	if (overlay_mount((const char *const *)layers->at, layers->count, paths[UPPER], paths[OVERLAY], paths[ROOT]) < 0) return -1;
	int root = open(paths[ROOT], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) return fail_errno("open layers", paths[ROOT]);
	// Links on the way, and the last one, lead to places in these layers and nowhere else.
	mount->opened = inroot_open(root, mount->source, O_PATH, 0);
	close(root);
	return mount->opened < 0 ? fail_errno("find mount source", mount->source) : 0;
}

int layer_mounts_open(struct run_request *request, int work)
{
	for (size_t i = 0; i < request->mount_count; i++) {
		struct request_mount *mount = &request->mounts[i];
		if (mount->kind == MOUNT_LAYERS && open_mount(mount, request->work, work, i) < 0) return -1;
	}
	return 0;
}
