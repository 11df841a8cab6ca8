// What the caller asks of `run` mode, as read from the request stream. The writer is src/sandbox/run-request.ts.
#ifndef SLIPWAY_RUN_REQUEST_H
#define SLIPWAY_RUN_REQUEST_H
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum mount_kind { MOUNT_BIND, MOUNT_TMPFS, MOUNT_FILE, MOUNT_LAYERS };

struct request_limit {
	int resource;
	struct rlimit wanted;
	// Whether it is an error if the caller may not raise its own limit that far.
	bool required;
};

// A growing, NULL-terminated list of texts.
struct texts {
	char **at;
	size_t count, capacity;
};

struct request_mount {
	enum mount_kind kind;
	char *target;
	// MOUNT_BIND: a path of the host; MOUNT_LAYERS: one in the layers
	char *source;
	// MOUNT_BIND, MOUNT_TMPFS and MOUNT_LAYERS
	bool read_only;
	// MOUNT_LAYERS: directories, bottom first
	struct texts layers;
	// MOUNT_LAYERS: what is mounted, once layer_mounts_open found it
	int opened;
	// MOUNT_TMPFS; 0 is the kernel's default size
	uint64_t size;
	// MOUNT_TMPFS and MOUNT_FILE
	mode_t mode;
	// MOUNT_TMPFS: the mode is that of the directory it is mounted on, and 1777 if there is none
	bool inherits_mode;
	// MOUNT_FILE
	unsigned char *content;
	size_t length;
	uid_t uid;
	gid_t gid;
};

struct run_request {
	struct texts lower, args, env;
	// The commands that make an OCI runtime create and start the container; empty without a runtime.
	struct texts runtime_create, runtime_start;
	// Directories of cgroups that the container joins.
	struct texts cgroups;
	char *upper, *work, *cwd, *user, *hostname;
	bool own_network, insecure, inherit_stdio;
	uint64_t shm_size;
	// The system call filter: `filter_length` instructions; NULL for an insecure process, or when a runtime has its own.
	struct sock_filter *filter;
	unsigned short filter_length;
	struct request_limit limits[RLIM_NLIMITS];
	size_t limit_count;
	// The network namespace to join; NULL: the helper's, or one of its own.
	char *network;
	struct request_mount *mounts;
	size_t mount_count, mount_capacity;
};

// Reads the whole request from `fd`. Postcondition on 0: upper, work, cwd and at least one argument are set, and
// the filter is unless `insecure` or a runtime is to make it.
// The memory lives as long as the process.
int run_request_read(struct run_request *request, int fd);

// Reads what follows the request when the helper has asked for it: the bytes of a runtime's config.json. NULL recorded.
// The caller frees it.
unsigned char *run_request_read_config(int fd, size_t *length);

// Appends a copy; -1 with a failure when memory is short.
int texts_add(struct texts *texts, const char *text);
#endif
