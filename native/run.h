// `run` mode: one process in a build container.
#ifndef SLIPWAY_RUN_H
#define SLIPWAY_RUN_H

// Serves the request on fd 3. The process's exit status: 0 the process ended and was reported, 1 a failure was reported.
int run_main(void);
#endif
