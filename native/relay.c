// See relay.h.
#include "relay.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 16 };

static bool is_socket(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool relay_needed(void)
{
	return is_socket(STDOUT_FILENO) || is_socket(STDERR_FILENO);
}

int relay_open(struct relay *relay)
{
	for (int i = 0; i < 2; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0) return fail_errno("create pipe", NULL);
		relay->from[i] = ends[0];
		relay->input[i] = ends[1];
	}
	return 0;
}

// For targets that cannot be spliced to (a file opened for appending).
static ssize_t copy(int from, int to)
{
	static char buffer[CHUNK];
	ssize_t length = read(from, buffer, sizeof buffer);
	for (ssize_t done = 0; done < length;) {
		ssize_t n = write(to, buffer + done, (size_t)(length - done));
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return -1;
		done += n;
	}
	return length;
}

int relay_move(struct relay *relay, int index)
{
	ssize_t length = splice(relay->from[index], NULL, index + 1, NULL, CHUNK, SPLICE_F_MOVE);
	if (length < 0 && errno == EINVAL) length = copy(relay->from[index], index + 1);
	if (length > 0 || (length < 0 && errno == EINTR)) return 0;
	int result = length < 0 ? fail_errno("pass on output", NULL) : 0;
	close(relay->from[index]);
	relay->from[index] = -1;
	return result;
}
