// The one failure a helper process reports, and the status stream (fd 4, JSON lines) it leaves on.
// Every function that can fail returns -1 after recording why here; the first record wins.
#ifndef SLIPWAY_FAIL_H
#define SLIPWAY_FAIL_H
#include <stdbool.h>
#include <stdint.h>

// Records errno with the act ("mount proc") and the object (may be NULL). Always returns -1.
int fail_errno(const char *stage, const char *path);

// The same for a given errno value.
int fail_code(int code, const char *stage, const char *path);

// Records a failure that is not (only) a system call's: `kind` is a stable word for programs
// ("source-changed"), `code` an errno value or 0, `text` a sentence for people. Always returns -1.
int fail_kind(const char *kind, int code, const char *stage, const char *path, const char *text);

bool has_failed(void);

// Forgets a recorded failure, for the rare caller that has a second way.
void fail_clear(void);

// Closes `fd` (-1: nothing) and returns `result` with errno as it was.
int closed(int fd, int result);

// Sends status lines to `fd`.
void status_open(int fd);

// Adds JSON to the status line: `@` stands for a text in quotes, `#` for an integer (int64_t).
void status_add(const char *format, ...);

// Sends the line; one that is too long (64 KiB) not at all.
void status_send(void);

// Sends the recorded failure as {"failed":{…}}; at most once, nothing when none is recorded.
void status_failure(void);
#endif
