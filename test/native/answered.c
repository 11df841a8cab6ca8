// Makes the calls that are answered for a step where there is one id, with anything for arguments: bad addresses, texts
// that end beyond their page, files that are none, callers that are killed while they wait. Prints what root is afterwards.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const long calls[] = {
#ifdef SYS_chown
	SYS_chown, SYS_lchown, SYS_stat, SYS_lstat,
#endif
	SYS_fchown, SYS_fchownat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid,
	SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid,
	SYS_getresgid, SYS_getgroups,
};

static long any_argument(char *page, int directory)
{
	const long likely[] = {
		0, -1, AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, directory, (long)page, (long)page + 100, (long)page + 200,
		(long)page + 300, (long)page + 400, (long)page + 4090, random(), random() << 33, random() % 70000,
	};
	return likely[(unsigned long)random() % (sizeof likely / sizeof *likely)];
}

static void call_one(const long arguments[5])
{
	long number = calls[(unsigned long)random() % (sizeof calls / sizeof *calls)];
	syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
}

static void call_all(int rounds, char *page, int directory)
{
	for (int round = 0; round < rounds; round++) {
		long arguments[5];
		for (int i = 0; i < 5; i++) arguments[i] = any_argument(page, directory);
		pid_t killed = random() % 50 ? -1 : fork();
		if (killed == 0)
			for (;;) call_one(arguments);
		if (killed > 0) {
			usleep((useconds_t)(random() % 300));
			kill(killed, SIGKILL);
			waitpid(killed, NULL, 0);
		}
		call_one(arguments);
	}
}

int main(int count, char **arguments)
{
	int rounds = count > 1 ? atoi(arguments[1]) : 1000, directory = open("/", O_RDONLY);
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(page + 4096, 4096);
	memset(page, 'a', 4096);
	strcpy(page, "/tmp/answered");
	strcpy(page + 100, "answered");
	strcpy(page + 200, "../../../../tmp/answered");
	strcpy(page + 300, "/proc/self/fd/0");
	page[400] = 0;
	close(open(page, O_CREAT | O_RDWR, 0644));
	if (chdir("/tmp") < 0) return 1;
	for (int i = 0; i < 4; i++) {
		srandom((unsigned)i + 1);
		if (fork() == 0) {
			call_all(rounds, page, directory);
			_exit(0);
		}
	}
	while (wait(NULL) > 0) continue;
	printf("%d %d\n", getuid(), chown(page, 5, 6));
}
