// Ids for a step that has only root's: whoever changes them plays the other user from then on, and so do the children
// it starts. A process whose parents are gone before it first asks is root again.
#include "owners-call.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// A process by its number and when it began, which tells it from a later one of that number.
struct known {
	pid_t process;
	unsigned long long began;
	struct identity identity;
};

enum { KNOWN_MAX = 4096 };

// The one who answers serves one step.
static struct known *known;
static size_t known_count, known_capacity;

static const struct identity root = { 0 };

struct process {
	pid_t process, parent;
	unsigned long long began;
};

// Of the thread `number` or its process; false when it is gone.
static bool look(const struct call *call, pid_t number, struct process *found)
{
	char path[32], text[512], *end;
	snprintf(path, sizeof path, "%d/stat", number);
	int fd = openat(call->proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return false;
	ssize_t length = read(fd, text, sizeof text - 1);
	close(fd);
	if (length <= 0) return false;
	text[length] = 0;
	// The name in brackets may hold anything.
	end = strrchr(text, ')');
	if (!end || sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &found->parent, &found->began) != 2) return false;
	found->process = number;
	return true;
}

// The process that the thread `number` is of.
static pid_t process_of(const struct call *call, pid_t number)
{
	char path[32], line[128];
	int process = number;
	snprintf(path, sizeof path, "%d/status", number);
	int fd = openat(call->proc, path, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file) return number;
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "Tgid: %d", &process) == 1) break;
	fclose(file);
	return process;
}

static struct known *find(const struct process *process)
{
	for (size_t i = 0; i < known_count; i++)
		if (known[i].process == process->process && known[i].began == process->began) return &known[i];
	return NULL;
}

static void forget_the_dead(const struct call *call)
{
	size_t kept = 0;
	for (size_t i = 0; i < known_count; i++) {
		struct process now;
		if (look(call, known[i].process, &now) && now.began == known[i].began) known[kept++] = known[i];
	}
	known_count = kept;
}

static struct known *remember(const struct call *call, const struct process *process, const struct identity *identity)
{
	if (known_count == known_capacity) forget_the_dead(call);
	if (known_count == known_capacity) {
		size_t capacity = known_capacity ? known_capacity * 2 : 64;
		struct known *larger = capacity > KNOWN_MAX ? NULL : realloc(known, capacity * sizeof *known);
		if (!larger) return NULL;
		known = larger;
		known_capacity = capacity;
	}
	known[known_count] = (struct known){ process->process, process->began, *identity };
	return &known[known_count++];
}

// Who the caller plays: as it was told, or as the nearest process above it that was.
static const struct identity *identity_of(const struct call *call, struct process *process)
{
	if (!look(call, process_of(call, (pid_t)call->asked->pid), process)) return NULL;
	struct known *own = find(process);
	if (own) return &own->identity;
	enum { MAX_DEPTH = 64 };
	struct process above = *process;
	for (int depth = 0; depth < MAX_DEPTH && above.parent > 1 && look(call, above.parent, &above); depth++) {
		struct known *found = find(&above);
		if (!found) continue;
		const struct identity inherited = found->identity;
		struct known *made = remember(call, process, &inherited);
		return made ? &made->identity : &root;
	}
	return &root;
}

bool ids_is_other(const struct call *call)
{
	struct process process;
	if (known_count == 0) return false;
	const struct identity *identity = identity_of(call, &process);
	return identity && identity->uid[1] != 0;
}

static bool is_one_of(unsigned id, const unsigned ids[3])
{
	return id == (unsigned)-1 || id == ids[0] || id == ids[1] || id == ids[2];
}

// Real, effective and saved id as the three-id call says; the others are told in its terms (setreuid(2)).
static int set_three(unsigned ids[3], const unsigned wanted[3], bool is_root)
{
	for (int i = 0; i < 3; i++)
		if (!is_root && !is_one_of(wanted[i], ids)) return -EPERM;
	for (int i = 0; i < 3; i++)
		if (wanted[i] != (unsigned)-1) ids[i] = wanted[i];
	return 0;
}

