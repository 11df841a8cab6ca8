// What the system call filter of this process answers, asked without making a single call: a child puts a filter of its
// own on top that hands every call to this process, which turns it down with an errno that nothing else uses. What is
// refused below never gets here. Prints `architecture number argument=value verdict`.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALLOWED = 999, NUMBERS = 600, MAX_QUESTIONS = 8192 };

struct question {
	const char *architecture;
	unsigned long number;
	int argument;
	unsigned long value;
	long answer;
};

static struct question questions[MAX_QUESTIONS];
static size_t count;
static volatile int listener;
static volatile int done;

static long ask_native(unsigned long number, const unsigned long *arguments)
{
#ifdef __x86_64__
	long result;
	register long third __asm__("r10") = (long)arguments[3];
	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(third)
		: "rcx", "r11", "memory");
	return result;
#else
	register long x8 __asm__("x8") = (long)number;
	register long x0 __asm__("x0") = (long)arguments[0];
	register long x1 __asm__("x1") = (long)arguments[1];
	register long x2 __asm__("x2") = (long)arguments[2];
	register long x3 __asm__("x3") = (long)arguments[3];
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#endif
}

#ifdef __x86_64__
static long ask_i386(unsigned long number, const unsigned long *arguments)
{
	long result;
	__asm__ volatile("int $0x80"
		: "=a"(result)
		: "a"(number), "b"(arguments[0]), "c"(arguments[1]), "d"(arguments[2]), "S"(arguments[3]), "D"(0L)
		: "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}
#endif

static int child(void *unused)
{
	(void)unused;
	struct sock_filter ask[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF) };
	struct sock_fprog program = { 1, ask };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return 1;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	// From here on no call can be made.
	listener = fd < 0 ? -2 : (int)fd;
	if (fd < 0) return 1;
	for (size_t i = 0; i < count; i++) {
		struct question *question = &questions[i];
		unsigned long arguments[4] = { 0 };
		if (question->argument >= 0) arguments[question->argument] = question->value;
#ifdef __x86_64__
		if (question->architecture[0] == 'i') {
			question->answer = ask_i386(question->number, arguments);
			continue;
		}
#endif
		question->answer = ask_native(question->number, arguments);
	}
	done = 1;
	for (;;) continue;
}

static void refuse_all(pid_t pid)
{
	struct seccomp_notif_sizes sizes;
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0) exit(3);
	struct seccomp_notif *notice = calloc(1, sizes.seccomp_notif + 256);
	struct seccomp_notif_resp *response = calloc(1, sizes.seccomp_notif_resp + 256);
	while (!done) {
		struct pollfd asked = { .fd = listener, .events = POLLIN };
		if (poll(&asked, 1, 10) <= 0 || !(asked.revents & POLLIN)) {
			int status;
			if (waitpid(pid, &status, WNOHANG) != pid) continue;
			fprintf(stderr, "the child ended by itself: status %d\n", status);
			exit(4);
		}
		*notice = (struct seccomp_notif){ 0 };
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notice) < 0) continue;
		*response = (struct seccomp_notif_resp){ .id = notice->id, .error = -ALLOWED };
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
	}
}

// Newer kernels make these two whatever a filter says, and end who was not sent there by a probe.
static bool is_past_filters(const char *architecture, unsigned long number)
{
	return strcmp(architecture, "x86_64") == 0 && (number == 335 || number == 336);
}

static void add(const char *architecture, unsigned long number, int argument, unsigned long value)
{
	if (count < MAX_QUESTIONS && !is_past_filters(architecture, number)) questions[count++] = (struct question){ architecture, number, argument, value, 0 };
}

// Arguments: `architecture number argument value`, repeated, beside every number without arguments.
int main(int argc, char **argv)
{
#ifdef __x86_64__
	for (unsigned long number = 0; number < NUMBERS; number++) add("x86_64", number, -1, 0);
	for (unsigned long number = 0; number < NUMBERS; number++) add("x86_64", 0x40000000 | number, -1, 0);
	for (unsigned long number = 0; number < NUMBERS; number++) add("i386", number, -1, 0);
#else
	for (unsigned long number = 0; number < NUMBERS; number++) add("aarch64", number, -1, 0);
#endif
	for (int i = 1; i + 3 < argc; i += 4) add(argv[i], strtoul(argv[i + 1], NULL, 0), atoi(argv[i + 2]), strtoul(argv[i + 3], NULL, 0));
	static char stack[1 << 16];
	listener = -1;
	pid_t pid = clone(child, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
	if (pid < 0) return perror("clone"), 1;
	while (listener == -1) usleep(100);
	if (listener == -2) return fputs("no listener\n", stderr), 1;
	refuse_all(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < count; i++) {
		const struct question *question = &questions[i];
		printf("%s %lu", question->architecture, question->number);
		if (question->argument >= 0) printf(" %d=0x%lx", question->argument, question->value);
		printf(" %s\n", question->answer == -ALLOWED ? "allow" : question->answer >= 0 ? "made" : strerrorname_np((int)-question->answer));
	}
	return 0;
}
