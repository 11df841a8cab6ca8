// Tries what a build step must not be able to do and prints `name ALLOWED` or `name DENIED` for each. Whatever is
// allowed does no harm: files are opened and not written to, calls get arguments that end in another error.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

static void print(const char *name, bool allowed)
{
	printf("%s %s\n", name, allowed ? "ALLOWED" : "DENIED");
}

// A call that was let through and then failed for its arguments is allowed.
static bool passed(long result)
{
	if (result >= 0) return true;
	return errno != EPERM && errno != EACCES && errno != ENOSYS && errno != EROFS && errno != ENOENT && errno != ENODEV && errno != ENXIO && errno != EOPNOTSUPP;
}

#define TRY(name, call) print(name, passed(call))
#define TRY_CALL(name, ...) TRY(name, syscall(__VA_ARGS__))

// The same in a child: what it changes ends with it.
#define TRY_APART(name, call)                              \
	do {                                               \
		fflush(stdout);                            \
		pid_t child = fork();                      \
		if (child == 0) _exit(passed(call) ? 1 : 0); \
		int status = 0;                            \
		waitpid(child, &status, 0);                \
		print(name, status != 0);                  \
	} while (0)

static long try_clone(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) _exit(0);
	if (pid > 0) waitpid((pid_t)pid, NULL, 0);
	return pid;
}

static long try_clone3(void)
{
	uint64_t arguments[8] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0 };
	long pid = syscall(SYS_clone3, arguments, sizeof arguments);
	if (pid == 0) _exit(0);
	if (pid > 0) waitpid((pid_t)pid, NULL, 0);
	return pid;
}

static long try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0) close(fd);
	return fd;
}

// A masked file opens and is empty.
static bool can_read(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool read_one = fd >= 0 && read(fd, &byte, 1) == 1;
	if (fd >= 0) close(fd);
	return read_one;
}

static bool can_list(const char *path)
{
	char entries[4096];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) return false;
	long length = syscall(SYS_getdents64, fd, entries, sizeof entries);
	close(fd);
	// Two entries are `.` and `..`.
	return length > 48;
}

static long try_device(const char *directory, mode_t type, unsigned major, unsigned minor)
{
	char path[256];
	snprintf(path, sizeof path, "%s/forbidden-device", directory);
	unlink(path);
	if (mknod(path, type | 0600, makedev(major, minor)) < 0) return -1;
	long result = try_open(path, O_RDONLY);
	int code = errno;
	unlink(path);
	errno = code;
	return result;
}

static bool leaves_chroot(void)
{
	struct stat before, after;
	stat("/", &before);
	mkdir("/tmp", 0755);
	mkdir("/tmp/forbidden-root", 0700);
	int root = open("/", O_RDONLY | O_DIRECTORY);
	if (chroot("/tmp/forbidden-root") < 0) _exit(0);
	if (fchdir(root) < 0) _exit(0);
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0) break;
	if (chroot(".") < 0 || stat("/", &after) < 0) _exit(0);
	_exit(before.st_ino != after.st_ino || before.st_dev != after.st_dev ? 1 : 0);
}

static long raise_capability(int number)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0) return -1;
	data[number / 32].permitted |= 1u << number % 32;
	data[number / 32].effective |= 1u << number % 32;
	return syscall(SYS_capset, &header, data);
}

static long set_priority(void)
{
	return setpriority(PRIO_PROCESS, 0, -20);
}

static long set_realtime(void)
{
	struct sched_param parameters = { .sched_priority = 1 };
	return sched_setscheduler(0, SCHED_FIFO, &parameters);
}

static long raise_limit(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max == RLIM_INFINITY) {
		errno = EPERM;
		return -1;
	}
	limit.rlim_max += 1 << 20;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

static long make_immutable(void)
{
	int fd = open("/tmp/forbidden-immutable", O_RDWR | O_CREAT | O_CLOEXEC, 0600), flags = 0;
	if (fd < 0) return -1;
	long result = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags |= FS_IMMUTABLE_FL;
	if (result == 0) result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	int code = errno;
	if (result == 0) flags &= ~FS_IMMUTABLE_FL, ioctl(fd, FS_IOC_SETFLAGS, &flags);
	unlink("/tmp/forbidden-immutable");
	close(fd);
	errno = code == ENOTTY ? EOPNOTSUPP : code;
	return result;
}

