// See network.h.
#include "network.h"
#include "fail.h"
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int network_up_loopback(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) return fail_errno("open a network socket", NULL);
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };
	memcpy(request.ifr_name, "lo", sizeof "lo");
	int result = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? fail_errno("bring up the network interface", "lo") : 0;
	close(fd);
	return result;
}

int network_open(const char *path)
{
	// Whoever names a pipe must not be waited for.
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? fail_errno("open network namespace", path) : fd;
}

int network_join(int fd, const char *path)
{
	return setns(fd, CLONE_NEWNET) < 0 ? fail_errno("join network namespace", path) : 0;
}
