// See init.h.
#include "init.h"
#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>

void init_signals(sigset_t *signals)
{
	static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGCONT, SIGCHLD };
	sigemptyset(signals);
	for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaddset(signals, forwarded[i]);
}

// One SIGCHLD may stand for many children. True when `process` was among them.
static bool reap(pid_t process, int *status)
{
	int ended;
	for (pid_t pid; (pid = waitpid(-1, &ended, WNOHANG)) > 0;) {
		if (pid != process) continue;
		*status = ended;
		return true;
	}
	return false;
}

int init_wait(pid_t process)
{
	sigset_t signals;
	int status = 0;
	init_signals(&signals);
	for (;;) {
		int number = sigwaitinfo(&signals, NULL);
		if (number < 0 && errno != EINTR) break;
		if (number == SIGCHLD) {
			if (reap(process, &status)) break;
		} else if (number > 0 && kill(-process, number) < 0 && errno == ESRCH) {
			// It has no process group of its own yet.
			kill(process, number);
		}
	}
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) continue;
	return status;
}
