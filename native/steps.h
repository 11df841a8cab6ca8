// The set-up of a container, or of a file system to write to, as a flat list of operations that the caller writes
// (src/sys/steps.ts), performed in order inside the new namespaces. What belongs into a container is decided there; here
// is how each is done so that no path of an image is resolved twice or leads out of the root.
#ifndef SLIPWAY_STEPS_H
#define SLIPWAY_STEPS_H
#include "places.h"
#include "wire.h"

// Open files by number. HOST is no file: paths are the machine's own. NO_SLOT: nothing.
enum { HOST_SLOT, ROOT_SLOT, STORE_SLOT, UPPER_SLOT, SLOTS = 16, NO_SLOT = SLOTS };

// The first record and the last have fields of their own (run.c, process.h; files-operation.h has another first one).
enum step_opcode {
	STEP_START = 1,
	STEP_PROCESS,
	// Each of these: flags, base, into, onto, number, text act (for messages), text path; then what is said here.
	STEP_WRITE, // text what, to the file `path`
	STEP_NETWORK, // joins the network namespace `path`
	STEP_UNSHARE, // leaves the namespaces `number` (CLONE_*) for new ones
	STEP_LOOPBACK, // brings it up
	STEP_MOUNT_TEXT, // a file system of the type `path` → into; text where, options (mount(2)); relative paths are below base
	STEP_OPEN, // `path` below base → into; a `number` other than 0: the character device it must be
	STEP_ATTRIBUTES, // of the mount base: adds `number` (MOUNT_ATTR_*)
	STEP_MOUNT, // a file system of the type `path` with attributes `number` → into, onto; text key, value… (none: a flag)
	STEP_CLONE, // a view of `path` below base with further attributes `number` → into, onto
	STEP_PLACE, // `path` below base to mount on or work in → into, made with mode `number` when missing; u64 uid, gid of it
	STEP_COVER, // `path` below base, if it is there, with a view of into (directories) or onto (others); NO_SLOT: of itself
	STEP_DIRECTORY, // makes `path` below base with mode `number`
	STEP_NODE, // makes the device `path` below base; u64 its number
	STEP_LINK, // makes the symbolic link `path` below base; text its target
	STEP_FILE, // makes the file `path` below base with mode `number`; u64 uid, gid; its bytes
	STEP_PIVOT, // makes base the root
	STEP_HOSTNAME, // sets it to `path`
	STEP_ENTER, // makes base the working directory, which must be below the root
	STEP_PROPAGATION, // of the mount at `path`: `number` (MS_*)
};

// Flags of the operations that have them.
enum {
	STEP_MAY_FAIL = 1, // what comes next is another way
	PLACE_NO_LINKS = 2, // a symbolic link on the way is an error
	MOUNT_MODE_OF_PLACE = 4, // its root has the mode of onto
	CLONE_RECURSIVE = 8, // with the mounts below
	PLACE_DIRECTORY = 16, // and not a file
	PLACE_NOTED = 32, // made in the layer at onto: to be removed afterwards
	OPEN_DIRECTORY = 64, // only a directory
	MOUNT_WRITABLE = 128, // EROFS when it cannot be written to
	OWNER_RECORDED = 256, // and not set (record.h)
};

struct steps {
	int slot[SLOTS];
	struct places *places;
};

// Without open files.
void steps_init(struct steps *steps, struct places *places);

// Performs the operations that come over `wire` until a record that is none, which becomes `*next`. 0, or -1 recorded.
int steps_perform(struct steps *steps, struct wire *wire, struct record *next);

// A detached second view of `path` below `from` ("": of `from` itself) with further attributes (MOUNT_ATTR_*); `depth` is
// 0, or AT_RECURSIVE to take the mounts below along. Links at the end are not followed. Its fd, or -1 with errno.
int clone_mount(int from, const char *path, unsigned depth, uint64_t attributes);

// Writes the text to the file, at once. 0, or -1 with errno.
int write_text(const char *path, const char *text);

// Brings up the loopback interface of the calling process's network namespace. 0, or -1 with errno.
int network_up_loopback(void);

// Makes the open directory the root of the mount namespace; the old one is out of reach then. 0, or -1 with errno.
int change_root(int root);
#endif
