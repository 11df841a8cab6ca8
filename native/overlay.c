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
static int fail_context(int context, const char *stage, const char *path)
{
	int code = errno;
	char log[256];
	ssize_t length = read(context, log, sizeof log - 1);
	if (length > 2) {
		log[length] = 0;
		log[strcspn(log, "\n")] = 0;
		char text[512];
		snprintf(text, sizeof text, "%s (%s)", strerror(code), log + 2);
		fail_kind("", code, stage, path, text);
	} else {
		fail_code(code, stage, path);
	}
	close(context);
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

// 1: this kernel has no `lowerdir+` (before 6.5), use the other way.
static int mount_by_context(const char *const *lower, size_t count, const char *upper, const char *work, const char *target)
{
	int context = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (context < 0) {
		if (errno == ENOSYS) return 1;
		return fail_errno("mount overlay", NULL);
	}
	for (size_t i = count; i-- > 0;) {
		if (set_string(context, "lowerdir+", lower[i]) == 0) continue;
		if (i == count - 1 && errno == EINVAL) {
			close(context);
			return 1;
		}
		return fail_context(context, "mount overlay", lower[i]);
	}
	if (set_string(context, "upperdir", upper) < 0) return fail_context(context, "mount overlay", upper);
	if (set_string(context, "workdir", work) < 0) return fail_context(context, "mount overlay", work);
	for (size_t i = 0; i < off_count(); i++) set_string(context, off[i], "off");
	syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, volatile_option, NULL, 0);
	if (!userns_is_initial() && syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, user_attributes, NULL, 0) < 0)
		return fail_context(context, "mount overlay", user_attributes);
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) return fail_context(context, "mount overlay", upper);
	int mounted = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (mounted < 0) return fail_context(context, "mount overlay", upper);
	close(context);
	int result = (int)syscall(SYS_move_mount, mounted, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
	if (result < 0) fail_errno("attach overlay", target);
	close(mounted);
	return result;
}

struct options {
	char text[4096];
	size_t length;
	bool cut;
};

// `:`, `,` and `\` separate in option texts.
static void add(struct options *options, const char *text, bool escape)
{
	for (; *text; text++) {
		if (options->length + 3 > sizeof options->text) {
			options->cut = true;
			return;
		}
		if (escape && strchr(":,\\", *text)) options->text[options->length++] = '\\';
		options->text[options->length++] = *text;
	}
	options->text[options->length] = 0;
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
	size_t shared = common_directory(lower, count);
	char directory[PATH_MAX];
	if (shared >= sizeof directory) return fail_code(ENAMETOOLONG, "mount overlay", lower[0]);
	memcpy(directory, lower[0], shared);
	directory[shared] = 0;
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (here < 0) return fail_errno("mount overlay", ".");
	if (shared && chdir(directory) < 0) {
		close(here);
		return fail_errno("mount overlay", directory);
	}
	static struct options options;
	int result = -1;
	bool is_initial = userns_is_initial();
	size_t most = off_count();
	// From most to fewest options, because mount(2) refuses all for one it does not know.
	for (size_t wanted = most + 2; wanted-- > 0;) {
		options.length = 0;
		options.cut = false;
		add(&options, "lowerdir=", false);
		for (size_t i = count; i-- > 0;) {
			add(&options, lower[i] + shared, true);
			if (i) add(&options, ":", false);
		}
		add(&options, ",upperdir=", false);
		add(&options, upper, true);
		add(&options, ",workdir=", false);
		add(&options, work, true);
		if (!is_initial) add(&options, ",", false), add(&options, user_attributes, false);
		for (size_t i = 0; i < wanted && i < most; i++) {
			add(&options, ",", false);
			add(&options, off[i], false);
			add(&options, "=off", false);
		}
		if (wanted > most) {
			add(&options, ",", false);
			add(&options, volatile_option, false);
		}
		if (options.cut) {
			fail_kind("", E2BIG, "mount overlay", upper, "too many layers for this kernel's mount call (Linux 6.5 or newer has no such limit)");
			break;
		}
		result = mount("overlay", target, "overlay", 0, options.text);
		if (result == 0 || errno != EINVAL) break;
	}
	if (result < 0) fail_errno("mount overlay", upper);
	if (fchdir(here) < 0 && result == 0) result = fail_errno("mount overlay", ".");
	close(here);
	return result;
}

int overlay_mount(const char *const *lower, size_t count, const char *upper, const char *work, const char *target)
{
	int result = mount_by_context(lower, count, upper, work, target);
	if (result == 1) result = mount_by_text(lower, count, upper, work, target);
	return result == 0 ? drop_volatile_mark(work) : result;
}
