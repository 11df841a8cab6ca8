// See container.h.
#include "container.h"
#include "devices.h"
#include "fail.h"
#include "init.h"
#include "inroot.h"
#include "layer-mounts.h"
#include "mount-fd.h"
#include "network.h"
#include "overlay.h"
#include "owners.h"
#include "privileges.h"
#include "program.h"
#include "request-mounts.h"
#include "runtime.h"
#include "system-mounts.h"
#include "user.h"
#include "userns.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

// Open places of a container under construction. They close when process 1 ends.
struct places {
	int root, upper, store;
};

static int path_below(char *path, const char *directory, const char *name)
{
	int length = snprintf(path, PATH_MAX, "%s/%s", directory, name);
	return length < PATH_MAX ? 0 : fail_code(ENAMETOOLONG, "make path below", directory);
}

static int join_cgroups(const struct texts *cgroups)
{
	for (size_t i = 0; i < cgroups->count; i++) {
		char path[PATH_MAX];
		if (path_below(path, cgroups->at[i], "cgroup.procs") < 0) return -1;
		int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		// 0 stands for the writer itself.
		if (fd < 0 || write(fd, "0", 1) != 1) return fail_errno("join cgroup", cgroups->at[i]);
		close(fd);
	}
	return 0;
}

static bool has_runtime(const struct run_request *request)
{
	return request->runtime_create.count > 0;
}

static int enter(const struct container *container)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	// The helper may have died before that took effect; process 1 has no visible parent to ask.
	struct pollfd alive = { .fd = container->helper_alive };
	if (poll(&alive, 1, 0) != 0) return fail_kind("parent-died", 0, "start", NULL, "the helper is gone");
	if (!container->request->inherit_stdio && setsid() < 0) return fail_errno("create session", NULL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail_errno("make mounts private", "/");
	// Before its namespace is made, so that the container sees its own cgroup as the root.
	if (join_cgroups(&container->request->cgroups) < 0) return -1;
	if (container->network >= 0 && network_join(container->network, container->request->network) < 0) return -1;
	if (has_runtime(container->request)) return container->request->own_network ? network_up_loopback() : 0;
	// EINVAL: a kernel without them. Only what /proc/self/cgroup shows depends on it.
	if (unshare(CLONE_NEWCGROUP) < 0 && errno != EINVAL) return fail_errno("create cgroup namespace", NULL);
	return container->request->own_network ? network_up_loopback() : 0;
}

static int make_directory(int parent, const char *name)
{
	return mkdirat(parent, name, 0700) < 0 && errno != EEXIST ? fail_errno("make directory", name) : 0;
}

