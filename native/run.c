// See run.h. The helper outside the container: it starts process 1 in new namespaces, passes on
// signals, and outlives everything inside.
#include "run.h"
#include "container.h"
#include "fail.h"
#include "init.h"
#include "places.h"
#include "process.h"
#include "seal.h"
#include "steps.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// From the caller: the step's time to end by itself is up. The helper then waits until nothing is left.
enum { END_NOW = SIGXCPU };

// Of the first record: how the namespaces are made.
enum { START_OWN_NETWORK = 1, START_OWN_UTS = 2, START_INHERITS_STDIO = 4, START_HOLDS_NETWORK = 8 };

struct run {
	struct wire wire;
	uint64_t flags;
	char *upper;
	// Written inside the container, read when nothing is left of it.
	struct places *places;
	int signals;
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

// The record: u64 flags; text upper.
static int read_start(struct run *run)
{
	struct record record;
	if (wire_open(&run->wire, 3) < 0 || wire_next(&run->wire, &record) < 0) return -1;
	if (record.opcode != STEP_START) return fail_kind("malformed", EPROTO, "request", NULL, "the start must come first");
	run->flags = record_u64(&record);
	run->upper = strdup(record_text(&record));
	return run->upper ? record_finish(&record) : fail_code(ENOMEM, "request", NULL);
}

// What the caller's event loop reads and writes without waiting is shared with it, flags and all; programs know no EAGAIN.
static void make_streams_wait(void)
{
	for (int fd = 0; fd < 3; fd++) {
		int flags = fcntl(fd, F_GETFL);
		if (flags >= 0 && flags & O_NONBLOCK) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	}
}

static int prepare(struct run *run)
{
	if (seal_self("run") < 0) return -1;
	// Before the request comes: whoever started this helper ahead of time has not said yet for whom.
	run->signals = open_signals();
	if (run->signals < 0 || read_start(run) < 0) return -1;
	if (run->flags & START_INHERITS_STDIO) make_streams_wait();
	run->places = mmap(NULL, sizeof *run->places, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->places == MAP_FAILED) return fail_errno("share memory", NULL);
	return 0;
}

static pid_t clone_first(uint64_t wanted)
{
	unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | (wanted & START_OWN_UTS ? CLONE_NEWUTS : 0) | (wanted & START_OWN_NETWORK ? CLONE_NEWNET : 0) | SIGCHLD;
#if defined __x86_64__ || defined __aarch64__
	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
#else
#error "slipway knows the arguments of clone on x86_64 and arm64 only"
#endif
}

// Makes a network namespace for others to join (/proc/PID/ns/net of this helper), connected by the process, which stays
// outside: it has to be there first, because an ordinary user, root of a user namespace of its own, could not go back out.
static int hold_network(void)
{
	if (unshare(CLONE_NEWNET) < 0) return fail_errno("create network namespace", NULL);
	if (network_up_loopback() < 0) return fail_errno("bring up the network interface", "lo");
	// The program, which gives up most of its own privileges first, may look the namespace up at a process that has none.
	if (keep_capabilities(0) < 0) return -1;
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? fail_errno("open up namespace", NULL) : 0;
}

static int start(struct run *run)
{
	int alive[2];
	if (pipe2(alive, O_CLOEXEC) < 0) return fail_errno("create pipe", NULL);
	run->first = clone_first(run->flags);
	if (run->first < 0) return fail_errno("create namespaces", NULL);
	if (run->first == 0) {
		close(alive[1]);
		_exit(container_main(&run->wire, run->places, alive[0]));
	}
	if (run->flags & START_HOLDS_NETWORK && hold_network() < 0) return -1;
	if (write(alive[1], "", 1) != 1) return fail_errno("start", NULL);
	// alive[1] stays open for the helper's life: its closing is the news. The rest of the request is process 1's.
	close(alive[0]);
	close(3);
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

static void tidy_layer(const struct run *run)
{
	int upper = run->places->count ? open(run->upper, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (upper >= 0) places_remove(run->places, upper);
	closed(upper, 0);
}

// A failure inside was reported from there.
static int run_request(struct run *run)
{
	int status = 0;
	if (prepare(run) < 0 || start(run) < 0) return -1;
	while (!take_signal(run, &status)) continue;
	if (run->flags & START_INHERITS_STDIO) take_terminal_back();
	tidy_layer(run);
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
