// See seccomp.h. What is not on the list fails with EPERM; what is newer than the list fails with ENOSYS,
// so that a newer libc falls back to an older call.
#include "seccomp.h"
#include "fail.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Filter columns of seccomp-calls.h that a kernel of this architecture can be asked for.
enum architecture { X86_64, I386, AARCH64, ARM };

struct call {
	int number[4];
};

static const struct call calls[] = {
#define CALL(name, x86_64, i386, aarch64, arm) { { x86_64, i386, aarch64, arm } },
#include "seccomp-calls.h"
#undef CALL
};

// Calls decided by their first argument, ioctl (by its second), and the two that get their own errno.
static const struct call clone_call = { { 56, 120, 220, 120 } };
static const struct call clone3_call = { { 435, 435, 435, 435 } };
static const struct call socket_call = { { 41, 359, 198, 281 } };
static const struct call personality_call = { { 135, 136, 92, 136 } };
static const struct call ioctl_call = { { 16, 54, 29, 54 } };

// The newest call in the list (removexattrat, Linux 6.13).
enum { NEWEST_KNOWN = 466, X32_BIT = 0x40000000, MAX_PROGRAM = 2048 };

static const uint32_t namespace_flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

struct program {
	struct sock_filter code[MAX_PROGRAM];
	unsigned length;
	bool overflow;
};

static void emit(struct program *program, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
	if (program->length == MAX_PROGRAM) {
		program->overflow = true;
		return;
	}
	program->code[program->length++] = (struct sock_filter){ code, if_true, if_false, k };
}

static void load(struct program *program, size_t offset)
{
	emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

// Only the low word counts: the kernel truncates these arguments to 32 bits (little-endian layout).
static void load_argument(struct program *program, unsigned index)
{
	load(program, offsetof(struct seccomp_data, args) + 8 * index);
}

static void jump(struct program *program, uint16_t test, uint32_t k, uint8_t if_true, uint8_t if_false)
{
	emit(program, BPF_JMP | BPF_K | test, k, if_true, if_false);
}

static void verdict(struct program *program, uint32_t value)
{
	emit(program, BPF_RET | BPF_K, value, 0, 0);
}

static const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
static const uint32_t unknown = SECCOMP_RET_ERRNO | ENOSYS;

static int compare_numbers(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;
	return (left > right) - (left < right);
}

// The accumulator holds the call's number before and after.
static void add_special_calls(struct program *program, enum architecture architecture, bool shares_terminal)
{
	jump(program, BPF_JEQ, (uint32_t)clone3_call.number[architecture], 0, 1);
	verdict(program, unknown); // its flags are behind a pointer: libc then uses clone

	jump(program, BPF_JEQ, (uint32_t)clone_call.number[architecture], 0, 4);
	load_argument(program, 0);
	jump(program, BPF_JSET, namespace_flags, 0, 1);
	verdict(program, refused);
	verdict(program, SECCOMP_RET_ALLOW);

	jump(program, BPF_JEQ, (uint32_t)socket_call.number[architecture], 0, 5);
	load_argument(program, 0);
	jump(program, BPF_JEQ, AF_ALG, 1, 0);
	jump(program, BPF_JEQ, AF_VSOCK, 0, 1);
	verdict(program, refused);
	verdict(program, SECCOMP_RET_ALLOW);

	static const uint32_t personalities[] = { 0, 0x8, 0x20000, 0x20008, 0xffffffff };
	enum { COUNT = sizeof personalities / sizeof *personalities };
	jump(program, BPF_JEQ, (uint32_t)personality_call.number[architecture], 0, COUNT + 3);
	load_argument(program, 0);
	for (unsigned i = 0; i < COUNT; i++) jump(program, BPF_JEQ, personalities[i], (uint8_t)(COUNT - i), 0);
	verdict(program, refused);
	verdict(program, SECCOMP_RET_ALLOW);

	if (!shares_terminal) return;
	enum { TIOCLINUX_REQUEST = 0x541c };
	jump(program, BPF_JEQ, (uint32_t)ioctl_call.number[architecture], 0, 5);
	load_argument(program, 1);
	jump(program, BPF_JEQ, TIOCSTI, 1, 0);
	jump(program, BPF_JEQ, TIOCLINUX_REQUEST, 0, 1);
	verdict(program, refused);
	verdict(program, SECCOMP_RET_ALLOW);
}

// Runs of consecutive numbers keep the filter short: the kernel evaluates it once per number when it is installed.
static void add_listed_calls(struct program *program, enum architecture architecture)
{
	enum { CALLS = sizeof calls / sizeof *calls };
	int numbers[CALLS];
	size_t count = 0;
	for (size_t i = 0; i < CALLS; i++)
		if (calls[i].number[architecture] >= 0) numbers[count++] = calls[i].number[architecture];
	qsort(numbers, count, sizeof *numbers, compare_numbers);
	for (size_t first = 0, last; first < count; first = last + 1) {
		for (last = first; last + 1 < count && numbers[last + 1] == numbers[last] + 1;) last++;
		jump(program, BPF_JGT, (uint32_t)numbers[last], 4, 0);
		jump(program, BPF_JGE, (uint32_t)numbers[first], 0, 1);
		verdict(program, SECCOMP_RET_ALLOW);
		jump(program, BPF_JGT, NEWEST_KNOWN, 1, 0);
		verdict(program, refused);
	}
	jump(program, BPF_JGT, NEWEST_KNOWN, 1, 0);
	verdict(program, refused);
	verdict(program, unknown);
}

static void add_architecture(struct program *program, uint32_t audit, enum architecture architecture, bool shares_terminal)
{
	load(program, offsetof(struct seccomp_data, arch));
	jump(program, BPF_JEQ, audit, 1, 0);
	unsigned skip = program->length;
	emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
	load(program, offsetof(struct seccomp_data, nr));
	if (architecture == X86_64) {
		jump(program, BPF_JGE, X32_BIT, 0, 1);
		verdict(program, unknown);
	}
	add_special_calls(program, architecture, shares_terminal);
	add_listed_calls(program, architecture);
	if (!program->overflow) program->code[skip].k = program->length - skip - 1;
}

int seccomp_install(bool shares_terminal)
{
	static struct program program;
#if defined __x86_64__
	add_architecture(&program, AUDIT_ARCH_X86_64, X86_64, shares_terminal);
	add_architecture(&program, AUDIT_ARCH_I386, I386, shares_terminal);
#elif defined __aarch64__
	add_architecture(&program, AUDIT_ARCH_AARCH64, AARCH64, shares_terminal);
	add_architecture(&program, AUDIT_ARCH_ARM, ARM, shares_terminal);
#else
#error "slipway's system call filter knows x86_64 and arm64 only: add this architecture's numbers to seccomp-calls.h"
#endif
	verdict(&program, SECCOMP_RET_KILL_PROCESS);
	if (program.overflow) return fail_code(E2BIG, "build the system call filter", NULL);
	struct sock_fprog filter = { .len = (unsigned short)program.length, .filter = program.code };
	// Docker leaves speculation alone too: hardening every step against itself costs build time.
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter) < 0)
		return fail_errno("install the system call filter", NULL);
	return 0;
}
