// Owners where a user namespace has one id: a process outside the step's reach answers the step's calls that set or
// show owners and ids. What is set is recorded (record.h), what is shown is what was set.
#ifndef SLIPWAY_OWNERS_H
#define SLIPWAY_OWNERS_H
#include <stdbool.h>

// Has the calls of this process and its children answered by whoever has the other end of `socket`. Precondition:
// CAP_SYS_ADMIN in this user namespace; must come before the filter that forbids. 0, or -1 recorded.
int owners_submit(int socket);

// Answers the calls of the one who submits on the other end of `socket`, until all of them have ended. Never returns.
// Precondition: the caller sees the step's file system and /proc as the step does, and may read its memory.
_Noreturn void owners_answer(int socket);
#endif
