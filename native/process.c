// See process.h. The order matters: without no_new_privs the filter needs CAP_SYS_ADMIN, so it comes before the
// capabilities go; the bounding set needs CAP_SETPCAP, so it comes before both.
#include "process.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

// The bytes of a field as items of `size` bytes each; what is no whole number of them makes the record malformed.
static void *read_items(struct record *record, size_t size, size_t *count)
{
	size_t length;
	const unsigned char *bytes = record_bytes(record, &length);
	void *items = malloc(length + 1);
	*count = length / size;
	if (!items || length % size) record->malformed = true;
	else memcpy(items, bytes, length);
	return items;
}

static char **read_texts(struct record *record)
{
	uint64_t count = record_u64(record);
	// Every text has a length of four bytes.
	if (count > (size_t)(record->limit - record->at) / 4) record->malformed = true;
	char **texts = calloc(record->malformed ? 1 : count + 1, sizeof *texts);
	if (!texts) record->malformed = true;
	for (size_t i = 0; i < count && !record->malformed; i++) texts[i] = (char *)record_text(record);
	return texts;
}

int process_read(struct process *process, struct record *record)
{
	process->flags = record_u64(record);
	process->uid = (uid_t)record_u64(record);
	process->gid = (gid_t)record_u64(record);
	process->capabilities = record_u64(record);
	process->ambient = record_u64(record);
	process->cwd = record_text(record);
	process->groups = read_items(record, sizeof *process->groups, &process->group_count);
	process->limits = read_items(record, sizeof *process->limits, &process->limit_count);
	process->filter = read_items(record, sizeof *process->filter, &process->filter_length);
	process->programs = read_texts(record);
	process->args = read_texts(record);
	process->env = read_texts(record);
	process->runtime_create = read_texts(record);
	process->runtime_start = read_texts(record);
	if (record_finish(record) < 0) return -1;
	bool runs = process->args[0] && *process->args[0] && !process->runtime_create[0] == !process->runtime_start[0];
	bool filters = process->filter_length <= BPF_MAXINSNS && (process->filter_length || process->flags & PROCESS_INSECURE || process->runtime_create[0]);
	return runs && filters ? 0 : fail_kind("malformed", EPROTO, "request", NULL, "the process has no program or no system call filter");
}

// The null device of the calling process's root; something else may be mounted there.
static int open_null(void)
{
	struct stat st;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0) return fail_errno("open device", "/dev/null");
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) return fd;
	close(fd);
	return fail_kind("mount", EINVAL, "open device", "/dev/null", "something else is mounted there");
}

// A job of the caller's terminal, as a shell starts one: Ctrl-C reaches it and not slipway.
static void take_terminal(void)
{
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	if (isatty(STDIN_FILENO)) tcsetpgrp(STDIN_FILENO, getpid());
	signal(SIGTTOU, SIG_DFL);
}

int process_connect(const struct process *process)
{
	struct stat st;
	if (process->flags & PROCESS_INHERITS_STDIO) {
		take_terminal();
		return 0;
	}
	int null = open_null();
	if (null < 0) return -1;
	// Whoever opens /dev/stdout needs permission on the pipe itself. Where there is one id everybody has it.
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && !(process->flags & PROCESS_ONE_ID); fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && fchown(fd, process->uid, process->gid) < 0) return fail_errno("change owner of", "stdout");
	return dup2(null, STDIN_FILENO) < 0 ? fail_errno("connect", "stdin") : 0;
}

static int set_limit(const struct limit *limit)
{
	struct rlimit had, wanted = { limit->soft, limit->hard };
	int resource = limit->resource < RLIM_NLIMITS ? (int)limit->resource : -1;
	if (setrlimit(resource, &wanted) == 0) return 0;
	if (limit->required || errno != EPERM || getrlimit(resource, &had) < 0) return -1;
	if (wanted.rlim_max > had.rlim_max) wanted.rlim_max = had.rlim_max;
	if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
	return setrlimit(resource, &wanted);
}

