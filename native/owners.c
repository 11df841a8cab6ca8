// See owners.h: the filter that asks, and the loop that answers (seccomp_unotify(2)).
#include "owners.h"
#include "fail.h"
#include "owners-call.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined __x86_64__
enum { NATIVE = AUDIT_ARCH_X86_64 };
#elif defined __aarch64__
enum { NATIVE = AUDIT_ARCH_AARCH64 };
#else
#error "slipway knows the calls of x86_64 and arm64 only"
#endif

// Newer than some systems' headers (Linux 6.6).
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

static const struct answered answered[] = {
#ifdef SYS_chown
	{ SYS_chown, files_chown, { NONE, 0, NONE, 1 } },
	{ SYS_lchown, files_chown, { NONE, 0, NO_FOLLOW, 1 } },
	{ SYS_stat, files_stat, { NONE, 0, NONE, 1 } },
	{ SYS_lstat, files_stat, { NONE, 0, NO_FOLLOW, 1 } },
#endif
	{ SYS_fchown, files_chown, { 0, NONE, NO_PATH, 1 } },
	{ SYS_fchownat, files_chown, { 0, 1, 4, 2 } },
	{ SYS_fstat, files_stat, { 0, NONE, NO_PATH, 1 } },
	{ SYS_newfstatat, files_stat, { 0, 1, 3, 2 } },
	{ SYS_statx, files_stat, { 0, 1, 2, 4 } },
	{ SYS_setuid, ids_set, { 0, 1 } }, { SYS_setreuid, ids_set, { 0, 2 } }, { SYS_setresuid, ids_set, { 0, 3 } },
	{ SYS_setgid, ids_set, { 1, 1 } }, { SYS_setregid, ids_set, { 1, 2 } }, { SYS_setresgid, ids_set, { 1, 3 } },
	{ SYS_getuid, ids_get, { 0, REAL } }, { SYS_geteuid, ids_get, { 0, EFFECTIVE } }, { SYS_getresuid, ids_get, { 0, ALL } },
	{ SYS_getgid, ids_get, { 1, REAL } }, { SYS_getegid, ids_get, { 1, EFFECTIVE } }, { SYS_getresgid, ids_get, { 1, ALL } },
	{ SYS_setgroups, ids_set, { 1, LIST } }, { SYS_getgroups, ids_get, { 1, LIST } },
};
enum { ANSWERED = sizeof answered / sizeof *answered };

// Programs of another architecture (i386 on x86_64) are not answered: to them everybody is root, and chown fails.
static int install(void)
{
	struct sock_filter code[ANSWERED + 6];
	unsigned short length = 0;
	code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 0, ANSWERED + 1);
	code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < ANSWERED; i++)
		code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)answered[i].number, (unsigned char)(ANSWERED - i), 0);
	code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	struct sock_fprog program = { .len = length, .filter = code };
	int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
	return listener < 0 ? fail_errno("have system calls answered", NULL) : listener;
}

bool call_waits(const struct call *call)
{
	uint64_t id = call->asked->id;
	return ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool call_read(const struct call *call, uint64_t address, void *bytes, size_t length)
{
	struct iovec mine = { bytes, length }, theirs = { (void *)(uintptr_t)address, length };
	return process_vm_readv((pid_t)call->asked->pid, &mine, 1, &theirs, 1, 0) == (ssize_t)length;
}

bool call_write(const struct call *call, uint64_t address, const void *bytes, size_t length)
{
	struct iovec mine = { (void *)(uintptr_t)bytes, length }, theirs = { (void *)(uintptr_t)address, length };
	return process_vm_writev((pid_t)call->asked->pid, &mine, 1, &theirs, 1, 0) == (ssize_t)length;
}

bool call_read_text(const struct call *call, uint64_t address, char *text, size_t size)
{
	enum { PIECE = 256 };
	for (size_t length = 0; length < size;) {
		// Never across a page that may not be there.
		size_t wanted = PIECE - (address + length) % PIECE;
		if (wanted > size - length) wanted = size - length;
		if (!call_read(call, address + length, text + length, wanted)) return false;
		if (memchr(text + length, 0, wanted)) return true;
		length += wanted;
	}
	return false;
}

static void answer_one(struct call *call)
{
	struct seccomp_notif_resp response = { .id = call->asked->id };
	int64_t value = 0;
	int result = ANSWER_BY_KERNEL;
	for (size_t i = 0; i < ANSWERED; i++) {
		call->as = &answered[i];
		if (call->as->number == call->asked->data.nr) result = call->as->answer(call, &value);
	}
	if (result == ANSWER_BY_KERNEL) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (result < 0) response.error = result;
	else response.val = value;
	// The caller may be gone by now.
	ioctl(call->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

// What the one who answers is told: who asks, and the file that the calls come from.
struct offer {
	pid_t process;
	int listener;
};

static _Noreturn void answer_all(int told)
{
	enum { KEPT = 3 };
	struct offer offer;
	if (dup2(told, KEPT) < 0 || syscall(SYS_close_range, 0u, KEPT - 1u, 0u) < 0 || syscall(SYS_close_range, KEPT + 1u, ~0u, 0u) < 0) _exit(1);
	if (read(KEPT, &offer, sizeof offer) != sizeof offer) _exit(1);
	int process = (int)syscall(SYS_pidfd_open, offer.process, 0);
	struct call call = {
		.listener = (int)syscall(SYS_pidfd_getfd, process, offer.listener, 0),
		.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	if (call.listener < 0 || call.proc < 0 || write(KEPT, "", 1) != 1) _exit(1);
	close(process);
	close(KEPT);
	// The two take turns, so they may share a processor. Kernels before 6.6 do without.
	ioctl(call.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1UL);
	for (;;) {
		struct seccomp_notif asked = { 0 };
		call.asked = &asked;
		if (ioctl(call.listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) == 0) answer_one(&call);
		// ENOENT: the caller died meanwhile.
		else if (errno != ENOENT && errno != EINTR) _exit(0);
	}
}

int owners_start(void)
{
	int told[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, told) < 0) return fail_errno("create socket", NULL);
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) answer_all(told[1]);
	close(told[1]);
	return pid < 0 ? fail_errno("fork", NULL) : told[0];
}

int owners_submit(int told)
{
	struct offer offer = { getpid(), install() };
	char taken;
	if (offer.listener < 0) return -1;
	bool is_taken = send(told, &offer, sizeof offer, MSG_NOSIGNAL) == sizeof offer && read(told, &taken, 1) == 1;
	return is_taken ? 0 : fail_errno("have system calls answered", NULL);
}
