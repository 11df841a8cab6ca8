// One file operation as it comes over the wire, and what the parts of `files` mode share.
#ifndef SLIPWAY_FILES_OPERATION_H
#define SLIPWAY_FILES_OPERATION_H
#include "files-paths.h"
#include "inroot.h"
#include "wire.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Opcodes; 0 is WIRE_END. Steps that mount the target may come first (steps.h; the layer to write to is their UPPER_SLOT). Then TARGET:
//   flags (TARGET_*), text directory
// and every other one is an operation:
//   flags (OPERATION_*), mode, uid, gid, mtime (ns, two's complement), size-or-major, minor,
//   text path, text other (link target, source path), then text name and bytes value of each xattr.
// FILE_INLINE is followed by `size` raw bytes.
enum {
	OP_TARGET = 1,
	OP_DIRECTORY,
	OP_FILE_INLINE,
	OP_FILE_COPY,
	OP_SYMLINK,
	OP_HARDLINK,
	OP_CHAR,
	OP_BLOCK,
	OP_FIFO,
	OP_WHITEOUT,
	OP_OPAQUE,
	OP_REMOVE,
	OP_MKDIRS,
	OP_OWNER,
};

enum {
	TARGET_OVERLAY = 1,
	// Report hard links to missing targets and go on.
	TARGET_REPORT_LINKS = 2,
	// Of the user namespace: it is the machine's own, where root may make devices; it has one id, so that owners are recorded (record.h).
	TARGET_IS_INITIAL = 4,
	TARGET_RECORDS_OWNERS = 8,
};

enum {
	OPERATION_KEEP_EXISTING = 1,
	OPERATION_HAS_MTIME = 2,
	OPERATION_HAS_SIZE = 4,
	OPERATION_HAS_INODE = 8, // FILE_COPY: `minor` is the inode the source must be
	OPERATION_HAS_METADATA = 16, // HARDLINK: the file takes what the record says
};

struct operation {
	unsigned opcode;
	uint64_t flags;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t mtime;
	uint64_t size; // also the device's major number
	uint64_t minor;
	const char *path, *other;
	struct record xattrs;
};

// A directory's time, set when nothing is put into it any more.
struct late_time {
	char *path;
	int64_t mtime;
};

// The file system (st_dev) of the last source that something could not be done with.
struct refusal {
	bool any;
	dev_t device;
};

struct files {
	struct wire wire;
	struct inroot at;
	struct inroot links; // parents of hard link targets
	bool overlay, report_links, started;
	int upper; // the overlay's upper directory itself, beneath the mount; -1 without one
	struct refusal clone, copy_range;
	bool is_initial, records_owners;
	struct late_time *late;
	size_t late_count, late_capacity;
	int64_t directories, regular, symlinks, hardlinks, nodes, removed, implied, bytes, xattrs_skipped, recorded_nodes;
};

// Reads the fields of an operation; the attribute list stays unread in operation->xattrs.
int operation_read(struct record *record, struct operation *operation);

// Performs one operation; inline data is taken from files->wire.
int operation_apply(struct files *files, const struct operation *operation);

// files-data.c: the content of the new file `fd`.
int data_inline(struct files *files, int fd, const struct operation *operation);
int data_copy(struct files *files, int fd, const struct operation *operation);

// files-metadata.c: owner, xattrs, mode, time, in the order that keeps set-uid bits and capabilities.
int metadata_fd(struct files *files, int fd, const struct operation *operation);
// For what must not be opened (links, devices). `parent` is an O_PATH directory, `leaf` is not followed.
int metadata_leaf(struct files *files, int parent, const char *leaf, const struct operation *operation);
// For a further name of a file: a symbolic link only takes its owner and attributes.
int metadata_link(struct files *files, int parent, const char *leaf, const struct operation *operation);
int late_times_add(struct files *files, const struct operation *operation);
int late_times_apply(struct files *files);
#endif