static int open_directory(int parent, const char *path)
{
	int fd = openat(parent, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_errno("open directory", path) : fd;
}

static int mount_layers(const struct run_request *request, const char *stubs, const char *work, const char *target)
{
	size_t count = request->lower.count + 1;
	const char **lower = calloc(count, sizeof *lower);
	if (!lower) return fail_code(ENOMEM, "mount overlay", NULL);
	lower[0] = stubs;
	for (size_t i = 1; i < count; i++) lower[i] = request->lower.at[i - 1];
	int result = overlay_mount(lower, count, request->upper, work, target);
	free(lower);
	if (result == 0 || request->lower.count > 0) return result;
	// All of the root is in the upper directory, so it will do alone where overlayfs cannot be mounted.
	fail_clear();
	return overlay_mount(NULL, 0, request->upper, work, target);
}

// The request's work directory holds four of our own: `overlay` (the kernel's), `stubs` (the lowest layer), and the two mount points;
// and those of layer-mounts.c.
static int mount_root(struct run_request *request, struct places *places)
{
	static const char *const names[] = { "overlay", "stubs", "root", "store" };
	char paths[4][PATH_MAX];
	int work = open_directory(AT_FDCWD, request->work);
	if (work < 0) return -1;
	for (size_t i = 0; i < 4; i++)
		if (make_directory(work, names[i]) < 0 || path_below(paths[i], request->work, names[i]) < 0) return -1;
	// Whether a place is to be a file or a directory depends on what will be mounted there.
	if (layer_mounts_open(request, work) < 0) return -1;
	int layer = open_directory(work, "stubs");
	// Its mode shows where the image has no root directory of its own.
	if (layer < 0 || stubs_fill_layer(layer, request) < 0) return -1;
	if (fchmodat(work, "stubs", 0755, 0) < 0) return fail_errno("change mode", "stubs");
	if (mount_layers(request, paths[1], paths[0], paths[2]) < 0) return -1;
	places->root = open_directory(work, "root");
	places->upper = open_directory(AT_FDCWD, request->upper);
	if (places->root < 0 || places->upper < 0) return -1;
	// Packages may ship devices; only those of /dev may be opened (devices.c).
	struct mount_attr attributes = { .attr_set = request->insecure ? 0 : MOUNT_ATTR_NODEV };
	if (syscall(SYS_mount_setattr, places->root, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
		return errno == ENOSYS ? fail_kind("unsupported", ENOSYS, "set mount attributes", NULL, "Linux 5.12 or newer is needed") : fail_errno("set mount attributes", "/");
	static const char *const options[] = { "mode", "700", NULL };
	places->store = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID);
	int place = places->store < 0 ? -1 : open_directory(work, "store");
	if (place < 0 || mount_attach(places->store, place, "store") < 0) return -1;
	return mkdirat(places->store, "empty", 0555) < 0 ? fail_errno("make directory", "empty") : 0;
}

// A runtime mounts these itself; that they are directories in the image is not left to it.
static int make_system_places(int root)
{
	static const char *const names[] = { "proc", "sys" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int place = system_open_place(root, names[i]);
		if (place < 0) return -1;
		close(place);
	}
	return 0;
}

static int mount_all(const struct container *container, const struct places *places)
{
	const struct run_request *request = container->request;
	struct system_mounts system = { .insecure = request->insecure, .own_network = request->own_network };
	if ((has_runtime(request) ? make_system_places(places->root) : system_mount(&system, places->root)) < 0) return -1;
	int dev = system_open_place(places->root, "dev");
	if (dev < 0) return -1;
	struct devices_options devices = { .insecure = request->insecure, .shm_size = request->shm_size, .nodes = places->store };
	if (devices_mount(dev, devices) < 0) return -1;
	struct mount_places where = { places->root, places->upper, places->store };
	if (request_mounts(request, where, container->stubs) < 0) return -1;
	return has_runtime(request) ? 0 : system_restrict(&system, places->store);
}

static int change_root(const struct places *places)
{
	if (fchdir(places->root) < 0) return fail_errno("enter root", NULL);
	if (syscall(SYS_pivot_root, ".", ".") < 0) return fail_errno("pivot root", NULL);
	if (umount2(".", MNT_DETACH) < 0) return fail_errno("leave the old root", NULL);
	return chdir("/") < 0 ? fail_errno("enter root", NULL) : 0;
}

static int set_hostname(const char *hostname)
{
	if (*hostname && sethostname(hostname, strlen(hostname)) < 0) return fail_errno("set hostname", hostname);
	return setdomainname("", 0) < 0 ? fail_errno("set domain name", NULL) : 0;
}

static int enter_directory(int root, const char *cwd, const struct user *user)
{
	struct inroot_mkdirs options = { .mode = 0755, .uid = user->uid, .gid = user->gid };
	if (inroot_mkdirs(root, cwd, &options) < 0) return fail_errno("make working directory", cwd);
	int fd = inroot_open(root, cwd, O_PATH | O_DIRECTORY, 0);
	if (fd < 0 || fchdir(fd) < 0) return fail_errno("enter working directory", cwd);
	close(fd);
	// A directory outside the root would answer "(unreachable)…".
	char path[PATH_MAX];
	if (syscall(SYS_getcwd, path, sizeof path) < 0) return fail_errno("enter working directory", cwd);
	return path[0] == '/' ? 0 : fail_kind("image", EXDEV, "enter working directory", cwd, "it is outside the root");
}

static int set_up(const struct container *container, struct places *places, struct user *user)
{
	struct run_request *request = container->request;
	if (enter(container) < 0 || mount_root(request, places) < 0) return -1;
	// Before the mounts: they may hide the image's files.
	if (user_lookup(user, places->root, request->user) < 0) return -1;
	if (program_set_home(&request->env, user->home) < 0) return -1;
	if (mount_all(container, places) < 0) return -1;
	if (!has_runtime(request) && (change_root(places) < 0 || set_hostname(request->hostname) < 0)) return -1;
	return enter_directory(places->root, request->cwd, user);
}

// A job of the caller's terminal, as a shell starts one: Ctrl-C reaches it and not slipway.
static void take_terminal(void)
{
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	if (isatty(STDIN_FILENO)) tcsetpgrp(STDIN_FILENO, getpid());
	signal(SIGTTOU, SIG_DFL);
}

static int connect_stdio(const struct container *container, const struct user *user)
{
	if (container->request->inherit_stdio) {
		take_terminal();
		return 0;
	}
	int null = devices_open_null();
	if (null < 0) return -1;
	if (program_give_output(user->uid, user->gid) < 0) return -1;
	if (dup2(null, STDIN_FILENO) < 0) return fail_errno("connect", "stdin");
	return setsid() < 0 ? fail_errno("create session", NULL) : 0;
}

// Where there is one id, another user than root has it alone, in a namespace of its own; for root, who may give files
// to others and become them, somebody answers.
static int share_id(const struct user *user, int answerer)
{
	if (user->uid || user->gid) return userns_become(user->uid, user->gid);
	return answerer < 0 ? 0 : owners_submit(answerer);
}

static int become_process(const struct container *container, const struct user *user, int answerer)
{
	const struct run_request *request = container->request;
	if (connect_stdio(container, user) < 0) return -1;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (process_state_reset(request) < 0) return -1;
	if (userns_records_owners() && share_id(user, answerer) < 0) return -1;
	if (privileges_assume(user, request) < 0) return -1;
	if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0) return fail_errno("close files", NULL);
	return program_exec(&request->args, &request->env);
}

// Process 1 lives as long as the step: it must hold neither its pipes, nor the host's directories, nor power. `kept`
// (-1: nothing) becomes number 3, beside the status stream.
static int give_up_the_rest(int kept)
{
	enum { KEPT = 3, STATUS = 4 };
	if (privileges_keep_kill() < 0) return -1;
	if (kept >= 0 && dup2(kept, KEPT) < 0) return fail_errno("close files", NULL);
	if (syscall(SYS_close_range, 0u, kept >= 0 ? KEPT - 1u : KEPT, 0u) < 0 || syscall(SYS_close_range, STATUS + 1u, ~0u, 0u) < 0)
		return fail_errno("close files", NULL);
	return KEPT;
}

struct pipe {
	int from, to;
};

// Nothing of the image runs before process 1 has closed its end of `go`.
static void be_process(const struct container *container, const struct user *user, struct pipe go, int failed, int answerer)
{
	char byte = 1;
	close(go.to);
	if (read(go.from, &byte, 1) == 0) become_process(container, user, answerer);
	status_failure();
	_exit(write(failed, &byte, 1) == 1 ? 1 : 2);
}

// Starts whoever answers for the step's root, and returns the socket to reach it by; -1 without need, recorded when it fails.
static int start_answerer(const struct container *container, const struct user *user)
{
	int sockets[2];
	if (!userns_records_owners()) return -1;
	*container->owner = (struct recorded){ .uid = user->uid, .gid = user->gid };
	if (user->uid || user->gid) return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) return fail_errno("create socket", NULL);
	pid_t pid = fork();
	if (pid < 0) return fail_errno("fork", NULL);
	if (pid > 0) {
		close(sockets[1]);
		return sockets[0];
	}
	enum { KEPT = 3 };
	if (dup2(sockets[1], KEPT) < 0 || syscall(SYS_close_range, 0u, KEPT - 1u, 0u) < 0 || syscall(SYS_close_range, KEPT + 1u, ~0u, 0u) < 0) _exit(1);
	owners_answer(KEPT);
}

