// See system-mounts.h.
#include "system-mounts.h"
#include "devices.h"
#include "fail.h"
#include "inroot.h"
#include "mount-fd.h"
#include "userns.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static const uint64_t passive = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

static const char *const masked_proc[] = {
	"acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi",
};
static const char *const masked_sys[] = { "firmware", "devices/virtual/powercap" };
static const char *const read_only_proc[] = { "bus", "fs", "irq", "sys", "sysrq-trigger" };

int system_open_place(int root, const char *name)
{
	int place = inroot_open_nolinks(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (place < 0 && errno == ENOENT && mkdirat(root, name, 0755) == 0) place = inroot_open_nolinks(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (place >= 0) return place;
	if (errno == ELOOP || errno == ENOTDIR) {
		char path[64];
		snprintf(path, sizeof path, "/%s", name);
		return fail_kind("image", errno, "open mount point", path, "it is not a directory in the image (a symbolic link there is refused)");
	}
	return fail_errno("open mount point", name);
}

static int mount_in(int root, const char *name, int mount)
{
	int place = mount < 0 ? -1 : system_open_place(root, name);
	int result = place < 0 ? -1 : mount_attach(mount, place, name);
	if (place >= 0) close(place);
	if (result == 0) return mount;
	if (mount >= 0) close(mount);
	return -1;
}

// Differs: with cgroup v1 only, BuildKit shows the step's own groups there; here the directory is empty.
static int mount_cgroup(int sys, bool insecure)
{
	int place = openat(sys, "fs/cgroup", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0) return 0;
	struct statfs host;
	bool unified = statfs("/sys/fs/cgroup", &host) == 0 && (unsigned long)host.f_type == CGROUP2_SUPER_MAGIC;
	uint64_t attributes = passive | (insecure ? 0 : MOUNT_ATTR_RDONLY);
	static const char *const empty_options[] = { "mode", "755", "nr_inodes", "2", NULL };
	int mount = unified ? mount_new("cgroup2", NULL, attributes) : mount_new("tmpfs", empty_options, attributes);
	int result = mount < 0 ? -1 : mount_attach(mount, place, "/sys/fs/cgroup");
	if (mount >= 0) close(mount);
	close(place);
	return result;
}

static int new_proc(void)
{
	int mount = mount_new("proc", NULL, passive);
	if (mount >= 0 || userns_is_initial()) return mount;
	fail_clear();
	return fail_kind("unsupported", EPERM, "mount proc", NULL,
		"parts of /proc are hidden from slipway itself, so it may not show all of it (start its own container with --security-opt systempaths=unconfined)");
}

// Who does not own the network may not mount its view in sysfs, but show again the one that is there.
static int new_sys(const struct system_mounts *mounts)
{
	uint64_t attributes = passive | (mounts->insecure ? 0 : MOUNT_ATTR_RDONLY);
	if (mounts->own_network || userns_is_initial()) return mount_new("sysfs", NULL, attributes);
	return mount_clone(AT_FDCWD, "/sys", (struct clone_options){ .attributes = attributes, .recursive = true });
}

int system_mount(struct system_mounts *mounts, int root)
{
	mounts->proc = mount_in(root, "proc", new_proc());
	if (mounts->proc < 0) return -1;
	mounts->sys = mount_in(root, "sys", new_sys(mounts));
	if (mounts->sys < 0) return -1;
	return mount_cgroup(mounts->sys, mounts->insecure);
}

static int cover(int place, int store, const char *name, bool directory)
{
	struct clone_options options = { .attributes = directory ? passive | MOUNT_ATTR_RDONLY : MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	int mount = directory ? mount_clone(store, "empty", options) : devices_clone_null(store, options.attributes);
	int result = mount < 0 ? -1 : mount_attach(mount, place, name);
	if (mount >= 0) close(mount);
	return result;
}

// Absent is fine: which of these exist depends on the kernel.
static int mask(int base, const char *name, int store)
{
	struct stat st;
	int place = openat(base, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0) return 0;
	int result = fstat(place, &st) < 0 ? fail_errno("mask", name) : cover(place, store, name, S_ISDIR(st.st_mode));
	close(place);
	return result;
}

static int make_read_only(int base, const char *name)
{
	int place = openat(base, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0) return 0;
	int mount = mount_clone(place, "", (struct clone_options){ .attributes = passive | MOUNT_ATTR_RDONLY });
	int result = mount < 0 ? -1 : mount_attach(mount, place, name);
	if (mount >= 0) close(mount);
	close(place);
	return result;
}

// One directory a processor, only on machines that have them at all.
static int mask_thermal(int sys, int store)
{
	enum { MAX_PROCESSORS = 4096 };
	char name[80];
	for (int processor = 0; processor < MAX_PROCESSORS; processor++) {
		snprintf(name, sizeof name, "devices/system/cpu/cpu%d/thermal_throttle", processor);
		if (faccessat(sys, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) return 0;
		if (mask(sys, name, store) < 0) return -1;
	}
	return 0;
}

int system_restrict(const struct system_mounts *mounts, int store)
{
	if (mounts->insecure) return 0;
	for (size_t i = 0; i < sizeof read_only_proc / sizeof *read_only_proc; i++)
		if (make_read_only(mounts->proc, read_only_proc[i]) < 0) return -1;
	for (size_t i = 0; i < sizeof masked_proc / sizeof *masked_proc; i++)
		if (mask(mounts->proc, masked_proc[i], store) < 0) return -1;
	for (size_t i = 0; i < sizeof masked_sys / sizeof *masked_sys; i++)
		if (mask(mounts->sys, masked_sys[i], store) < 0) return -1;
	return mask_thermal(mounts->sys, store);
}
