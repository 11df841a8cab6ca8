// See owners.h: the filter that asks, and the loop that answers (seccomp_unotify(2)).
#include "owners.h"
#include "fail.h"
#include "owners-call.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stdlib.h>
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

static const struct answered {
	int number;
	answer *answer;
} answered[] = {
#ifdef SYS_chown
	{ SYS_chown, files_chown },
	{ SYS_lchown, files_chown },
	{ SYS_stat, files_stat },
	{ SYS_lstat, files_stat },
#endif
	{ SYS_fchown, files_chown },   { SYS_fchownat, files_chown }, { SYS_fstat, files_stat },    { SYS_newfstatat, files_stat }, { SYS_statx, files_stat },
	{ SYS_setuid, ids_set },       { SYS_setgid, ids_set },       { SYS_setreuid, ids_set },    { SYS_setregid, ids_set },      { SYS_setresuid, ids_set },
	{ SYS_setresgid, ids_set },    { SYS_setgroups, ids_set },    { SYS_getuid, ids_get },      { SYS_geteuid, ids_get },       { SYS_getgid, ids_get },
	{ SYS_getegid, ids_get },      { SYS_getresuid, ids_get },    { SYS_getresgid, ids_get },   { SYS_getgroups, ids_get },
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

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

int owners_submit(int socket)
{
	int listener = install();
	if (listener < 0) return -1;
	union control control = { 0 };
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof listener);
	memcpy(CMSG_DATA(header), &listener, sizeof listener);
	ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	int code = errno;
	close(listener);
	close(socket);
	return sent == 1 ? 0 : fail_code(code, "have system calls answered", NULL);
}

static int receive(int socket)
{
	union control control = { 0 };
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space };
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS) return -1;
	int listener;
	memcpy(&listener, CMSG_DATA(header), sizeof listener);
	return listener;
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

static void answer_one(const struct call *call)
{
	struct seccomp_notif_resp response = { .id = call->asked->id };
	int64_t value = 0;
	int result = ANSWER_BY_KERNEL;
	for (size_t i = 0; i < ANSWERED; i++)
		if (answered[i].number == call->asked->data.nr) result = answered[i].answer(call, &value);
	if (result == ANSWER_BY_KERNEL) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (result < 0) response.error = result;
	else response.val = value;
	// The caller may be gone by now.
	ioctl(call->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

_Noreturn void owners_answer(int socket)
{
	struct call call = { .listener = receive(socket), .proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	if (call.listener < 0 || call.proc < 0) _exit(1);
	close(socket);
	// The two take turns, so they may share a processor. Kernels before 6.6 do without.
	ioctl(call.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1UL);
	for (;;) {
		struct seccomp_notif asked = { 0 };
		if (ioctl(call.listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) {
			// The caller died meanwhile, or was interrupted.
			if (errno == ENOENT || errno == EINTR) continue;
			_exit(0);
		}
		call.asked = &asked;
		answer_one(&call);
	}
}
