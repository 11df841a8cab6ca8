// Opening paths inside a directory as if it were the root: the only way a helper resolves a name that
// comes from an image, a layer, a context or a Dockerfile. Symbolic links and `..` never lead outside.
#ifndef SLIPWAY_INROOT_H
#define SLIPWAY_INROOT_H
#include <stdint.h>
#include <sys/types.h>

// Opens `path` (absolute and relative mean the same) below `root`; O_CLOEXEC is added. Returns the fd, or
// -1 with errno set and NO failure recorded: many callers expect ENOENT. ENOSYS (kernel < 5.6) is recorded.
int inroot_open(int root, const char *path, int flags, mode_t mode);

typedef int inroot_opener(int root, const char *path, int flags, mode_t mode);

// As inroot_open, and additionally no symbolic link at all may be on the way (ELOOP).
int inroot_open_nolinks(int root, const char *path, int flags, mode_t mode);

// Opens `path` relative to `root` with these RESOLVE_* (openat2(2)) and no magic links; otherwise as inroot_open.
int inroot_open_how(int root, const char *path, int flags, mode_t mode, uint64_t resolve);

// Refuses `..` components and components longer than 255 bytes; records the failure.
int path_check(const char *path);

#endif
