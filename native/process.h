// The step's process as the caller describes it (src/sandbox/run-request.ts), and how a process becomes it.
#ifndef SLIPWAY_PROCESS_H
#define SLIPWAY_PROCESS_H
#include "wire.h"
#include <linux/filter.h>
#include <sys/types.h>

enum {
	PROCESS_INSECURE = 1, // has no filter, may open devices
	PROCESS_INHERITS_STDIO = 2,
	PROCESS_ONE_ID = 4, // the user namespace has one id, which the process has already; other owners are recorded (record.h)
	PROCESS_ANSWERED = 8, // with its calls on owners and ids answered (owners.h)
	PROCESS_OWN_ID = 16, // it is alone with its id in a user namespace of its own
};

struct limit {
	uint64_t resource, soft, hard;
	// Whether it is an error if the caller may not raise its own limit that far.
	uint64_t required;
};

// The record's fields, in this order.
struct process {
	uint64_t flags;
	uid_t uid;
	gid_t gid;
	// What it may have at most, and what of that it has whoever it is.
	uint64_t capabilities, ambient;
	const char *cwd;
	gid_t *groups;
	size_t group_count;
	struct limit *limits;
	size_t limit_count;
	// The system call filter; empty for an insecure process, or when a runtime has its own.
	struct sock_filter *filter;
	size_t filter_length;
	// NULL-terminated. The first of the programs that may be executed is.
	char **programs, **args, **env;
	// The commands that make an OCI runtime create and start the container; empty without a runtime.
	char **runtime_create, **runtime_start;
};

// Reads the record; its memory and the record's live as long as the process. 0, or -1 recorded.
int process_read(struct process *process, struct record *record);

// Gives the calling process an empty stdin and the right to open its stdout and stderr again, or the caller's terminal. 0, or -1 recorded.
int process_connect(const struct process *process);

// umask, signal mask, limits, session keyring, processors, personality: what would be inherited; other files end at execve. 0, or -1 recorded.
int process_reset(const struct process *process);

// Gives the calling process its ids. 0, or -1 recorded.
int process_set_ids(const struct process *process);

// Gives the calling process its ids and capabilities, and the filter. Afterwards nothing privileged works any more. 0, or -1 recorded.
int process_assume(const struct process *process);

// Replaces the calling process by the program. Returns -1 recorded as kind "exec": checking or starting it.
int process_exec(const struct process *process);

// Leaves the calling process these of its capabilities. 0, or -1 recorded.
int keep_capabilities(uint64_t kept);
#endif