static long set_trusted(void)
{
	mkdir("/tmp", 0755);
	return setxattr("/tmp", "trusted.forbidden", "x", 1, 0);
}

static long lower_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	long result = fd < 0 ? -1 : write(fd, "-1000", 5);
	if (fd >= 0) close(fd);
	return result;
}

static long configure_interface(void)
{
	struct ifreq request = { .ifr_mtu = 65536 };
	strcpy(request.ifr_name, "lo");
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	long result = ioctl(fd, SIOCSIFMTU, &request);
	close(fd);
	return result;
}

static long set_mark(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), value = 1;
	long result = setsockopt(fd, SOL_SOCKET, SO_MARK, &value, sizeof value);
	close(fd);
	return result;
}

static long push_input(void)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	char byte = 'x';
	long result = ioctl(fd, TIOCSTI, &byte);
	if (fd >= 0) close(fd);
	return result;
}

static long make_map(void)
{
	union bpf_attr attributes = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}

static long set_clock(void)
{
	struct timex query = { .modes = ADJ_TICK, .tick = 0 };
	return syscall(SYS_adjtimex, &query);
}

static bool has_fds(void)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0) return true;
	return false;
}

static bool has_blocked_signals(void)
{
	sigset_t blocked;
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int number = 1; number < 64; number++) {
		struct sigaction action;
		if (sigismember(&blocked, number) == 1) return true;
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN) return true;
	}
	return false;
}

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (fd >= 0) close(fd);
	return fd >= 0;
}

static bool has_capability_sets(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	syscall(SYS_capget, &header, data);
	for (int number = 0; number < 41; number++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, number, 0, 0) == 1) return true;
	return data[0].inheritable || data[1].inheritable;
}

static void try_namespaces(void)
{
	static const struct { const char *name; int flag; } kinds[] = {
		{ "user", CLONE_NEWUSER }, { "mount", CLONE_NEWNS }, { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET },
		{ "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP }, { "time", 0x80 },
	};
	char name[64];
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		snprintf(name, sizeof name, "unshare-%s", kinds[i].name);
		TRY_APART(name, syscall(SYS_unshare, kinds[i].flag));
		// As a flag of clone the last one would be a signal number.
		if (kinds[i].flag == 0x80) continue;
		snprintf(name, sizeof name, "clone-%s", kinds[i].name);
		TRY(name, try_clone((unsigned long)kinds[i].flag));
	}
	TRY("clone3-user", try_clone3());
	TRY("setns-own-mount", syscall(SYS_setns, open("/proc/self/ns/mnt", O_RDONLY), CLONE_NEWNS));
}

