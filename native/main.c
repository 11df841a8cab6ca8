// slipway-helper: short-lived process that does for slipway what Node cannot. Usage:
//   slipway-helper files|run [parent-pid]              with the request on fd 3 and the status stream on fd 4
//   slipway-helper decompress parent-pid bzip2|xz|zstd  from fd 0 to fd 1, status on fd 4
#include "decompress.h"
#include "fail.h"
#include "files.h"
#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The parent may have passed on ignored signals or a blocked mask; nothing here may depend on them.
static void reset_signals(void)
{
	// The kernel's own structure and call: the library refuses its two signals, which whoever used posix_spawn passes on ignored.
	static const unsigned long by_default[4];
	for (int number = 1; number < NSIG; number++) syscall(SYS_rt_sigaction, number, by_default, NULL, NSIG / 8);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int prepare(const char *parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	// The parent may have died before the request above took effect.
	if (parent && getppid() != (pid_t)strtol(parent, NULL, 10)) return -1;
	prctl(PR_SET_DUMPABLE, 0);
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0) return -1;
	if (fcntl(3, F_SETFD, FD_CLOEXEC) < 0 || fcntl(4, F_SETFD, FD_CLOEXEC) < 0) return -1;
#ifdef SYS_close_range
	syscall(SYS_close_range, 5u, ~0u, 0u);
#endif
	reset_signals();
	umask(0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	bool decompresses = argc == 4 && strcmp(mode, "decompress") == 0;
	if (!decompresses && (argc > 3 || (strcmp(mode, "files") && strcmp(mode, "run")))) {
		fputs("slipway-helper is a part of slipway and is not run by hand\n", stderr);
		return 2;
	}
	if (prepare(argc > 2 ? argv[2] : NULL) < 0) return 3;
	status_open(4);
	if (decompresses) return decompress_main(argv[3]);
	return strcmp(mode, "files") == 0 ? files_main() : run_main();
}
