// One call of a step that is answered for it, and what answers have in common.
#ifndef SLIPWAY_OWNERS_CALL_H
#define SLIPWAY_OWNERS_CALL_H
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct call {
	const struct seccomp_notif *asked;
	int listener;
	// /proc, which the step may not cover.
	int proc;
	const struct answered *as;
};

enum { ANSWER_BY_KERNEL = 1 };

// Answers are 0 or more with *value, the result of the call (0 before); a negative errno; or ANSWER_BY_KERNEL, to let it happen.
typedef int answer(const struct call *call, int64_t *value);

struct answered {
	int number;
	answer *answer;
	// What its arguments mean, by the enumerations below.
	signed char is[4];
};

// Of calls on files: which argument is a file or directory, its path, flags (or what they always are), the first that follows.
enum { IS_FILE, IS_PATH, IS_FLAGS, IS_REST };
enum { NONE = -1, NO_FOLLOW = -2, NO_PATH = -3 };

// Of calls on ids: whether groups are meant; how many are set, or which is shown, or ALL.
enum { IS_OF_GROUPS, IS_COUNT };
enum { REAL, EFFECTIVE, ALL = 3, LIST };

// Whether the caller still waits: what was looked up by its number before this was its own.
bool call_waits(const struct call *call);

// Copies from and to the caller's memory; false when it is not there.
bool call_read(const struct call *call, uint64_t address, void *bytes, size_t length);
bool call_write(const struct call *call, uint64_t address, const void *bytes, size_t length);

// A text of at most `size` bytes with its end; false when there is none.
bool call_read_text(const struct call *call, uint64_t address, char *text, size_t size);

// owners-files.c
int files_chown(const struct call *call, int64_t *value);
int files_stat(const struct call *call, int64_t *value);

// owners-ids.c
int ids_set(const struct call *call, int64_t *value);
int ids_get(const struct call *call, int64_t *value);

// Whether the caller plays somebody else than root.
bool ids_is_other(const struct call *call);
#endif
