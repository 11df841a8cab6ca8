// `files` mode: applies a stream of file operations to a directory or an overlay.
#ifndef SLIPWAY_FILES_H
#define SLIPWAY_FILES_H

// Serves fd 3 until END. The process's exit status: 0 done, 1 a failure was reported.
int files_main(void);
#endif
