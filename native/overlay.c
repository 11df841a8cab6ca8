// See overlay.h.
#include "overlay.h"
#include "fail.h"
#include "userns.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

int overlay_unshare(void)
{
	if (unshare(CLONE_NEWNS) < 0) return fail_errno("create mount namespace", NULL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail_errno("make mounts private", "/");
	return 0;
}

static int set_string(int context, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0);
}

// Which option failed matters more than a number: fsopen contexts explain themselves in a log.
static int fail_context(int context, const char *path)
{
	int code = errno;
	char log[256];
	ssize_t length = read(context, log, sizeof log - 1);
	if (length > 2) {
		log[length] = 0;
		log[strcspn(log, "\n")] = 0;
		char text[512];
		snprintf(text, sizeof text, "%s (%s)", strerror(code), log + 2);
		fail_kind("", code, "mount overlay", path, text);
	} else {
		fail_code(code, "mount overlay", path);
	}
	return -1;
}

// Features that would make the upper directory more than plain files, whiteouts and opaque marks; a
// kernel that does not know an option does not have the feature.
static const char *const off[] = { "index", "xino", "redirect_dir", "metacopy" };
enum { OFF = 4 };

// `userxattr` has the last two off by itself, and is refused together with redirect_dir=off.
static size_t off_count(void)
{
	return userns_is_initial() ? OFF : OFF - 2;
}

// Without `volatile` every fsync inside and every unmount writes the whole disk's caches back; what must be
// durable is synced by the snapshot's owner. Kernels before 5.10 do without.
static const char volatile_option[] = "volatile";

// Where root is an ordinary user's, overlayfs may not write trusted.* attributes (Linux 5.11).
static const char user_attributes[] = "userxattr";

// A volatile mount marks its work directory so that it cannot be mounted again after a crash. Nothing here
// outlives a crash unchecked, and a step may follow another on the same directories.
static int drop_volatile_mark(const char *work)
{
	static const char *const marks[] = { "work/incompat/volatile/dirty", "work/incompat/volatile", "work/incompat" };
	int fd = open(work, O_PATH | O_DIRECTORY | O_CLOEXEC), result = fd < 0 ? -1 : 0;
	for (size_t i = 0; i < 3 && result == 0; i++) result = unlinkat(fd, marks[i], i ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT ? -1 : 0;
	if (result < 0) fail_errno("unmark work directory", work);
	if (fd >= 0) close(fd);
	return result;
}

// What could not be configured, or NULL. `*unknown`: this kernel has no `lowerdir+` (before 6.5).
static const char *configure(int context, const char *const *lower, size_t count, const char *upper, const char *work, bool *unknown)
{
	for (size_t i = count; i-- > 0;) {
		if (set_string(context, "lowerdir+", lower[i]) == 0) continue;
		*unknown = i == count - 1 && errno == EINVAL;
		return lower[i];
	}
	if (set_string(context, "upperdir", upper) < 0) return upper;
	if (set_string(context, "workdir", work) < 0) return work;
	for (size_t i = 0; i < off_count(); i++) set_string(context, off[i], "off");
	syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, volatile_option, NULL, 0);
	if (!userns_is_initial() && syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, user_attributes, NULL, 0) < 0) return user_attributes;
	return syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? upper : NULL;
}

// 1: use the other way.
static int mount_by_context(const char *const *lower, size_t count, const char *upper, const char *work, const char *target)
{
	bool unknown = false;
	int context = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC), mounted = -1, result = 0;
	if (context < 0) return fail_errno("mount overlay", NULL);
	const char *failed = configure(context, lower, count, upper, work, &unknown);
	if (!failed && (mounted = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0)) < 0) failed = upper;
	if (unknown) result = 1;
	else if (failed) result = fail_context(context, failed);
	else if (syscall(SYS_move_mount, mounted, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0) result = fail_errno("attach overlay", target);
	if (mounted >= 0) close(mounted);
	close(context);
	return result;
}

// `:`, `,` and `\` separate in option texts.
static void put(FILE *options, const char *name, const char *path)
{
	fputs(name, options);
	for (; *path; path++) {
		if (strchr(":,\\", *path)) fputc('\\', options);
		fputc(*path, options);
	}
}

static size_t common_directory(const char *const *lower, size_t count)
{
	size_t length = strlen(lower[0]);
	for (size_t i = 0; i < count; i++) {
		size_t same = 0;
		while (same < length && lower[i][same] == lower[0][same]) same++;
		length = same;
	}
	while (length > 0 && lower[0][length - 1] != '/') length--;
	return length;
}

// mount(2) takes one page of options, so lower directories are named relative to what they share.
static int mount_by_text(const char *const *lower, size_t count, const char *upper, const char *work, const char *target)
{
	enum { PAGE = 4096 };
	static char text[PAGE + 1];
	size_t shared = common_directory(lower, count), most = off_count();
	char *directory = strndup(lower[0], shared);
	int result = directory ? chdir(directory) : -1;
	free(directory);
	if (result < 0) return fail_errno("mount overlay", lower[0]);
	bool is_initial = userns_is_initial();
	// From most to fewest options, because mount(2) refuses all for one it does not know.
	for (size_t wanted = most + 2; wanted-- > 0;) {
		FILE *options = fmemopen(text, sizeof text, "w");
		if (!options) return fail_errno("mount overlay", upper);
		for (size_t i = count; i-- > 0;) put(options, i == count - 1 ? "lowerdir=" : ":", lower[i] + shared);
		put(options, ",upperdir=", upper);
		put(options, ",workdir=", work);
		if (!is_initial) fprintf(options, ",%s", user_attributes);
		for (size_t i = 0; i < wanted && i < most; i++) fprintf(options, ",%s=off", off[i]);
		if (wanted > most) fprintf(options, ",%s", volatile_option);
		if (fclose(options) != 0 || strlen(text) >= PAGE)
			return fail_kind("", E2BIG, "mount overlay", upper, "too many layers for this kernel's mount call (Linux 6.5 or newer has no such limit)");
		result = mount("overlay", target, "overlay", 0, text);
		if (result == 0 || errno != EINVAL) break;
	}
	return result < 0 || chdir("/") < 0 ? fail_errno("mount overlay", upper) : 0;
}

// Where the work directory cannot be made ready, the kernel mounts the overlay all the same, but read-only. Whoever
// writes to it then hears of that, and not of the disk that was full.
static int check_writable(const char *target, const char *work)
{
	struct statvfs state;
	char probe[PATH_MAX];
	if (statvfs(target, &state) < 0) return fail_errno("look at overlay", target);
	if (!(state.f_flag & ST_RDONLY)) return 0;
	if (snprintf(probe, sizeof probe, "%s/probe", work) < (int)sizeof probe) {
		if (mkdir(probe, 0700) < 0) return fail_errno("make work directory of overlay", work);
		rmdir(probe);
	}
	// What it makes there takes more than a directory.
	return fail_kind("", EROFS, "make work directory of overlay", work, "the kernel cannot (no space left on device or a disk quota exceeded, most likely)");
}

int overlay_mount(const char *const *lower, size_t count, const char *upper, const char *work, const char *target)
{
	int result = mount_by_context(lower, count, upper, work, target);
	if (result == 1) result = mount_by_text(lower, count, upper, work, target);
	if (result == 0) result = check_writable(target, work);
	return result == 0 ? drop_volatile_mark(work) : result;
}
