// See run.h. The helper outside the container: it starts process 1 in new namespaces, passes on
// signals, and outlives everything inside.
#include "run.h"
#include "adopt.h"
#include "container.h"
#include "fail.h"
#include "init.h"
#include "network.h"
#include "run-request.h"
#include "seal.h"
#include "stubs.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

// From the caller: the step's time to end by itself is up. The helper then waits until nothing is left.
enum { END_NOW = SIGXCPU };

// Written inside the container, read when nothing is left of it.
struct shared {
	struct stubs stubs;
	struct recorded owner;
};

struct run {
	struct run_request request;
	struct shared *shared;
	int signals, network;
	pid_t first;
};

static int open_signals(void)
{
	sigset_t signals;
	init_signals(&signals);
	sigaddset(&signals, END_NOW);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0) return fail_errno("block signals", NULL);
	int fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return fd < 0 ? fail_errno("receive signals", NULL) : fd;
}

// Inherited by the step. Done out here, where /proc is the host's; where it is not, nothing is written.
static void reset_oom_score(void)
{
	struct statfs proc;
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0) return;
	// A caller that may not lower the score was given it for good.
	if (fstatfs(fd, &proc) == 0 && proc.f_type == PROC_SUPER_MAGIC && write(fd, "0", 1) < 0) errno = 0;
	close(fd);
}

static int prepare(struct run *run)
{
	reset_oom_score();
	if (seal_self("run") < 0) return -1;
	// Before the request comes: whoever started this helper ahead of time has not said yet for whom.
	run->signals = open_signals();
	if (run->signals < 0 || run_request_read(&run->request, 3) < 0) return -1;
	run->network = run->request.network ? network_open(run->request.network) : -1;
	if (run->request.network && run->network < 0) return -1;
	run->shared = mmap(NULL, sizeof *run->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->shared == MAP_FAILED) return fail_errno("share memory", NULL);
	return 0;
}

static pid_t clone_first(const struct run *run)
{
	unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | (run->request.runtime_create.count ? 0 : CLONE_NEWUTS) | (run->request.own_network ? CLONE_NEWNET : 0) | SIGCHLD;
#if defined __x86_64__ || defined __aarch64__
	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
#else
#error "slipway knows the arguments of clone on x86_64 and arm64 only"
#endif
}

static int start(struct run *run)
{
	int alive[2];
	if (pipe2(alive, O_CLOEXEC) < 0) return fail_errno("create pipe", NULL);
	run->first = clone_first(run);
	if (run->first < 0) return fail_errno("create namespaces", NULL);
	if (run->first == 0) {
		close(alive[1]);
		struct container container = {
			.request = &run->request,
			.stubs = &run->shared->stubs,
			.owner = &run->shared->owner,
			.helper_alive = alive[0],
			.network = run->network,
		};
		_exit(container_main(&container));
	}
	// alive[1] stays open for the helper's life: its closing is the news.
	close(alive[0]);
	return 0;
}

// Takes signals from outside and the end of process 1. True when it has ended.
static bool take_signal(const struct run *run, int *status)
{
	struct signalfd_siginfo received;
	if (read(run->signals, &received, sizeof received) != sizeof received) return false;
	if (received.ssi_signo != SIGCHLD) {
		kill(run->first, received.ssi_signo == END_NOW ? SIGKILL : (int)received.ssi_signo);
		return false;
	}
	return waitpid(run->first, status, WNOHANG) == run->first;
}

// The step may have been the terminal's foreground job.
static void take_terminal_back(void)
{
	signal(SIGTTOU, SIG_IGN);
	if (isatty(STDIN_FILENO)) tcsetpgrp(STDIN_FILENO, getpgrp());
}

static int tidy_layer(const struct run *run)
{
	const struct stubs *stubs = &run->shared->stubs;
	const struct recorded *owner = &run->shared->owner;
	if (stubs->count == 0 && owner->uid == 0 && owner->gid == 0) return 0;
	int upper = open(run->request.upper, O_PATH | O_DIRECTORY | O_CLOEXEC), result = 0;
	if (upper < 0) return 0;
	stubs_remove(stubs, upper);
	if (owner->uid || owner->gid) result = adopt_new_files(upper, owner->uid, owner->gid);
	close(upper);
	return result;
}

// A failure inside was reported from there.
static int run_request(struct run *run)
{
	int status = 0;
	if (prepare(run) < 0 || start(run) < 0) return -1;
	while (!take_signal(run, &status)) continue;
	if (run->request.inherit_stdio) take_terminal_back();
	if (tidy_layer(run) < 0) return -1;
	if (WIFEXITED(status)) return WEXITSTATUS(status);
	char text[64];
	snprintf(text, sizeof text, "process 1 was ended by signal %d", WTERMSIG(status));
	return fail_kind("killed", 0, "run", NULL, text);
}

int run_main(void)
{
	static struct run run;
	int result = run_request(&run);
	if (result >= 0) return result;
	status_failure();
	return 1;
}