// Postcondition: the program is running, or -1 with the failure reported by the new process.
static pid_t start_process(const struct container *container, const struct user *user)
{
	int go[2], failed[2];
	int answerer = start_answerer(container, user);
	if (has_failed()) return -1;
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(failed, O_CLOEXEC) < 0) return fail_errno("create pipe", NULL);
	pid_t pid = fork();
	if (pid < 0) return fail_errno("fork", NULL);
	if (pid == 0) be_process(container, user, (struct pipe){ go[0], go[1] }, failed[1], answerer);
	int news = give_up_the_rest(failed[0]);
	if (news < 0) return -1;
	char byte;
	ssize_t length = read(news, &byte, 1);
	close(news);
	// End of file: execve closed the pipe, or the process was killed first, which waiting for it will tell.
	return length == 0 ? pid : -1;
}

// Of all that has been waited for: everything that ran in the container.
static void report_usage(void)
{
	struct rusage used;
	if (getrusage(RUSAGE_CHILDREN, &used) < 0) return;
	status_number("user_us", used.ru_utime.tv_sec * 1000000L + used.ru_utime.tv_usec);
	status_number("system_us", used.ru_stime.tv_sec * 1000000L + used.ru_stime.tv_usec);
	status_number("max_rss_kib", used.ru_maxrss);
}

static void report_exit(int status)
{
	status_begin();
	status_object("exit");
	if (WIFSIGNALED(status)) {
		status_number("code", 128 + WTERMSIG(status));
		status_number("signal", WTERMSIG(status));
	} else {
		status_number("code", WEXITSTATUS(status));
	}
	report_usage();
	status_object_end();
	status_end();
}

// The runtime's container has mounts of its own by now; process 1 keeps nothing of the host in view either.
static pid_t start_by_runtime(const struct container *container, const struct places *places, const struct user *user)
{
	if (userns_records_owners())
		return fail_kind("unsupported", 0, "start the runtime", NULL, "with a single id only slipway's own sandbox can (add ranges to /etc/subuid and /etc/subgid)");
	struct runtime runtime = {
		.request = container->request,
		.user = user,
		.root = places->root,
		.store = places->store,
	};
	pid_t process = runtime_start(&runtime);
	// A runtime starts it by itself: for a moment it could see more of process 1.
	return process < 0 || change_root(places) < 0 || give_up_the_rest(-1) < 0 ? -1 : process;
}

int container_main(const struct container *container)
{
	static struct user user;
	struct places places = { -1, -1, -1 };
	if (set_up(container, &places, &user) < 0) {
		status_failure();
		return 1;
	}
	pid_t process = has_runtime(container->request) ? start_by_runtime(container, &places, &user) : start_process(container, &user);
	if (process < 0) {
		status_failure();
		return 1;
	}
	status_begin();
	status_true("started");
	status_end();
	report_exit(init_wait(process));
	return 0;
}
