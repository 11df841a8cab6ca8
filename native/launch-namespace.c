// See launch-namespace.h. The maps are written by newuidmap and newgidmap, which know what /etc/subuid and
// /etc/subgid grant, and which must be run from outside; where they do not help, one id is mapped, which needs nobody.
#include "launch-namespace.h"
#include "launch-ranges.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0) return true;
	return false;
}

bool namespace_wanted(int argc, char **argv)
{
	static const char *const commands[] = { "build", "run", "cache", "shell", "doctor", "du", "prune", "store", NULL };
	static const char *const asks[] = { "--check", "--check=true", "--help", "-h", NULL };
	if (argc < 2 || !is_one_of(argv[1], commands)) return false;
	if (strcmp(argv[1], "build") != 0) return argc == 2 || !is_one_of(argv[2], asks);
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		// Behind a flag it may be that flag's value.
		bool is_value = argv[i - 1][0] == '-' && !strchr(argv[i - 1], '=');
		bool calls = strncmp(argv[i], "--call=", 7) == 0 && strcmp(argv[i] + 7, "build") != 0;
		if (!is_value && (calls || is_one_of(argv[i], asks))) return false;
	}
	return true;
}

static uint64_t effective_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	if (syscall(SYS_capget, &header, data) < 0) return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return false;
	bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

static pid_t start_mapper(const char *program, pid_t process, const struct ranges *ranges, unsigned own)
{
	pid_t pid = fork();
	if (pid != 0) return pid;
	enum { FIXED = 5 };
	char numbers[FIXED + 3 * RANGES_MAX][16];
	char *arguments[FIXED + 3 * RANGES_MAX + 1];
	size_t count = 0;
	unsigned long inside = 1;
	snprintf(numbers[0], sizeof *numbers, "%d", process);
	snprintf(numbers[1], sizeof *numbers, "0");
	snprintf(numbers[2], sizeof *numbers, "%u", own);
	snprintf(numbers[3], sizeof *numbers, "1");
	count = 4;
	for (size_t i = 0; i < ranges->count; i++) {
		snprintf(numbers[count++], sizeof *numbers, "%lu", inside);
		snprintf(numbers[count++], sizeof *numbers, "%lu", ranges->at[i].start);
		snprintf(numbers[count++], sizeof *numbers, "%lu", ranges->at[i].count);
		inside += ranges->at[i].count;
	}
	arguments[0] = (char *)program;
	for (size_t i = 0; i < count; i++) arguments[i + 1] = numbers[i];
	arguments[count + 1] = NULL;
	// What they say of a refusal `slipway doctor` says better.
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		for (int fd = 0; fd < 3; fd++) dup2(null, fd);
	char *const environment[] = { NULL };
	static const char *const directories[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/run/wrappers/bin" };
	for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
		char path[64];
		snprintf(path, sizeof path, "%s/%s", directories[i], program);
		execve(path, arguments, environment);
	}
	_exit(127);
}

static bool ended_well(pid_t pid)
{
	int status;
	if (pid < 0) return false;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Root of a container that may not mount: it has all ids of its own namespace to give.
static bool hand_down(pid_t process, const char *name)
{
	char own[64], theirs[64], text[4096];
	size_t length = 0;
	unsigned inside, outside, count;
	snprintf(own, sizeof own, "/proc/self/%s", name);
	snprintf(theirs, sizeof theirs, "/proc/%d/%s", process, name);
	FILE *file = fopen(own, "re");
	if (!file) return false;
	while (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3 && length + 64 < sizeof text)
		length += (size_t)snprintf(text + length, sizeof text - length, "%u %u %u\n", inside, inside, count);
	fclose(file);
	return length > 0 && write_file(theirs, text);
}

enum { UIDS_MAPPED = 1, GIDS_MAPPED = 2 };

struct caller {
	uid_t uid;
	gid_t gid;
	struct ranges uids, gids;
};

// In a process that stays outside: what it could map of `process`.
static int map_from_outside(const struct caller *caller, pid_t process)
{
	if (caller->uid == 0) return (hand_down(process, "uid_map") ? UIDS_MAPPED : 0) | (hand_down(process, "gid_map") ? GIDS_MAPPED : 0);
	pid_t uids = start_mapper("newuidmap", process, &caller->uids, caller->uid);
	pid_t gids = start_mapper("newgidmap", process, &caller->gids, caller->gid);
	int mapped = ended_well(uids) ? UIDS_MAPPED : 0;
	return mapped | (ended_well(gids) ? GIDS_MAPPED : 0);
}

static bool map_one(const char *name, unsigned id)
{
	char path[64], text[64];
	snprintf(path, sizeof path, "/proc/self/%s", name);
	snprintf(text, sizeof text, "0 %u 1\n", id);
	return write_file(path, text);
}

static bool map_what_is_left(const struct caller *caller, int mapped)
{
	if (!(mapped & UIDS_MAPPED) && !map_one("uid_map", caller->uid)) return false;
	if (mapped & GIDS_MAPPED) return true;
	// Linux's condition for mapping a group without privilege: nobody inside may leave a group that denies something.
	return write_file("/proc/self/setgroups", "deny") && map_one("gid_map", caller->gid);
}

static void say(const char *act, int code)
{
	char text[256];
	// The kernel says it with the code of full disks.
	const char *reason = code == ENOSPC ? "none is left (sysctl user.max_user_namespaces)" : strerror(code);
	snprintf(text, sizeof text, "%s: %s", act, reason);
	setenv("SLIPWAY_NAMESPACE", text, 1);
}

// The mapper waits outside until this process is inside.
static int unshare_mapped(const struct caller *caller, bool by_mapper, int *code)
{
	int entered[2], mapped = 0;
	pid_t self = getpid(), mapper = -1;
	if (by_mapper) {
		if (pipe2(entered, O_CLOEXEC) < 0) by_mapper = false;
		else mapper = fork();
	}
	if (mapper == 0) {
		char byte;
		close(entered[1]);
		_exit(read(entered[0], &byte, 1) == 1 ? map_from_outside(caller, self) : 0);
	}
	*code = unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? errno : 0;
	if (by_mapper) {
		int status = 0;
		ssize_t told = *code ? 0 : write(entered[1], "", 1);
		close(entered[0]);
		close(entered[1]);
		if (mapper > 0 && waitpid(mapper, &status, 0) == mapper && WIFEXITED(status) && told == 1) mapped = WEXITSTATUS(status);
	}
	return mapped;
}

void namespace_enter(void)
{
	if (effective_capabilities() & UINT64_C(1) << CAP_SYS_ADMIN) return;
	struct caller caller = { .uid = geteuid(), .gid = getegid() };
	char uid[16];
	snprintf(uid, sizeof uid, "%u", caller.uid);
	setenv("SLIPWAY_CALLER_UID", uid, 1);
	ranges_read(&caller.uids, "/etc/subuid", caller.uid);
	ranges_read(&caller.gids, "/etc/subgid", caller.uid);
	bool by_mapper = caller.uid == 0 || (caller.uids.count > 0 && caller.gids.count > 0);
	int code;
	int mapped = unshare_mapped(&caller, by_mapper, &code);
	if (code) return say("create a user namespace", code);
	if (!map_what_is_left(&caller, mapped)) return say("map the user into its namespace", errno);
	// Some systems hand out user namespaces in which nothing may be done (AppArmor on Ubuntu).
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return say("mount in a user namespace", errno);
	setenv("SLIPWAY_NAMESPACE", "ok", 1);
}
