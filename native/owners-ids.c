// Ids for a step that has only root's: whoever changes them plays the other user from then on, and so do the children
// it starts. A process whose parents are gone before it first asks is root again.
#include "fail.h"
#include "owners-call.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Real, effective and saved ids of users and of groups.
struct identity {
	unsigned ids[2][3];
	size_t group_count;
	gid_t groups[64];
};

struct known {
	pid_t process;
	// Refers to it, which tells it from a later one of that number.
	int handle;
	struct identity identity;
};

enum { KNOWN_MAX = 4096 };

// The one who answers serves one step.
static struct known known[KNOWN_MAX];
static size_t known_count, known_room = 64;

static const struct identity root = { 0 };

struct process {
	pid_t process, parent;
};

// The process that `number` is a thread of; false when it is gone.
static bool look(const struct call *call, pid_t number, struct process *found)
{
	char path[32], text[512];
	snprintf(path, sizeof path, "%d/status", number);
	int fd = openat(call->proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	closed(fd, 0);
	text[length < 0 ? 0 : length] = 0;
	// The name before it may hold anything but a line's end.
	const char *at = strstr(text, "\nTgid:");
	return at && sscanf(at, " Tgid: %d Ngid: %*d Pid: %*d PPid: %d", &found->process, &found->parent) == 2;
}

static bool lives(const struct known *one)
{
	return syscall(SYS_pidfd_send_signal, one->handle, 0, NULL, 0) == 0;
}

static struct known *find(pid_t process)
{
	for (size_t i = 0; i < known_count; i++)
		if (known[i].process == process && lives(&known[i])) return &known[i];
	return NULL;
}

static void forget_the_dead(void)
{
	size_t kept = 0;
	for (size_t i = 0; i < known_count; i++) {
		if (lives(&known[i])) known[kept++] = known[i];
		else close(known[i].handle);
	}
	known_count = kept;
}

// Of the caller's process, which is `process` if it still waits; else, or when there are too many, NULL.
static struct known *remember(const struct call *call, pid_t process, struct identity identity)
{
	if (known_count == known_room) forget_the_dead();
	if (known_count > known_room / 2 && known_room < KNOWN_MAX) known_room *= 2;
	int handle = known_count < known_room ? (int)syscall(SYS_pidfd_open, process, 0) : -1;
	if (handle >= 0 && call_waits(call)) {
		known[known_count] = (struct known){ process, handle, identity };
		return &known[known_count++];
	}
	closed(handle, 0);
	return NULL;
}

// Who the caller plays: as it was told, or as the nearest process above it that was.
static const struct identity *identity_of(const struct call *call, pid_t *process)
{
	enum { MAX_DEPTH = 64 };
	struct process at;
	if (!look(call, (pid_t)call->asked->pid, &at)) return NULL;
	*process = at.process;
	for (int depth = 0; depth < MAX_DEPTH && known_count > 0; depth++) {
		struct known *found = find(at.process);
		// What is above it may be gone when it asks again.
		if (found && depth > 0) found = remember(call, *process, found->identity);
		if (found) return &found->identity;
		if (at.parent <= 1 || !look(call, at.parent, &at)) break;
	}
	return &root;
}

bool ids_is_other(const struct call *call)
{
	pid_t process;
	const struct identity *identity = known_count == 0 ? &root : identity_of(call, &process);
	return identity && identity->ids[0][EFFECTIVE] != 0;
}

static bool is_one_of(unsigned id, const unsigned ids[3])
{
	return id == (unsigned)-1 || id == ids[0] || id == ids[1] || id == ids[2];
}

// Calls for one and for two ids in terms of the one for three: real, effective, saved (setuid(2), setreuid(2)).
static int set_ids(unsigned ids[3], int count, const __u64 *args, bool is_root)
{
	const unsigned keep = (unsigned)-1, first = (unsigned)args[0], second = (unsigned)args[1];
	unsigned wanted[3] = { first, second, (unsigned)args[2] };
	if (count == 1) {
		if (first == keep) return -EINVAL;
		wanted[1] = first;
		wanted[0] = wanted[2] = is_root ? first : keep;
	} else if (count == 2) {
		bool takes_saved = first != keep || (second != keep && second != ids[0]);
		wanted[2] = !takes_saved ? keep : second == keep ? ids[1] : second;
	}
	for (int i = 0; i < 3; i++)
		if (!is_root && !is_one_of(wanted[i], ids)) return -EPERM;
	for (int i = 0; i < 3; i++)
		if (wanted[i] != keep) ids[i] = wanted[i];
	return 0;
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

int ids_set(const struct call *call, int64_t *value)
{
	(void)value;
	const signed char *is = call->as->is;
	pid_t process;
	const struct identity *before = identity_of(call, &process);
	if (!before || !call_waits(call)) return -ESRCH;
	struct identity changed = *before;
	bool is_root = before->ids[0][EFFECTIVE] == 0;
	int result = is[IS_COUNT] == LIST ? set_groups(call, &changed, is_root) : set_ids(changed.ids[(int)is[IS_OF_GROUPS]], is[IS_COUNT], call->asked->data.args, is_root);
	if (result < 0 || memcmp(&changed, before, sizeof changed) == 0) return result;
	struct known *own = find(process);
	if (own) own->identity = changed;
	else if (!remember(call, process, changed)) return -EAGAIN;
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
	const signed char *is = call->as->is;
	pid_t process;
	const struct identity *identity = known_count == 0 ? &root : identity_of(call, &process);
	if (!identity || !call_waits(call)) return -ESRCH;
	const unsigned *ids = identity->ids[(int)is[IS_OF_GROUPS]];
	if (is[IS_COUNT] == LIST) return show_groups(call, identity, value);
	if (is[IS_COUNT] == ALL) return show_three(call, ids);
	*value = ids[(int)is[IS_COUNT]];
	return 0;
}
