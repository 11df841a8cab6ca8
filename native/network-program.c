// See network.h. The program runs below a process 1 of a pid namespace of its own: whatever it makes of itself (pasta
// changes its user, which drops the signal asked for at its parent's death), it goes when that process goes.
#include "fail.h"
#include "network.h"
#include "process.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int network_up_loopback(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	if (fd < 0) return -1;
	return closed(fd, ioctl(fd, SIOCSIFFLAGS, &request));
}

static void become_program(char *const *command)
{
	char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	// What it writes is for whoever reads the failure.
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0) {
		fail_errno("start network program", command[0]);
		return;
	}
	execve(command[0], command, environment);
	fail_errno("start network program", command[0]);
}

// The status of the program while nothing runs on in its place, else of the last process that did.
static int wait_for_all(void)
{
	int status = 0, last = 0;
	for (pid_t pid; (pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR;)
		if (pid > 0) last = status;
	return WIFEXITED(last) ? WEXITSTATUS(last) : 128 + WTERMSIG(last);
}

// Process 1 of the program's pid namespace.
static int keep(char *const *command, int alive)
{
	char go;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	// The helper is ready; end of file where it died before the signal above would have told.
	if (read(alive, &go, 1) != 1) return 1;
	pid_t pid = fork();
	if (pid < 0) fail_errno("fork", NULL);
	if (pid == 0) become_program(command);
	if (pid <= 0) {
		status_failure();
		return 1;
	}
	return wait_for_all();
}

static int hold(char **command)
{
	int alive[2];
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/net", getpid());
	for (char **argument = command; *argument; argument++)
		if (strcmp(*argument, "@") == 0) *argument = path;
	if (pipe2(alive, O_CLOEXEC) < 0) return fail_errno("create pipe", NULL);
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0) return fail_errno("create pid namespace", NULL);
	if (pid == 0) {
		close(alive[1]);
		_exit(keep(command, alive[0]));
	}
	close(alive[0]);
	// Only now: an ordinary user, root of a user namespace of its own, could not go back out.
	if (unshare(CLONE_NEWNET) < 0) return fail_errno("create network namespace", NULL);
	if (network_up_loopback() < 0) return fail_errno("bring up the network interface", "lo");
	// The program, which gives up most of its own privileges first, may look the namespace up at a process that has none.
	if (keep_capabilities(0) < 0) return -1;
	if (prctl(PR_SET_DUMPABLE, 1) < 0 || write(alive[1], "", 1) != 1) return fail_errno("open up namespace", NULL);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) return fail_errno("wait", NULL);
	char text[64];
	snprintf(text, sizeof text, "it ended with exit code %d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return fail_kind("network", 0, "connect network with", command[0], text);
}

int network_main(char **command)
{
	if (hold(command) == 0) return 0;
	status_failure();
	return 1;
}
