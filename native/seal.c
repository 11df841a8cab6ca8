// See seal.h. The class of CVE-2019-5736.
#include "seal.h"
#include "fail.h"
#include "steps.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char marker[] = "SLIPWAY_SEALED=1";

int seal_self(const char *mode)
{
	struct statvfs self;
	if (statvfs("/proc/self/exe", &self) < 0) return fail_errno("look at own program", "/proc/self/exe");
	if (self.f_flag & ST_RDONLY) return 0;
	if (getenv("SLIPWAY_SEALED")) return fail_kind("unsupported", 0, "seal own program", NULL, "a read-only view of it is not read-only");
	// open_tree does not follow the link itself, its target must be opened first.
	int file = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (file < 0) return fail_errno("open own program", "/proc/self/exe");
	int view = clone_mount(file, "", 0, MOUNT_ATTR_RDONLY);
	if (view < 0) return fail_errno("bind mount", "/proc/self/exe");
	if (fcntl(3, F_SETFD, 0) < 0 || fcntl(4, F_SETFD, 0) < 0) return fail_errno("seal own program", NULL);
	char parent[16];
	snprintf(parent, sizeof parent, "%d", getppid());
	char *const arguments[] = { "slipway-helper", (char *)mode, parent, NULL };
	char *const environment[] = { (char *)marker, NULL };
	syscall(SYS_execveat, view, "", arguments, environment, AT_EMPTY_PATH);
	return fail_errno("seal own program", NULL);
}
