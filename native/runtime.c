// See runtime.h. The container shares this pid namespace: process 1 here reaps for it and ends it, as without a
// runtime, and whatever kills the helper leaves neither runtime nor container.
#include "runtime.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Ends a child, which did its part or recorded why not.
static _Noreturn void end_child(int result)
{
	status_failure();
	_exit(result < 0);
}

// How the child ended; 0 also when it was stopped, being traced. -1 recorded.
static int wait_for(pid_t child)
{
	int status = 0;
	if (child < 0) return fail_errno("fork", NULL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR) return fail_errno("wait", NULL);
	if (!WIFSTOPPED(status)) return status;
	kill(child, SIGKILL);
	return waitpid(child, &status, 0) < 0 ? fail_errno("wait", NULL) : 0;
}

static bool is_in_runtime_mounts(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
}

// Lets the kernel judge whether the program can be started: a traced process stops before the first instruction of a
// new program, and is killed there. So what cannot be started fails in the same words whatever the runtime.
static int try_program(const struct runtime *runtime)
{
	const struct process *process = runtime->process;
	if (fchdir(runtime->root) < 0 || chroot(".") < 0 || chdir(process->cwd) < 0) return fail_errno("enter root", NULL);
	if (process_set_ids(process) < 0) return -1;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) return fail_errno("watch process", NULL);
	return process_exec(process);
}

static int become_runtime(const struct runtime *runtime, char *const *command)
{
	char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	if (!(runtime->process->flags & PROCESS_INHERITS_STDIO) && process_connect(runtime->process) < 0) return -1;
	if (process_reset(runtime->process) < 0) return -1;
	if (chdir("/") == 0) execve(command[0], command, environment);
	return fail_errno("start runtime", command[0]);
}

static int run(const struct runtime *runtime, char *const *command, const char *stage)
{
	char text[64];
	pid_t pid = fork();
	if (pid == 0) end_child(become_runtime(runtime, command));
	int status = wait_for(pid);
	if (status <= 0) return status;
	snprintf(text, sizeof text, WIFEXITED(status) ? "exit code %d" : "signal %d", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return fail_kind("runtime", 0, stage, command[0], text);
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

// crun makes the root file system a mount without the flags that it had: then devices that a package ships or a step
// makes could be opened. The container is there by now, and nothing of the image runs yet.
static int forbid_devices(pid_t container)
{
	char path[64];
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_NODEV };
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", container);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0 || setns(namespace, CLONE_NEWNS) < 0) return fail_errno("enter mount namespace", path);
	return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof attributes) < 0 ? fail_errno("set mount attributes", "/") : 0;
}

pid_t runtime_start(const struct runtime *runtime)
{
	const struct process *process = runtime->process;
	// These file systems are there only once the runtime has mounted them.
	bool tries = !is_in_runtime_mounts(process->args[0]) && !is_in_runtime_mounts(process->cwd);
	pid_t child = tries ? fork() : 0;
	if (tries && child == 0) end_child(try_program(runtime));
	if (tries && wait_for(child) != 0) return -1;
	if (run(runtime, process->runtime_create, "create container") < 0) return -1;
	pid_t pid = read_pid(runtime->store);
	if (pid < 0) return -1;
	if (!(process->flags & PROCESS_INSECURE)) {
		child = fork();
		if (child == 0) end_child(forbid_devices(pid));
		if (wait_for(child) != 0) return -1;
	}
	return run(runtime, process->runtime_start, "start container") < 0 ? -1 : pid;
}
