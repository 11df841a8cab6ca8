// Starting a program without a copy of the calling process, which in node's case is hundreds of megabytes of page
// tables that every later write pays for again. What the program is told, and when it is waited for, is the caller's.
#ifndef SLIPWAY_ADDON_SPAWN_H
#define SLIPWAY_ADDON_SPAWN_H
#include <sys/types.h>

enum { SPAWN_STREAMS = 5 };

// What a stream of the new process can be beside a descriptor of this one.
enum { SPAWN_NULL = -1, SPAWN_PIPE = -2, SPAWN_SOCKET = -3 };

// Starts `program` with an empty environment and the descriptors 0 to 4 alone. `streams` says what each shall be, and
// then holds this process's end of what was made for it (-1: nothing): a pipe's that it writes to, or a socket's.
// The process, or -1 with errno and nothing left behind.
pid_t spawn_program(const char *program, char *const *arguments, int streams[SPAWN_STREAMS]);
#endif
