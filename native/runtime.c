// See runtime.h. The container shares this pid namespace: process 1 here reaps for it and ends it, as without a
// runtime, and whatever kills the helper leaves neither runtime nor container.
#include "runtime.h"
#include "devices.h"
#include "fail.h"
#include "inroot.h"
#include "privileges.h"
#include "program.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST = 3 };

// Runtimes look at themselves and at their container in /proc, and crun refuses a cgroup2 hierarchy beside those of version 1.
static int mount_for_runtime(void)
{
	struct statfs groups;
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) return fail_errno("mount proc", "/proc");
	if (statfs("/sys/fs/cgroup", &groups) < 0 || (unsigned long)groups.f_type == CGROUP2_SUPER_MAGIC) return 0;
	if (statfs("/sys/fs/cgroup/unified", &groups) < 0 || (unsigned long)groups.f_type != CGROUP2_SUPER_MAGIC) return 0;
	return mount("none", "/sys/fs/cgroup/unified", "tmpfs", MS_RDONLY, NULL) < 0 ? fail_errno("mount tmpfs", "/sys/fs/cgroup/unified") : 0;
}

static void ask_for_config(const struct user *user)
{
	char groups[USER_MAX_GROUPS * 11 + 1];
	size_t length = 0;
	groups[0] = 0;
	for (size_t i = 0; i < user->group_count; i++) length += (size_t)snprintf(groups + length, sizeof groups - length, "%s%u", i ? "," : "", user->groups[i]);
	status_begin();
	status_object("prepared");
	status_number("uid", user->uid);
	status_number("gid", user->gid);
	status_string("groups", groups);
	status_string("home", user->home);
	status_object_end();
	status_end();
}

static int write_config(int store)
{
	size_t length;
	unsigned char *bytes = run_request_read_config(REQUEST, &length);
	if (!bytes) return -1;
	int fd = openat(store, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int result = fd < 0 ? -1 : 0;
	for (size_t done = 0; result == 0 && done < length;) {
		ssize_t n = write(fd, bytes + done, length - done);
		if (n < 0 && errno != EINTR) result = -1;
		if (n > 0) done += (size_t)n;
	}
	if (result < 0) fail_errno("write", "config.json");
	if (fd >= 0) close(fd);
	free(bytes);
	return result;
}

static bool is_in_runtime_mounts(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
}

static void become_user_in_root(const struct runtime *runtime)
{
	const struct user *user = runtime->user;
	if (fchdir(runtime->root) < 0 || chroot(".") < 0 || chdir(runtime->request->cwd) < 0) fail_errno("enter root", NULL);
	else if (setgroups(user->group_count, user->groups) < 0 || setresgid(user->gid, user->gid, user->gid) < 0) fail_errno("set group", NULL);
	else if (setresuid(user->uid, user->uid, user->uid) < 0) fail_errno("set user", NULL);
	else if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) fail_errno("watch process", NULL);
	else program_exec(&runtime->request->args, &runtime->request->env);
}

// Lets the kernel judge whether the program can be started: a traced process stops before the first instruction of a
// new program, and is killed there. So what cannot be started fails in the same words whatever the runtime.
static int check_program(const struct runtime *runtime)
{
	// These file systems are there only once the runtime has mounted them.
	if (is_in_runtime_mounts(runtime->request->args.at[0]) || is_in_runtime_mounts(runtime->request->cwd)) return 0;
	pid_t pid = fork();
	if (pid < 0) return fail_errno("fork", NULL);
	if (pid == 0) {
		become_user_in_root(runtime);
		status_failure();
		_exit(1);
	}
	int status = 0;
	if (waitpid(pid, &status, 0) < 0) return fail_errno("wait", NULL);
	if (!WIFSTOPPED(status)) return -1;
	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) < 0 ? fail_errno("wait", NULL) : 0;
}

// Runtimes open these whatever the user: a pipe there would hold runc up for ever.
static int check_user_files(int root)
{
	static const char *const paths[] = { "/etc/passwd", "/etc/group" };
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct stat st;
		int fd = inroot_open(root, paths[i], O_PATH, 0);
		if (fd < 0) continue;
		bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
		close(fd);
		if (!regular) return fail_kind("user", EINVAL, "look up user", paths[i], "it is not a regular file, which OCI runtimes read");
	}
	return 0;
}

static int connect_output(const struct runtime *runtime)
{
	if (program_give_output(runtime->user->uid, runtime->user->gid) < 0) return -1;
	int null = devices_open_null();
	return null < 0 || dup2(null, STDIN_FILENO) < 0 ? fail_errno("connect", "stdin") : 0;
}

static void become_runtime(const struct runtime *runtime, const struct texts *command)
{
	char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!runtime->request->inherit_stdio && connect_output(runtime) < 0) return;
	if (process_state_reset(runtime->request) < 0 || chdir("/") < 0) return;
	if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0) return;
	execve(command->at[0], command->at, environment);
	fail_errno("start runtime", command->at[0]);
}

static int run(const struct runtime *runtime, const struct texts *command, const char *stage)
{
	pid_t pid = fork();
	if (pid < 0) return fail_errno("fork", NULL);
	if (pid == 0) {
		become_runtime(runtime, command);
		status_failure();
		_exit(1);
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) return fail_errno("wait", NULL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
	char text[64];
	if (WIFEXITED(status)) snprintf(text, sizeof text, "exit code %d", WEXITSTATUS(status));
	else snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
	return fail_kind("runtime", 0, stage, command->at[0], text);
}

static pid_t read_pid(int store)
{
	char text[16];
	int fd = openat(store, "pid", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0) close(fd);
	text[length < 0 ? 0 : length] = 0;
	long pid = strtol(text, NULL, 10);
	return pid > 1 && pid <= INT_MAX ? (pid_t)pid : fail_kind("runtime", 0, "create container", NULL, "it left no pid file that names a process");
}

static int set_no_devices(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0) return fail_errno("open mount namespace", path);
	if (setns(namespace, CLONE_NEWNS) < 0) return fail_errno("enter mount namespace", path);
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_NODEV };
	return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof attributes) < 0 ? fail_errno("set mount attributes", "/") : 0;
}

// crun makes the root file system a mount without the flags that it had: then devices that a package ships or a step
// makes could be opened. The container is there by now, and nothing of the image runs yet.
static int forbid_devices(pid_t container)
{
	pid_t pid = fork();
	if (pid < 0) return fail_errno("fork", NULL);
	if (pid == 0) {
		int result = set_no_devices(container);
		status_failure();
		_exit(result < 0);
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) return fail_errno("wait", NULL);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

pid_t runtime_start(const struct runtime *runtime)
{
	const struct run_request *request = runtime->request;
	if (check_user_files(runtime->root) < 0 || check_program(runtime) < 0 || mount_for_runtime() < 0) return -1;
	ask_for_config(runtime->user);
	if (write_config(runtime->store) < 0 || run(runtime, &request->runtime_create, "create container") < 0) return -1;
	pid_t pid = read_pid(runtime->store);
	if (pid < 0 || (!request->insecure && forbid_devices(pid) < 0)) return -1;
	return run(runtime, &request->runtime_start, "start container") < 0 ? -1 : pid;
}