int process_reset(const struct process *process)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	// An own session keyring; the caller's may hold keys. Kernels without keyrings have none to leave.
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
		return fail_errno("join a session keyring", NULL);
	if (personality(PER_LINUX) < 0) return fail_errno("set personality", NULL);
	// The kernel leaves out what this machine or its cpuset does not have.
	cpu_set_t all;
	memset(&all, 0xff, sizeof all);
	if (sched_setaffinity(0, sizeof all, &all) < 0) return fail_errno("use all processors", NULL);
	for (size_t i = 0; i < process->limit_count; i++)
		if (set_limit(&process->limits[i]) < 0) return fail_errno("set limit", NULL);
	return syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? fail_errno("close files", NULL) : 0;
}

static struct __user_cap_header_struct capability_header = { .version = _LINUX_CAPABILITY_VERSION_3 };

static uint64_t permitted_capabilities(void)
{
	struct __user_cap_data_struct data[2] = { { 0 } };
	syscall(SYS_capget, &capability_header, data);
	return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

static int set_capabilities(uint64_t kept, uint64_t inheritable)
{
	struct __user_cap_data_struct data[2];
	for (int i = 0; i < 2; i++) data[i] = (struct __user_cap_data_struct){ (uint32_t)(kept >> 32 * i), (uint32_t)(kept >> 32 * i), (uint32_t)(inheritable >> 32 * i) };
	return syscall(SYS_capset, &capability_header, data) < 0 ? fail_errno("set capabilities", NULL) : 0;
}

int keep_capabilities(uint64_t kept)
{
	return set_capabilities(kept & permitted_capabilities(), 0);
}

int process_set_ids(const struct process *process)
{
	// There is one id, and it is the user's by now; the kernel lets nobody set groups.
	if (process->flags & PROCESS_ONE_ID) return 0;
	if (setgroups(process->group_count, process->groups) < 0) return fail_errno("set supplementary groups", NULL);
	if (setresgid(process->gid, process->gid, process->gid) < 0) return fail_errno("set group", NULL);
	return setresuid(process->uid, process->uid, process->uid) < 0 ? fail_errno("set user", NULL) : 0;
}

static int limit_bounding_set(uint64_t kept)
{
	// EINVAL: the kernel's last capability is behind us.
	for (int number = 0; number < 64; number++)
		if (!(kept >> number & 1) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) return errno == EINVAL ? 0 : fail_errno("drop capabilities", NULL);
	return 0;
}

// For a user other than root the effective and permitted sets end at execve unless they are ambient.
static int raise_ambient(uint64_t kept)
{
	for (int number = 0; number < 64; number++)
		if (kept >> number & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0) return fail_errno("raise ambient capabilities", NULL);
	return 0;
}

int process_assume(const struct process *process)
{
	uint64_t had = permitted_capabilities(), kept = process->capabilities & had, ambient = process->ambient & had;
	// Across the change of user only; execve resets it.
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return fail_errno("keep capabilities", NULL);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (limit_bounding_set(kept) < 0) return -1;
	struct sock_fprog program = { .len = (unsigned short)process->filter_length, .filter = process->filter };
	// Docker leaves speculation alone too: hardening every step against itself costs build time.
	if (program.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
		return fail_errno("install the system call filter", NULL);
	if (process_set_ids(process) < 0) return -1;
	return set_capabilities(process->uid == 0 ? kept : ambient, ambient) < 0 ? -1 : raise_ambient(ambient);
}

// 0, or the errno that says why it cannot be executed.
static int check_program(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0) return errno;
	if (S_ISDIR(st.st_mode)) return EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

int process_exec(const struct process *process)
{
	int code = ENOENT;
	for (char **program = process->programs; *program; program++) {
		code = check_program(*program);
		if (code) continue;
		execve(*program, process->args, process->env);
		return fail_kind("exec", errno, "start program", *program, strerror(errno));
	}
	return fail_kind("exec", code, "check program", process->args[0], strerror(code));
}
