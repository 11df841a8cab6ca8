// Owners where a user namespace has one id: a process outside the step's reach answers the step's calls that set or
// show owners and ids. What is set is recorded (record.h), what is shown is what was set.
#ifndef SLIPWAY_OWNERS_H
#define SLIPWAY_OWNERS_H

// Starts the one who answers, as a child of the caller's parent. What it is to be told through, or -1 recorded.
// Precondition: the caller sees the step's file system and /proc as the step does, and may do everything; it executes a program or ends.
int owners_start(void);

// Has the calls of this process and its children answered. Precondition: CAP_SYS_ADMIN in this user namespace; must come
// before the filter that forbids. 0, or -1 recorded.
int owners_submit(int told);
#endif
