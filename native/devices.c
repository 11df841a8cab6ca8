// See devices.h. /dev itself is mounted nodev and every node is a mount of its own without it: a step may
// make nodes (mknod is allowed, as with docker) but can open no device that is not listed here, and that
// holds without a device cgroup.
#include "devices.h"
#include "fail.h"
#include "mount-fd.h"
#include "userns.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct node {
	const char *name;
	unsigned major, minor;
};

static const struct node nodes[] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const char *const links[][2] = {
	{ "pts/ptmx", "ptmx" },       { "/proc/self/fd", "fd" },         { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
	{ "/proc/self/fd/2", "stderr" },
};

// The machine's own node, which is what it says it is or nothing is mounted.
static int clone_host_node(const struct node *node, uint64_t attributes)
{
	char path[32];
	struct stat st;
	snprintf(path, sizeof path, "/dev/%s", node->name);
	int mount = mount_clone(AT_FDCWD, path, (struct clone_options){ .attributes = attributes });
	if (mount < 0) return -1;
	if (fstat(mount, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(node->major, node->minor)) return mount;
	close(mount);
	return fail_kind("unsupported", ENODEV, "open device", path, "it is not the device of that name");
}

// In a user namespace devices can be neither made nor opened, unless they come from outside it.
static int clone_node(int store, const struct node *node, uint64_t attributes)
{
	if (!userns_is_initial()) return clone_host_node(node, attributes);
	if (mknodat(store, node->name, S_IFCHR | 0666, makedev(node->major, node->minor)) < 0 && errno != EEXIST) return fail_errno("make device", node->name);
	return mount_clone(store, node->name, (struct clone_options){ .attributes = attributes });
}

int devices_clone_null(int store, uint64_t attributes)
{
	return clone_node(store, &nodes[0], attributes);
}

static int make_node(int dev, int store, const struct node *node)
{
	int place = openat(dev, node->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (place < 0) return fail_errno("make device", node->name);
	int mount = clone_node(store, node, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	int result = mount < 0 ? -1 : mount_attach(mount, place, node->name);
	if (mount >= 0) close(mount);
	close(place);
	return result;
}

static int mount_below(int dev, const char *name, int mount)
{
	if (mount < 0) return -1;
	int place = -1, result = -1;
	if (mkdirat(dev, name, 0755) < 0 || (place = openat(dev, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) fail_errno("make mount point", name);
	else result = mount_attach(mount, place, name);
	if (place >= 0) close(place);
	close(mount);
	return result;
}

static int mount_pts(int dev)
{
	// Every mount is an instance of its own (since Linux 4.7).
	enum { TTY = 5 };
	const char *const options[] = { "ptmxmode", "0666", "mode", "0620", userns_has_gid(TTY) ? "gid" : NULL, "5", NULL };
	return mount_below(dev, "pts", mount_new("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
}

static int mount_shm(int dev, uint64_t size)
{
	char bytes[32];
	snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)(size ? size : UINT64_C(64) << 20));
	const char *const options[] = { "mode", "1777", "size", bytes, NULL };
	return mount_below(dev, "shm", mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
}

// What an insecure step finds beside the others, whether the machine has the driver or not (BuildKit, too).
static int make_insecure_nodes(int dev)
{
	static const struct node characters[] = {
		{ "kmsg", 1, 11 }, { "cuse", 10, 203 }, { "fuse", 10, 229 }, { "kvm", 10, 232 }, { "net/tun", 10, 200 }, { "loop-control", 10, 237 },
	};
	enum { LOOPS = 8 };
	char name[16];
	if (mkdirat(dev, "net", 0755) < 0) return fail_errno("make directory", "/dev/net");
	for (size_t i = 0; i < sizeof characters / sizeof *characters; i++)
		if (mknodat(dev, characters[i].name, S_IFCHR | 0666, makedev(characters[i].major, characters[i].minor)) < 0)
			return fail_errno("make device", characters[i].name);
	for (unsigned i = 0; i < LOOPS; i++) {
		snprintf(name, sizeof name, "loop%u", i);
		if (mknodat(dev, name, S_IFBLK | 0666, makedev(7, i)) < 0) return fail_errno("make device", name);
	}
	return 0;
}

static int fill(int dev, struct devices_options options)
{
	// In a user namespace no device can be made.
	if (options.insecure && userns_is_initial() && make_insecure_nodes(dev) < 0) return -1;
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		if (make_node(dev, options.nodes, &nodes[i]) < 0) return -1;
	if (mount_pts(dev) < 0 || mount_shm(dev, options.shm_size) < 0) return -1;
	if (mount_below(dev, "mqueue", mount_new("mqueue", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)) < 0) return -1;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0) return fail_errno("link device", links[i][1]);
	return 0;
}

int devices_mount(int place, struct devices_options options)
{
	static const char *const tmpfs_options[] = { "mode", "755", "size", "65536k", NULL };
	int mount = mount_new("tmpfs", tmpfs_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME | (options.insecure ? 0 : MOUNT_ATTR_NODEV));
	if (mount < 0) return -1;
	// Mounts can only be attached below a mount that is attached itself.
	int result = mount_attach(mount, place, "/dev") < 0 ? -1 : fill(mount, options);
	close(mount);
	return result;
}

int devices_open_null(void)
{
	struct stat st;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0) return fail_errno("open device", "/dev/null");
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) return fd;
	close(fd);
	return fail_kind("mount", EINVAL, "open device", "/dev/null", "something else is mounted there");
}
