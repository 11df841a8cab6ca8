// The system call filter of a build step.
#ifndef SLIPWAY_SECCOMP_H
#define SLIPWAY_SECCOMP_H
#include <stdbool.h>

// Installs docker's default filter for the calling process and its descendants, for every architecture
// this kernel can run. `shares_terminal` also denies pushing input into the caller's terminal.
// Precondition: CAP_SYS_ADMIN is effective (no_new_privs stays off). 0, or -1 with the failure recorded.
int seccomp_install(bool shares_terminal);
#endif
