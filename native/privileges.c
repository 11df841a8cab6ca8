// See privileges.h. The order matters: without no_new_privs the filter needs CAP_SYS_ADMIN, so it comes
// before the capabilities go; the bounding set needs CAP_SETPCAP, so it comes before both.
#include "privileges.h"
#include "fail.h"
#include "userns.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY(number) (UINT64_C(1) << (number))

// Docker's 14.
static const uint64_t default_capabilities = CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_FSETID) | CAPABILITY(CAP_FOWNER) |
	CAPABILITY(CAP_MKNOD) | CAPABILITY(CAP_NET_RAW) | CAPABILITY(CAP_SETGID) | CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETFCAP) |
	CAPABILITY(CAP_SETPCAP) | CAPABILITY(CAP_NET_BIND_SERVICE) | CAPABILITY(CAP_SYS_CHROOT) | CAPABILITY(CAP_KILL) | CAPABILITY(CAP_AUDIT_WRITE);

struct capability_sets {
	uint64_t effective, permitted, inheritable;
};

static int get_capabilities(struct capability_sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0) return fail_errno("read capabilities", NULL);
	sets->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	sets->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	sets->inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}

static int set_capabilities(struct capability_sets sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)sets.effective, (uint32_t)sets.permitted, (uint32_t)sets.inheritable },
		{ (uint32_t)(sets.effective >> 32), (uint32_t)(sets.permitted >> 32), (uint32_t)(sets.inheritable >> 32) },
	};
	return syscall(SYS_capset, &header, data) < 0 ? fail_errno("set capabilities", NULL) : 0;
}

static int limit_bounding_set(uint64_t kept)
{
	for (int number = 0; number < 64; number++) {
		if (kept & CAPABILITY(number)) continue;
		if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
		// The kernel's last capability is behind us.
		if (errno == EINVAL) return 0;
		return fail_errno("drop capabilities", NULL);
	}
	return 0;
}

static int set_ids(const struct user *user)
{
	// There is one id, and it is the user's by now; the kernel lets nobody set groups.
	if (userns_records_owners()) return 0;
	if (setgroups(user->group_count, user->groups) < 0) return fail_errno("set supplementary groups", NULL);
	if (setresgid(user->gid, user->gid, user->gid) < 0) return fail_errno("set group", NULL);
	if (setresuid(user->uid, user->uid, user->uid) < 0) return fail_errno("set user", NULL);
	return 0;
}

// For a user other than root the effective and permitted sets end at execve unless they are ambient.
static int raise_ambient(uint64_t capabilities)
{
	for (int number = 0; number < 64; number++)
		if (capabilities & CAPABILITY(number) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
			return fail_errno("raise ambient capabilities", NULL);
	return 0;
}

static int assume_insecure(const struct user *user, uint64_t permitted)
{
	if (set_ids(user) < 0) return -1;
	if (set_capabilities((struct capability_sets){ permitted, permitted, permitted }) < 0) return -1;
	return raise_ambient(permitted);
}

static int install_filter(const struct run_request *request)
{
	struct sock_fprog program = { .len = request->filter_length, .filter = request->filter };
	// Docker leaves speculation alone too: hardening every step against itself costs build time.
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
		return fail_errno("install the system call filter", NULL);
	return 0;
}

int privileges_assume(const struct user *user, const struct run_request *request)
{
	struct capability_sets had;
	if (get_capabilities(&had) < 0) return -1;
	// Across the change of user only; execve resets it.
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return fail_errno("keep capabilities", NULL);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (request->insecure) return assume_insecure(user, had.permitted);
	uint64_t kept = default_capabilities & had.permitted;
	if (limit_bounding_set(kept) < 0) return -1;
	if (install_filter(request) < 0) return -1;
	if (set_ids(user) < 0) return -1;
	uint64_t at_exec = user->uid == 0 ? kept : 0;
	return set_capabilities((struct capability_sets){ at_exec, at_exec, 0 });
}

int privileges_drop_all(void)
{
	return set_capabilities((struct capability_sets){ 0, 0, 0 });
}

int privileges_keep_kill(void)
{
	uint64_t kill_only = CAPABILITY(CAP_KILL);
	struct capability_sets had;
	if (get_capabilities(&had) < 0) return -1;
	kill_only &= had.permitted;
	return set_capabilities((struct capability_sets){ kill_only, kill_only, 0 });
}

static int set_limit(const struct request_limit *limit)
{
	struct rlimit had, wanted = limit->wanted;
	if (setrlimit(limit->resource, &wanted) == 0) return 0;
	if (limit->required || errno != EPERM || getrlimit(limit->resource, &had) < 0) return fail_errno("set limit", NULL);
	if (wanted.rlim_max > had.rlim_max) wanted.rlim_max = had.rlim_max;
	if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
	return setrlimit(limit->resource, &wanted) < 0 ? fail_errno("set limit", NULL) : 0;
}

int process_state_reset(const struct run_request *request)
{
	umask(022);
	// An own session keyring; the caller's may hold keys. Kernels without keyrings have none to leave.
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
		return fail_errno("join a session keyring", NULL);
	if (personality(PER_LINUX) < 0) return fail_errno("set personality", NULL);
	// The kernel leaves out what this machine or its cpuset does not have.
	cpu_set_t all;
	memset(&all, 0xff, sizeof all);
	if (sched_setaffinity(0, sizeof all, &all) < 0) return fail_errno("use all processors", NULL);
	for (size_t i = 0; i < request->limit_count; i++)
		if (set_limit(&request->limits[i]) < 0) return -1;
	return 0;
}
