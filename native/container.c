// See container.h.
#include "container.h"
#include "fail.h"
#include "init.h"
#include "owners.h"
#include "process.h"
#include "runtime.h"
#include "steps.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(struct steps *steps, struct wire *wire, int alive, struct process *process)
{
	struct record record;
	struct pollfd helper = { .fd = alive };
	char go;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	// The helper may have died before that took effect, ready or not; process 1 has no visible parent to ask.
	if (read(alive, &go, 1) != 1 || poll(&helper, 1, 0) != 0) return fail_kind("parent-died", 0, "start", NULL, "the helper is gone");
	if (steps_perform(steps, wire, &record) < 0) return -1;
	if (record.opcode != STEP_PROCESS) return fail_kind("malformed", EPROTO, "request", NULL, "a second start");
	if (process_read(process, &record) < 0) return -1;
	return !(process->flags & PROCESS_INHERITS_STDIO) && setsid() < 0 ? fail_errno("create session", NULL) : 0;
}

// Becomes the user in a namespace of its own, in which it may do everything and has the one id of its caller's.
static int take_id(uid_t uid, gid_t gid)
{
	char uids[32], gids[32];
	snprintf(uids, sizeof uids, "%u 0 1\n", uid);
	snprintf(gids, sizeof gids, "%u 0 1\n", gid);
	if (unshare(CLONE_NEWUSER) < 0) return fail_errno("create user namespace", NULL);
	bool maps = write_text("/proc/self/setgroups", "deny") == 0 && write_text("/proc/self/uid_map", uids) == 0 && write_text("/proc/self/gid_map", gids) == 0;
	return maps ? 0 : fail_errno("map the user", NULL);
}

// Where there is one id, another user than root has it alone; for root, who may give files to others and become them,
// somebody answers.
static int share_id(const struct process *process, int told)
{
	if (process->flags & PROCESS_OWN_ID) return take_id(process->uid, process->gid);
	return process->flags & PROCESS_ANSWERED ? owners_submit(told) : 0;
}

static void become_process(const struct process *process)
{
	int told = process->flags & PROCESS_ANSWERED ? owners_start() : -1;
	if (has_failed() || process_connect(process) < 0) return;
	if (!(process->flags & PROCESS_INHERITS_STDIO) && setsid() < 0) fail_errno("create session", NULL);
	else if (process_reset(process) == 0 && share_id(process, told) == 0 && process_assume(process) == 0) process_exec(process);
}

// Process 1 lives as long as the step: it must hold neither its pipes, nor the host's directories, nor power. `kept`
// (-1: nothing) becomes number 3, beside the status stream.
static int give_up_the_rest(int kept)
{
	enum { KEPT = 3, STATUS = 4 };
	if (keep_capabilities(UINT64_C(1) << CAP_KILL) < 0) return -1;
	if (kept >= 0 && dup2(kept, KEPT) < 0) return fail_errno("close files", NULL);
	if (syscall(SYS_close_range, 0u, kept >= 0 ? KEPT - 1u : KEPT, 0u) < 0 || syscall(SYS_close_range, STATUS + 1u, ~0u, 0u) < 0)
		return fail_errno("close files", NULL);
	return KEPT;
}

// Nothing of the image runs before process 1 has closed its end of `go`.
static void be_process(const struct process *process, const int go[2], int failed)
{
	char byte = 1;
	close(go[1]);
	if (read(go[0], &byte, 1) == 0) become_process(process);
	status_failure();
	_exit(write(failed, &byte, 1) == 1 ? 1 : 2);
}

// Postcondition: the program is running, or -1 with the failure reported by the new process.
static pid_t start_process(const struct process *process)
{
	int go[2], failed[2];
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(failed, O_CLOEXEC) < 0) return fail_errno("create pipe", NULL);
	pid_t pid = fork();
	if (pid < 0) return fail_errno("fork", NULL);
	if (pid == 0) be_process(process, go, failed[1]);
	int news = give_up_the_rest(failed[0]);
	if (news < 0) return -1;
	char byte;
	ssize_t length = read(news, &byte, 1);
	close(news);
	// End of file: execve closed the pipe, or the process was killed first, which waiting for it will tell.
	return length == 0 ? pid : -1;
}

// The runtime's container has mounts of its own by now; process 1 keeps nothing of the host in view either.
static pid_t start_by_runtime(const struct process *process, const struct steps *steps)
{
	struct runtime runtime = {
		.process = process,
		.root = steps->slot[ROOT_SLOT],
		.store = steps->slot[STORE_SLOT],
	};
	pid_t pid = runtime_start(&runtime);
	// A runtime starts it by itself: for a moment it could see more of process 1.
	if (pid >= 0 && change_root(runtime.root) < 0) return fail_errno("enter root", NULL);
	return pid < 0 || give_up_the_rest(-1) < 0 ? -1 : pid;
}

// With the usage of all that has been waited for: everything that ran in the container.
static void report_exit(int status)
{
	struct rusage used;
	int64_t signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	status_add("{\"exit\":{\"code\":#", signal ? 128 + signal : (int64_t)WEXITSTATUS(status));
	if (signal) status_add(",\"signal\":#", signal);
	if (getrusage(RUSAGE_CHILDREN, &used) == 0) {
		status_add(",\"user_us\":#", (int64_t)used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec);
		status_add(",\"system_us\":#", (int64_t)used.ru_stime.tv_sec * 1000000 + used.ru_stime.tv_usec);
		status_add(",\"max_rss_kib\":#", (int64_t)used.ru_maxrss);
	}
	status_add("}}");
	status_send();
}

int container_main(struct wire *wire, struct places *places, int alive)
{
	static struct process process;
	struct steps steps;
	steps_init(&steps, places);
	pid_t pid = set_up(&steps, wire, alive, &process);
	if (pid == 0) pid = process.runtime_create[0] ? start_by_runtime(&process, &steps) : start_process(&process);
	if (pid < 0) {
		status_failure();
		return 1;
	}
	status_add("{\"started\":true}");
	status_send();
	report_exit(init_wait(pid));
	return 0;
}
