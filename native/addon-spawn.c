// See addon-spawn.h.
#include "addon-spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

struct ends {
	int theirs, ours;
};

static void close_open(int fd)
{
	int error = errno;
	if (fd >= 0) close(fd);
	errno = error;
}

static bool open_ends(int wanted, struct ends *ends)
{
	int made[2] = { -1, -1 };
	if (wanted == SPAWN_PIPE) {
		if (pipe2(made, O_CLOEXEC) < 0) return false;
	} else if (wanted == SPAWN_SOCKET) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made) < 0) return false;
	} else {
		made[1] = wanted == SPAWN_NULL ? open("/dev/null", O_RDWR | O_CLOEXEC) : wanted;
		if (made[1] < 0) return false;
	}
	ends->ours = made[0];
	ends->theirs = made[1];
	// A low one would be overwritten before it is where it belongs, and one of the caller's is not ours to close.
	if (wanted < 0 && made[1] >= SPAWN_STREAMS) return true;
	ends->theirs = fcntl(made[1], F_DUPFD_CLOEXEC, SPAWN_STREAMS);
	if (wanted < 0) close_open(made[1]);
	return ends->theirs >= 0;
}

static pid_t start(const char *program, char *const *arguments, const struct ends ends[SPAWN_STREAMS])
{
	char *const environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error = posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < SPAWN_STREAMS && !error; i++) error = posix_spawn_file_actions_adddup2(&actions, ends[i].theirs, i);
	if (!error) error = posix_spawn(&pid, program, &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	errno = error;
	return error ? -1 : pid;
}

pid_t spawn_program(const char *program, char *const *arguments, int streams[SPAWN_STREAMS])
{
	struct ends ends[SPAWN_STREAMS];
	bool good = true;
	for (int i = 0; i < SPAWN_STREAMS; i++) {
		ends[i] = (struct ends){ -1, -1 };
		if (good) good = open_ends(streams[i], &ends[i]);
	}
	pid_t pid = good ? start(program, arguments, ends) : -1;
	for (int i = 0; i < SPAWN_STREAMS; i++) {
		close_open(ends[i].theirs);
		if (pid < 0) close_open(ends[i].ours);
		else streams[i] = ends[i].ours;
	}
	return pid;
}
