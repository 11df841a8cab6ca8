// See run.h. The helper outside the container: it starts process 1 in new namespaces, passes on output
// and signals, and outlives everything inside.
#include "run.h"
#include "adopt.h"
#include "container.h"
#include "fail.h"
#include "init.h"
#include "network.h"
#include "relay.h"
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
	struct relay relay;
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
	run->relay = (struct relay){ { STDOUT_FILENO, STDERR_FILENO }, { -1, -1 } };
	if (seal_self("run") < 0 || run_request_read(&run->request, 3) < 0) return -1;
	run->network = run->request.network ? network_open(run->request.network) : -1;
	if (run->request.network && run->network < 0) return -1;
	run->shared = mmap(NULL, sizeof *run->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->shared == MAP_FAILED) return fail_errno("share memory", NULL);
	if (!run->request.inherit_stdio && relay_needed() && relay_open(&run->relay) < 0) return -1;
	run->signals = open_signals();
	return run->signals < 0 ? -1 : 0;
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
	bool own_pipes = run->relay.from[0] >= 0;
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
			.output = { run->relay.input[0], run->relay.input[1] },
			.own_pipes = own_pipes,
			.network = run->network,
		};
		_exit(container_main(&container));
	}
	// alive[1] stays open for the helper's life: its closing is the news.
	close(alive[0]);
	if (own_pipes)
		for (int i = 0; i < 2; i++) close(run->relay.input[i]);
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

// Until process 1 has ended and its output was passed on to the last byte.
static int attend(struct run *run, int *status)
{
	bool ended = false;
	while (!ended || run->relay.from[0] >= 0 || run->relay.from[1] >= 0) {
		struct pollfd polled[] = {
			{ .fd = ended ? -1 : run->signals, .events = POLLIN },
			{ .fd = run->relay.from[0], .events = POLLIN },
			{ .fd = run->relay.from[1], .events = POLLIN },
		};
		if (poll(polled, 3, -1) < 0 && errno != EINTR) return fail_errno("wait", NULL);
		if (polled[0].revents) ended = take_signal(run, status);
		for (int i = 0; i < 2; i++)
			if (polled[i + 1].revents && relay_move(&run->relay, i) < 0) return -1;
	}
	return 0;
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
	if (attend(run, &status) < 0) {
		kill(run->first, SIGKILL);
		waitpid(run->first, NULL, 0);
		return -1;
	}
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
