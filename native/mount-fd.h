// Mounts as file descriptors: made detached, attached to a place that was opened inside the root, so no
// path of an image is resolved twice. Every function records its failure.
#ifndef SLIPWAY_MOUNT_FD_H
#define SLIPWAY_MOUNT_FD_H
#include <stdbool.h>
#include <stdint.h>

enum { MOUNT_OPTIONS_MAX = 8 };

// A new file system, detached. `options` is NULL-terminated key, value pairs; `attributes` are MOUNT_ATTR_*.
// Returns its fd (a directory), or -1.
int mount_new(const char *type, const char *const *options, uint64_t attributes);

struct clone_options {
	// MOUNT_ATTR_* to add to the attributes of the source.
	uint64_t attributes;
	// Take the mounts below the source along.
	bool recursive;
};

// A detached second view of `path` below `directory` ("": of `directory` itself). Links at the end are not followed. Returns its fd, or -1.
int mount_clone(int directory, const char *path, struct clone_options options);

// Attaches the detached mount to the open place `target`; `name` is for messages. `mount` stays open. 0 or -1.
int mount_attach(int mount, int target, const char *name);
#endif