static void try_mounts(void)
{
	mkdir("/tmp", 0755);
	TRY("mount-tmpfs", mount("x", "/tmp", "tmpfs", 0, NULL));
	TRY("mount-bind", mount("/proc", "/tmp", NULL, MS_BIND, NULL));
	TRY("mount-proc", mount("x", "/tmp", "proc", 0, NULL));
	TRY("mount-remount-proc", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
	TRY("mount-propagation", mount(NULL, "/", NULL, MS_SHARED, NULL));
	TRY("umount-mask", umount2("/proc/kcore", MNT_DETACH));
	TRY("umount-read-only", umount2("/proc/sys", MNT_DETACH));
	TRY_CALL("pivot_root", SYS_pivot_root, "/tmp", "/tmp");
	TRY_CALL("fsopen", SYS_fsopen, "tmpfs", 0);
	TRY_CALL("fspick", SYS_fspick, -1, "/", 0);
	TRY_CALL("open_tree-clone", SYS_open_tree, -100, "/proc", 1);
	TRY_CALL("move_mount", SYS_move_mount, -1, "", -1, "", 0);
	TRY_CALL("mount_setattr", 442, -1, "", 0, NULL, 0);
	TRY_APART("leave-chroot", leaves_chroot() ? 0 : -1);
}

static void try_kernel(void)
{
	TRY_CALL("init_module", SYS_init_module, NULL, 0, "");
	TRY_CALL("finit_module", SYS_finit_module, -1, "", 0);
	TRY_CALL("delete_module", SYS_delete_module, "", 0);
	TRY_CALL("kexec_load", SYS_kexec_load, 0, 0, NULL, 1UL << 40);
	TRY_CALL("kexec_file_load", SYS_kexec_file_load, -1, -1, 0, NULL, 0);
	TRY_CALL("reboot", SYS_reboot, 0, 0, 0, NULL);
	TRY_CALL("swapon", SYS_swapon, "/proc", 0);
	TRY_CALL("swapoff", SYS_swapoff, "/proc");
	TRY_CALL("acct", SYS_acct, "/proc");
	TRY_CALL("quotactl", SYS_quotactl, 0, NULL, 0, NULL);
	TRY_CALL("settimeofday", SYS_settimeofday, (void *)1, NULL);
	TRY_CALL("clock_settime", SYS_clock_settime, 0, (void *)1);
	TRY("adjtimex-set", set_clock());
	TRY_CALL("sethostname", SYS_sethostname, (void *)1, 1);
	TRY_CALL("setdomainname", SYS_setdomainname, (void *)1, 1);
	TRY_CALL("syslog-read", SYS_syslog, 3, (void *)1, 1);
	TRY_CALL("perf_event_open", SYS_perf_event_open, NULL, 0, -1, -1, 0);
	TRY("bpf-map", make_map());
	TRY_CALL("userfaultfd", SYS_userfaultfd, 0);
	TRY_CALL("io_uring_setup", SYS_io_uring_setup, 0, NULL);
	TRY_CALL("fanotify_init", SYS_fanotify_init, 0, 0);
	TRY_CALL("lookup_dcookie", 212, 0, NULL, 0);
	TRY_CALL("keyctl-session", SYS_keyctl, 1, NULL);
	TRY_CALL("keyctl-read", SYS_keyctl, 11, -3, NULL, 0);
	TRY_CALL("add_key", SYS_add_key, "user", "x", "x", 1, -3);
	TRY_CALL("request_key", SYS_request_key, "user", "x", NULL, 0);
	TRY_CALL("open_by_handle_at", SYS_open_by_handle_at, -1, NULL, 0);
	TRY_CALL("mbind", SYS_mbind, NULL, 0, 0, NULL, 0, 0);
	TRY_CALL("move_pages", SYS_move_pages, 0, 0, NULL, NULL, NULL, 0);
	TRY_CALL("migrate_pages", SYS_migrate_pages, 0, 0, NULL, NULL);
	TRY_CALL("vhangup", SYS_vhangup);
	TRY_CALL("kcmp", SYS_kcmp, getpid(), getpid(), 0, 1, 1);
	TRY_CALL("pidfd_getfd", SYS_pidfd_getfd, -1, 1, 0);
	TRY_CALL("process_madvise", SYS_process_madvise, -1, NULL, 0, 0, 0);
	TRY_CALL("personality-no-randomize", SYS_personality, 0x40000);
	TRY_CALL("personality-read-implies-exec", SYS_personality, 0x400000);
#ifdef __x86_64__
	TRY_CALL("iopl", SYS_iopl, 3);
	TRY_CALL("ioperm", SYS_ioperm, 0x80, 1, 1);
	TRY_CALL("x32-getpid", 0x40000000L | SYS_getpid);
	TRY_CALL("_sysctl", 156, NULL);
	TRY_CALL("uselib", SYS_uselib, "");
	TRY_CALL("ustat", SYS_ustat, 0, NULL);
	TRY_CALL("sysfs", SYS_sysfs, 3);
#endif
}

static void try_files(void)
{
	static const char *const read[] = {
		"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/latency_stats", "/proc/interrupts",
		"/proc/kmsg", "/proc/kpagecount", "/proc/vmallocinfo", "/proc/slabinfo", "/proc/sysrq-trigger", "/proc/1/environ", "/proc/1/stack",
	};
	static const char *const listed[] = { "/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
		"/sys/devices/system/cpu/cpu0/thermal_throttle", "/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing", "/sys/fs/bpf" };
	static const char *const written[] = {
		"/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches",
		"/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/binfmt_misc/register", "/proc/irq/default_smp_affinity", "/proc/self/loginuid", "/proc/self/uid_map",
		"/proc/mtrr", "/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state", "/sys/module/kernel/parameters/panic",
		"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/devices/devices.allow", "/sys/fs/cgroup/memory/release_agent", "/dev/mem", "/dev/kmem", "/dev/port",
		"/dev/kmsg", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/console", "/dev/loop-control", "/dev/loop0", "/dev/vda", "/dev/sda", "/dev/mapper/control",
	};
	char name[128];
	for (size_t i = 0; i < sizeof read / sizeof *read; i++) snprintf(name, sizeof name, "read:%s", read[i]), print(name, can_read(read[i]));
	for (size_t i = 0; i < sizeof listed / sizeof *listed; i++) snprintf(name, sizeof name, "list:%s", listed[i]), print(name, can_list(listed[i]));
	for (size_t i = 0; i < sizeof written / sizeof *written; i++) snprintf(name, sizeof name, "write:%s", written[i]), TRY(name, try_open(written[i], O_WRONLY));
	TRY("mkdir:/sys/fs/cgroup/x", mkdir("/sys/fs/cgroup/x", 0700));
	TRY("mkdir:/proc/x", mkdir("/proc/x", 0700));
	static const struct { const char *name; mode_t type; unsigned major, minor; } devices[] = {
		{ "mem", S_IFCHR, 1, 1 }, { "port", S_IFCHR, 1, 4 }, { "kmsg", S_IFCHR, 1, 11 }, { "fuse", S_IFCHR, 10, 229 }, { "tun", S_IFCHR, 10, 200 },
		{ "kvm", S_IFCHR, 10, 232 }, { "loop-control", S_IFCHR, 10, 237 }, { "console", S_IFCHR, 5, 1 }, { "loop0", S_IFBLK, 7, 0 }, { "sda", S_IFBLK, 8, 0 },
		{ "vda", S_IFBLK, 254, 0 }, { "vdb", S_IFBLK, 253, 0 },
	};
	static const char *const directories[] = { "", "/tmp", "/dev", "/dev/shm" };
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
		for (size_t j = 0; j < sizeof directories / sizeof *directories; j++) {
			snprintf(name, sizeof name, "device:%s/%s", directories[j], devices[i].name);
			TRY(name, try_device(directories[j], devices[i].type, devices[i].major, devices[i].minor));
		}
}

static void try_powers(void)
{
	static const struct { const char *name; int number; } capabilities[] = {
		{ "sys_admin", CAP_SYS_ADMIN }, { "sys_ptrace", CAP_SYS_PTRACE }, { "sys_module", CAP_SYS_MODULE }, { "sys_rawio", CAP_SYS_RAWIO },
		{ "net_admin", CAP_NET_ADMIN }, { "dac_read_search", CAP_DAC_READ_SEARCH }, { "bpf", 39 }, { "perfmon", 38 }, { "sys_resource", CAP_SYS_RESOURCE },
		{ "mac_admin", CAP_MAC_ADMIN }, { "sys_boot", CAP_SYS_BOOT }, { "checkpoint_restore", 40 },
	};
	char name[64];
	for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
		snprintf(name, sizeof name, "capability:%s", capabilities[i].name);
		TRY_APART(name, raise_capability(capabilities[i].number));
		snprintf(name, sizeof name, "bounding:%s", capabilities[i].name);
		print(name, prctl(PR_CAPBSET_READ, capabilities[i].number, 0, 0, 0) == 1);
	}
	TRY_APART("priority", set_priority());
	TRY_APART("realtime", set_realtime());
	TRY_APART("raise-limit", raise_limit());
	TRY("immutable-file", make_immutable());
	TRY("trusted-attribute", set_trusted());
	TRY_APART("oom-score", lower_oom_score());
	TRY("interface", configure_interface());
	TRY("socket-mark", set_mark());
	TRY("push-terminal-input", push_input());
	TRY_CALL("socket-alg", SYS_socket, AF_ALG, SOCK_SEQPACKET, 0);
	TRY_CALL("socket-alg-upper-half", SYS_socket, 0x100000000L | AF_ALG, SOCK_SEQPACKET, 0);
	TRY_CALL("socket-vsock", SYS_socket, AF_VSOCK, SOCK_STREAM, 0);
	TRY_CALL("socket-vsock-upper-half", SYS_socket, 0x100000000L | AF_VSOCK, SOCK_STREAM, 0);
	TRY_CALL("trace-process-1", SYS_ptrace, PTRACE_ATTACH, getpid() == 1 ? 0 : 1, 0, 0);
}

// An argument names the file to print to.
int main(int argc, char **argv)
{
	if (argc > 1 && !freopen(argv[1], "w", stdout)) return 1;
	print("inherited:descriptors", has_fds());
	print("inherited:signals", has_blocked_signals());
	print("inherited:terminal", has_terminal());
	print("inherited:capabilities", has_capability_sets());
	print("inherited:groups", getgroups(0, NULL) > 1);
	try_namespaces();
	try_mounts();
	try_kernel();
	try_files();
	try_powers();
	return 0;
}
