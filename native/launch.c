// dist/slipway: turns itself into node running the bundle, by the quickest way that is safe.
// For an ordinary user it first enters a user namespace, where the command needs one (launch-namespace.c).
// It takes NODE_EXTRA_CA_CERTS out of node's sight (parsing a CA bundle at every start costs more than
// all the rest) and uses the start-up snapshot when it was made by this very node on this kind of CPU.
#include "launch-namespace.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif !defined(__aarch64__)
#error "slipway knows x86_64 and arm64 only"
#endif

enum { STAMP_SIZE = PATH_MAX + 256 };

static void die(const char *message, const char *object, const char *hint)
{
	fprintf(stderr, "ERROR: %s%s%s\n", message, *object ? " " : "", object);
	if (*hint) fprintf(stderr, "  help: %s\n", hint);
	exit(1);
}

static void join(char target[PATH_MAX], const char *directory, const char *name)
{
	if (snprintf(target, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX) die("the path is too long:", directory, "");
}

// A descriptor missing here would be taken by the first file that is opened.
static void open_missing_stdio(void)
{
	int fd;
	do fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	if (fd >= 3) close(fd);
}

static void own_directory(char directory[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
	if (length < 0) die("read /proc/self/exe:", strerror(errno), "is /proc mounted?");
	directory[length] = 0;
	char *slash = strrchr(directory, '/');
	if (slash) *slash = 0;
}

static bool is_program(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static void find_node(char node[PATH_MAX])
{
	static const char hint[] = "slipway runs on Node.js 20.19 or newer; put it on PATH or name it in SLIPWAY_NODE";
	const char *named = getenv("SLIPWAY_NODE");
	if (named && *named) {
		if (!is_program(named)) die("SLIPWAY_NODE does not name a program:", named, hint);
		if (snprintf(node, PATH_MAX, "%s", named) >= PATH_MAX) die("the path is too long:", named, "");
		return;
	}
	const char *path = getenv("PATH");
	while (path && *path) {
		size_t length = strcspn(path, ":");
		if (length == 0) snprintf(node, PATH_MAX, "./node");
		else if (snprintf(node, PATH_MAX, "%.*s/node", (int)length, path) >= PATH_MAX) node[0] = 0;
		if (node[0] && is_program(node)) return;
		path += length + (path[length] == ':');
	}
	die("Node.js was not found", "", hint);
}

// V8 ties a snapshot to the processor's features.
static void cpu_features(unsigned long features[4])
{
	features[0] = features[1] = features[2] = features[3] = 0;
#if defined(__x86_64__)
	unsigned a, b, c, d;
	if (__get_cpuid(1, &a, &b, &c, &d)) {
		features[0] = d;
		features[1] = c;
	}
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		features[2] = b;
		features[3] = c;
	}
#else
	features[0] = getauxval(AT_HWCAP);
	features[1] = getauxval(AT_HWCAP2);
#endif
}

// What a snapshot was made with: node's file and the processor.
static bool make_stamp(const char *node, char stamp[STAMP_SIZE])
{
	char real[PATH_MAX];
	struct stat status;
	unsigned long features[4];
	if (!realpath(node, real) || stat(real, &status) < 0) return false;
	cpu_features(features);
	snprintf(stamp, STAMP_SIZE, "%s\n%lld %lld.%09ld\n%lx %lx %lx %lx\n", real, (long long)status.st_size,
		(long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec, features[0], features[1], features[2], features[3]);
	return true;
}

static bool stamp_fits(const char *directory, const char *node)
{
	char path[PATH_MAX], kept[STAMP_SIZE], now[STAMP_SIZE];
	join(path, directory, "slipway.stamp");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return false;
	ssize_t length = read(fd, kept, sizeof kept - 1);
	close(fd);
	if (length <= 0 || !make_stamp(node, now)) return false;
	kept[length] = 0;
	return strcmp(kept, now) == 0;
}

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) < 0) die("set the environment:", strerror(errno), "");
}

int main(int argc, char **argv)
{
	char directory[PATH_MAX], node[PATH_MAX], program[PATH_MAX];
	open_missing_stdio();
	own_directory(directory);
	find_node(node);
	const char *asked = getenv("SLIPWAY_LAUNCHER");
	if (asked && strcmp(asked, "stamp") == 0) {
		char stamp[STAMP_SIZE];
		if (!make_stamp(node, stamp)) die("read", node, "");
		return fputs(stamp, stdout) < 0;
	}
	const char *certificates = getenv("NODE_EXTRA_CA_CERTS");
	if (certificates && !getenv("SLIPWAY_EXTRA_CA_CERTS")) set("SLIPWAY_EXTRA_CA_CERTS", certificates);
	unsetenv("NODE_EXTRA_CA_CERTS");
	set("SLIPWAY_DIST", directory);
	// What another slipway, outside, said to this one's parent.
	unsetenv("SLIPWAY_NAMESPACE");
	unsetenv("SLIPWAY_CALLER_UID");
	if (namespace_wanted(argc, argv)) namespace_enter();

	// Options for node itself may not fit the snapshot, and node refuses to start rather than to ignore it.
	const char *options = getenv("NODE_OPTIONS");
	bool frozen = !(options && *options) && stamp_fits(directory, node);
	char **next = calloc((size_t)argc + 5, sizeof *next);
	if (!next) die("start node:", strerror(ENOMEM), "");
	size_t count = 0;
	next[count++] = node;
	join(program, directory, frozen ? "slipway.blob" : "slipway.cjs");
	if (frozen) {
		// As in .config/build.mjs. The seed of hash tables is the snapshot's, which every installation makes for itself: giving
		// each start another one costs a tenth of it.
		next[count++] = "--no-rehash-snapshot";
		next[count++] = "--snapshot-blob";
	}
	next[count++] = program;
	if (frozen) next[count++] = "--";
	for (int i = 1; i < argc; i++) next[count++] = argv[i];
	execv(node, next);
	die("start node:", strerror(errno), node);
}
