// Makes system calls as a build step would and prints `name errno` (0: allowed) for each. Arguments are
// such that an allowed call does nothing. Also prints what exec of a set-uid file gave.
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void print(const char *name, long result)
{
	printf("%s %s\n", name, result >= 0 ? "0" : strerrorname_np(errno));
}

// A child that an allowed clone made ends at once.
static long call_clone(long number, unsigned long flags)
{
	long pid = syscall(number, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) _exit(0);
	if (pid > 0) waitpid((pid_t)pid, NULL, 0);
	return pid;
}

#define CALL(name, ...) print(name, syscall(__VA_ARGS__))

#ifdef __x86_64__
static sigjmp_buf no_i386;

static void on_fault(int number)
{
	(void)number;
	siglongjmp(no_i386, 1);
}

static void i386(const char *name, long number, long first)
{
	long result;
	if (sigsetjmp(no_i386, 1)) {
		printf("%s unsupported\n", name);
		return;
	}
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(0L), "d"(0L), "S"(0L), "D"(0L) : "memory", "r8", "r9", "r10", "r11");
	if (result == 0 && number == 120) _exit(0);
	if (result < 0) errno = (int)-result;
	print(name, result);
}
#endif

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "id") == 0) {
		printf("uid=%d euid=%d\n", getuid(), geteuid());
		return 0;
	}
	print("clone", call_clone(SYS_clone, 0));
	print("clone-newuser", call_clone(SYS_clone, CLONE_NEWUSER));
	print("clone-newns", call_clone(SYS_clone, CLONE_NEWNS));
	print("clone-newcgroup", call_clone(SYS_clone, CLONE_NEWCGROUP));
	CALL("clone3", SYS_clone3, NULL, 0);
	CALL("unshare", SYS_unshare, CLONE_NEWUSER);
	CALL("unshare-fs", SYS_unshare, CLONE_FS);
	CALL("setns", SYS_setns, -1, 0);
	CALL("mount", SYS_mount, NULL, "/", NULL, 0, NULL);
	CALL("umount2", SYS_umount2, "/nope", 0);
	CALL("pivot_root", SYS_pivot_root, "/", "/");
	CALL("fsopen", SYS_fsopen, "tmpfs", 0);
	CALL("open_tree", SYS_open_tree, -1, "", 0);
	CALL("move_mount", SYS_move_mount, -1, "", -1, "", 0);
	CALL("mount_setattr", 442, -1, "", 0, NULL, 0);
	CALL("chroot", SYS_chroot, "/");
	CALL("keyctl", SYS_keyctl, 0, -3, 0);
	CALL("add_key", SYS_add_key, "user", "x", "x", 1, -3);
	CALL("request_key", SYS_request_key, "user", "x", NULL, 0);
	CALL("bpf", SYS_bpf, BPF_MAP_CREATE, NULL, 0);
	CALL("perf_event_open", SYS_perf_event_open, NULL, 0, -1, -1, 0);
	CALL("userfaultfd", SYS_userfaultfd, 0);
	CALL("io_uring_setup", SYS_io_uring_setup, 0, NULL);
	CALL("open_by_handle_at", SYS_open_by_handle_at, -1, NULL, 0);
	CALL("name_to_handle_at", SYS_name_to_handle_at, -1, "", NULL, NULL, 0);
	CALL("kexec_load", SYS_kexec_load, 0, 0, NULL, 0);
	CALL("init_module", SYS_init_module, NULL, 0, "");
	CALL("finit_module", SYS_finit_module, -1, "", 0);
	CALL("delete_module", SYS_delete_module, "nope", 0);
	CALL("ptrace-attach", SYS_ptrace, 16, 0x3fffffff, 0, 0);
	CALL("process_vm_readv", SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0);
	CALL("kcmp", SYS_kcmp, getpid(), getpid(), 0, 1, 1);
	CALL("pidfd_open", SYS_pidfd_open, getpid(), 0);
	CALL("pidfd_getfd", SYS_pidfd_getfd, -1, 1, 0);
	CALL("process_madvise", SYS_process_madvise, -1, NULL, 0, 0, 0);
	CALL("socket-inet", SYS_socket, AF_INET, SOCK_STREAM, 0);
	CALL("socket-unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	CALL("socket-netlink", SYS_socket, AF_NETLINK, SOCK_RAW, 0);
	CALL("socket-alg", SYS_socket, AF_ALG, SOCK_SEQPACKET, 0);
	CALL("socket-vsock", SYS_socket, AF_VSOCK, SOCK_STREAM, 0);
	CALL("socket-alg-high-bits", SYS_socket, 0x100000000L | AF_ALG, SOCK_SEQPACKET, 0);
	CALL("personality-query", SYS_personality, 0xffffffffUL);
	CALL("personality-linux32", SYS_personality, 8);
	CALL("personality-linux", SYS_personality, 0);
	CALL("personality-read-implies-exec", SYS_personality, 0x400000);
	CALL("swapon", SYS_swapon, "/nope", 0);
	CALL("reboot", SYS_reboot, 0, 0, 0, NULL);
	CALL("settimeofday", SYS_settimeofday, NULL, NULL);
	CALL("clock_settime", SYS_clock_settime, 99, NULL);
	CALL("sethostname", SYS_sethostname, "x", 1);
	CALL("setdomainname", SYS_setdomainname, "x", 1);
	CALL("acct", SYS_acct, "/nope");
	CALL("quotactl", SYS_quotactl, 0, NULL, 0, NULL);
	CALL("syslog", SYS_syslog, 10, NULL, 0);
	CALL("vhangup", SYS_vhangup);
	CALL("mbind", SYS_mbind, NULL, 0, 0, NULL, 0, 0);
	CALL("fanotify_init", SYS_fanotify_init, 0, 0);
	CALL("memfd_create", SYS_memfd_create, "x", 0);
	CALL("copy_file_range", SYS_copy_file_range, -1, NULL, -1, NULL, 0, 0);
	CALL("statx", SYS_statx, AT_FDCWD, "/", 0, 0, NULL);
	CALL("landlock", 444, NULL, 0, 1);
	CALL("newest-known", 466, -1, "", 0, "user.x");
	CALL("unknown-newer", 467 + 100);
#ifdef __x86_64__
	struct sigaction fault = { .sa_handler = on_fault };
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGILL, &fault, NULL);
	CALL("ioperm", SYS_ioperm, 0, 0, 0);
	CALL("iopl", SYS_iopl, 0);
	CALL("arch_prctl", SYS_arch_prctl, 0x1003, &no_i386);
	CALL("x32-getpid", 0x40000000L | SYS_getpid);
	i386("i386-getpid", 20, 0);
	i386("i386-unshare", 310, CLONE_NEWUSER);
	i386("i386-clone-newuser", 120, CLONE_NEWUSER | SIGCHLD);
	i386("i386-mount", 21, 0);
	i386("i386-keyctl", 288, 0);
	i386("i386-socket-alg", 359, AF_ALG);
	i386("i386-clone3", 435, 0);
#endif
	return 0;
}