static int set_one(unsigned ids[3], unsigned id, bool is_root)
{
	const unsigned keep = (unsigned)-1, all[3] = { id, id, id }, effective[3] = { keep, id, keep };
	return id == keep ? -EINVAL : set_three(ids, is_root ? all : effective, is_root);
}

static int set_two(unsigned ids[3], unsigned real, unsigned effective, bool is_root)
{
	const unsigned keep = (unsigned)-1;
	bool takes_saved = real != keep || (effective != keep && effective != ids[0]);
	unsigned saved = takes_saved ? (effective == keep ? ids[1] : effective) : keep;
	const unsigned wanted[3] = { real, effective, saved };
	return set_three(ids, wanted, is_root);
}

static int set_groups(const struct call *call, struct identity *identity, bool is_root)
{
	size_t count = (size_t)call->asked->data.args[0], most = sizeof identity->groups / sizeof *identity->groups;
	if (!is_root) return -EPERM;
	if (count > 65536) return -EINVAL;
	// More can be had by nobody here anyway; what asks for them back gets the first.
	if (count > most) count = most;
	if (count && !call_read(call, call->asked->data.args[1], identity->groups, count * sizeof *identity->groups)) return -EFAULT;
	identity->group_count = count;
	return 0;
}

static int apply(const struct call *call, struct identity *identity)
{
	const __u64 *args = call->asked->data.args;
	const unsigned three[3] = { (unsigned)args[0], (unsigned)args[1], (unsigned)args[2] };
	bool is_root = identity->uid[1] == 0;
	switch (call->asked->data.nr) {
	case SYS_setuid: return set_one(identity->uid, three[0], is_root);
	case SYS_setgid: return set_one(identity->gid, three[0], is_root);
	case SYS_setreuid: return set_two(identity->uid, three[0], three[1], is_root);
	case SYS_setregid: return set_two(identity->gid, three[0], three[1], is_root);
	case SYS_setresuid: return set_three(identity->uid, three, is_root);
	case SYS_setresgid: return set_three(identity->gid, three, is_root);
	default: return set_groups(call, identity, is_root);
	}
}

int ids_set(const struct call *call, int64_t *value)
{
	struct process process;
	const struct identity *before = identity_of(call, &process);
	if (!before || !call_waits(call)) return -ESRCH;
	struct identity changed = *before;
	int result = apply(call, &changed);
	*value = 0;
	if (result < 0 || memcmp(&changed, before, sizeof changed) == 0) return result;
	struct known *own = find(&process);
	if (own) own->identity = changed;
	else if (!remember(call, &process, &changed)) return -EAGAIN;
	return 0;
}

static int show_three(const struct call *call, const unsigned ids[3])
{
	for (int i = 0; i < 3; i++)
		if (!call_write(call, call->asked->data.args[i], &ids[i], sizeof ids[i])) return -EFAULT;
	return 0;
}

static int show_groups(const struct call *call, const struct identity *identity, int64_t *value)
{
	size_t room = (size_t)call->asked->data.args[0];
	*value = (int64_t)identity->group_count;
	if (room == 0) return 0;
	if (room < identity->group_count) return -EINVAL;
	size_t length = identity->group_count * sizeof *identity->groups;
	return length == 0 || call_write(call, call->asked->data.args[1], identity->groups, length) ? 0 : -EFAULT;
}

int ids_get(const struct call *call, int64_t *value)
{
	struct process process;
	const struct identity *identity = known_count == 0 ? &root : identity_of(call, &process);
	if (!identity || !call_waits(call)) return -ESRCH;
	*value = 0;
	switch (call->asked->data.nr) {
	case SYS_getuid: *value = identity->uid[0]; return 0;
	case SYS_geteuid: *value = identity->uid[1]; return 0;
	case SYS_getgid: *value = identity->gid[0]; return 0;
	case SYS_getegid: *value = identity->gid[1]; return 0;
	case SYS_getresuid: return show_three(call, identity->uid);
	case SYS_getresgid: return show_three(call, identity->gid);
	default: return show_groups(call, identity, value);
	}
}
