// See steps.h. Needs Linux 5.12 (mount_setattr).
#include "steps.h"
#include "fail.h"
#include "inroot.h"
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

struct step {
	unsigned opcode;
	uint64_t flags, number;
	unsigned base, into, onto;
	const char *act, *path;
	struct record *rest;
};

static int at(const struct steps *steps, unsigned slot)
{
	return slot == HOST_SLOT ? AT_FDCWD : slot == NO_SLOT ? -1 : steps->slot[slot];
}

// `fd` (-1: a failure) becomes the open file `into`.
static int keep(struct steps *steps, const struct step *step, int fd)
{
	if (fd < 0 || step->into == NO_SLOT) return closed(fd, fd < 0 ? -1 : 0);
	if (steps->slot[step->into] >= 0) close(steps->slot[step->into]);
	steps->slot[step->into] = fd;
	return 0;
}

// Mounts can only be attached below a mount that is attached itself.
static int attach(int mount, int place)
{
	return (int)syscall(SYS_move_mount, mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int keep_mount(struct steps *steps, const struct step *step, int mount)
{
	if (mount >= 0 && step->onto != NO_SLOT && attach(mount, at(steps, step->onto)) < 0) return closed(mount, -1);
	return keep(steps, step, mount);
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -1 : closed(fd, write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1);
}

static int join_network(const struct step *step)
{
	// Whoever names a pipe must not be waited for.
	int fd = open(step->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -1 : closed(fd, setns(fd, CLONE_NEWNET));
}

int network_up_loopback(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	return fd < 0 ? -1 : closed(fd, ioctl(fd, SIOCSIFFLAGS, &request));
}

static int open_path(struct steps *steps, const struct step *step)
{
	int flags = O_PATH | O_CLOEXEC | (step->flags & OPEN_DIRECTORY ? O_DIRECTORY : 0), from = at(steps, step->base);
	int fd = step->base == HOST_SLOT ? open(step->path, flags) : inroot_open(from, step->path, flags, 0);
	struct stat st;
	if (fd >= 0 && step->number && (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != step->number)) {
		errno = ENODEV;
		return closed(fd, -1);
	}
	return keep(steps, step, fd);
}

static int set_attributes(int mount, unsigned depth, uint64_t added)
{
	struct mount_attr attributes = { .attr_set = added };
	return added ? (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | depth, &attributes, sizeof attributes) : 0;
}

int clone_mount(int from, const char *path, unsigned depth, uint64_t attributes)
{
	int mount = (int)syscall(SYS_open_tree, from, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | depth);
	return mount < 0 || set_attributes(mount, depth, attributes) == 0 ? mount : closed(mount, -1);
}

static int configure(int context, const char *key, const char *value)
{
	bool is_flag = !*value;
	return (int)syscall(SYS_fsconfig, context, is_flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, is_flag ? NULL : value, 0);
}

static int configure_all(const struct steps *steps, const struct step *step, int context)
{
	struct stat place;
	char mode[16];
	// Only a name in mount tables.
	configure(context, "source", step->path);
	if (step->flags & MOUNT_MODE_OF_PLACE) {
		if (fstat(at(steps, step->onto), &place) < 0) return -1;
		snprintf(mode, sizeof mode, "%o", place.st_mode & 07777);
		if (configure(context, "mode", mode) < 0) return -1;
	}
	while (record_more(step->rest)) {
		const char *key = record_text(step->rest), *value = record_text(step->rest);
		if (configure(context, key, value) < 0) return -1;
	}
	return (int)syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

// Which option it was matters more than a number: contexts explain themselves in a log. Always returns -1.
static int fail_context(int context, const struct step *step)
{
	int code = errno;
	char log[256], text[512];
	ssize_t length = read(context, log, sizeof log - 1);
	if (length <= 2) return fail_code(code, step->act, step->path);
	log[length] = 0;
	log[strcspn(log, "\n")] = 0;
	snprintf(text, sizeof text, "%s (%s)", strerror(code), log + 2);
	return fail_kind("", code, step->act, step->path, text);
}

static int mount_by_context(const struct steps *steps, const struct step *step)
{
	int context = (int)syscall(SYS_fsopen, step->path, FSOPEN_CLOEXEC);
	if (context < 0) return -1;
	if (configure_all(steps, step, context) < 0) return closed(context, fail_context(context, step));
	return closed(context, (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, step->number));
}

static int mount_by_text(const struct steps *steps, const struct step *step)
{
	const char *where = record_text(step->rest), *options = record_text(step->rest);
	if (fchdir(at(steps, step->base)) < 0 || mount(step->path, where, step->path, 0, options) < 0 || chdir("/") < 0) return -1;
	return open(where, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

// Overlayfs mounts what it cannot write to all the same.
static int check_writable(const struct step *step, int mount)
{
	struct statvfs state;
	if (mount < 0 || !(step->flags & MOUNT_WRITABLE) || (fstatvfs(mount, &state) == 0 && !(state.f_flag & ST_RDONLY))) return mount;
	errno = EROFS;
	return closed(mount, -1);
}

// What is absent, or open to nobody, needs no cover: it depends on the kernel.
static int cover(const struct steps *steps, const struct step *step)
{
	struct stat st;
	int place = openat(at(steps, step->base), step->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0) return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
	if (fstat(place, &st) < 0) return closed(place, -1);
	unsigned slot = S_ISDIR(st.st_mode) ? step->into : step->onto;
	int mount = clone_mount(slot == NO_SLOT ? place : at(steps, slot), "", 0, step->number);
	int result = mount < 0 ? -1 : attach(mount, place);
	return closed(place, closed(mount, result));
}

static int make_file(const struct steps *steps, const struct step *step)
{
	uint64_t uid = record_u64(step->rest), gid = record_u64(step->rest);
	size_t length;
	const unsigned char *bytes = record_bytes(step->rest, &length);
	int fd = openat(at(steps, step->base), step->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) return -1;
	for (ssize_t n; length > 0; bytes += n, length -= (size_t)n)
		if ((n = write(fd, bytes, length)) < 0) return closed(fd, -1);
	// Where there is one id everybody has it; before Linux 6.6 a tmpfs cannot even record another.
	bool given = record_set_owner(fd, (uid_t)uid, (gid_t)gid, step->flags & OWNER_RECORDED) == 0 || errno == ENOTSUP;
	return closed(fd, given ? fchmod(fd, (mode_t)step->number) : -1);
}

int change_root(int root)
{
	return fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ? -1 : chdir("/");
}

static int set_hostname(const char *name)
{
	return *name && sethostname(name, strlen(name)) < 0 ? -1 : setdomainname("", 0);
}

static int enter(int directory, const char *name)
{
	char path[PATH_MAX];
	if (fchdir(directory) < 0 || syscall(SYS_getcwd, path, sizeof path) < 0) return -1;
	// A directory outside the root would answer "(unreachable)…".
	return path[0] == '/' ? 0 : fail_kind("image", EXDEV, "enter working directory", name, "it is outside the root");
}

static int perform(struct steps *steps, const struct step *step)
{
	int base = at(steps, step->base);
	switch ((enum step_opcode)step->opcode) {
	case STEP_WRITE: return write_text(step->path, record_text(step->rest));
	case STEP_NETWORK: return join_network(step);
	case STEP_UNSHARE: return unshare((int)step->number);
	case STEP_LOOPBACK: return network_up_loopback();
	case STEP_MOUNT_TEXT: return keep(steps, step, check_writable(step, mount_by_text(steps, step)));
	case STEP_OPEN: return open_path(steps, step);
	case STEP_ATTRIBUTES: return set_attributes(base, 0, step->number);
	case STEP_MOUNT: return keep_mount(steps, step, check_writable(step, mount_by_context(steps, step)));
	case STEP_CLONE: return keep_mount(steps, step, clone_mount(base, step->path, step->flags & CLONE_RECURSIVE ? AT_RECURSIVE : 0, step->number));
	case STEP_PLACE: {
		struct place place = {
			.root = base,
			.layer = steps->places && step->flags & PLACE_NOTED ? at(steps, step->onto) : -1,
			.path = step->path,
			.directory = step->flags & PLACE_DIRECTORY,
			.no_links = step->flags & PLACE_NO_LINKS,
			.records_owners = step->flags & OWNER_RECORDED,
			.mode = (mode_t)step->number,
			.uid = (uid_t)record_u64(step->rest),
			.gid = (gid_t)record_u64(step->rest),
		};
		return keep(steps, step, place_open(&place, steps->places));
	}
	case STEP_COVER: return cover(steps, step);
	case STEP_DIRECTORY: return mkdirat(base, step->path, (mode_t)step->number);
	case STEP_NODE: return mknodat(base, step->path, (mode_t)step->number, record_u64(step->rest));
	case STEP_LINK: return symlinkat(record_text(step->rest), base, step->path);
	case STEP_FILE: return make_file(steps, step);
	case STEP_PIVOT: return change_root(base);
	case STEP_HOSTNAME: return set_hostname(step->path);
	case STEP_ENTER: return enter(base, step->path);
	case STEP_PROPAGATION: return mount(NULL, step->path, NULL, step->number, NULL);
	case STEP_START:
	case STEP_PROCESS: break;
	}
	return fail_kind("malformed", EPROTO, "request", NULL, "a record has an unknown opcode");
}

static unsigned read_slot(struct record *record)
{
	uint64_t slot = record_u64(record);
	if (slot > NO_SLOT) record->malformed = true;
	return (unsigned)slot;
}

void steps_init(struct steps *steps, struct places *places)
{
	steps->places = places;
	memset(steps->slot, -1, sizeof steps->slot);
}

int steps_perform(struct steps *steps, struct wire *wire, struct record *next)
{
	while (wire_next(wire, next) == 0) {
		if (next->opcode <= STEP_PROCESS) return 0;
		struct step step = { .opcode = next->opcode, .rest = next, .flags = record_u64(next) };
		step.base = read_slot(next);
		step.into = read_slot(next);
		step.onto = read_slot(next);
		step.number = record_u64(next);
		step.act = record_text(next);
		step.path = record_text(next);
		if (next->malformed) return record_finish(next);
		if (perform(steps, &step) == 0) {
			if (record_finish(next) < 0) return -1;
		} else if (!(step.flags & STEP_MAY_FAIL)) {
			return fail_errno(step.act, *step.path ? step.path : NULL);
		} else {
			fail_clear();
		}
	}
	return -1;
}
