// See decompress.h. Before the first byte is read the process gives up everything but reading, writing and
// ending (seccomp's strict mode): a mistake in a decoder is worth nothing to whoever made the data.
#include "decompress.h"
#include "decode.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct format {
	const char *name;
	int (*prepare)(void), (*decode)(struct decoder *);
} formats[] = {
	{ "bzip2", bzip2_prepare, bzip2_decode },
	{ "xz", xz_prepare, xz_decode },
	{ "zstd", zstd_prepare, zstd_decode },
};

static int run(const char *name)
{
	const struct format *format = NULL;
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (strcmp(formats[i].name, name) == 0) format = &formats[i];
	if (!format) return fail_kind("malformed", 0, "decompress", NULL, "unknown format");
	struct decoder decoder = { 0 };
	decoder.input.buffer = malloc(DECODE_INPUT);
	if (!decoder.input.buffer) return fail_errno("allocate", NULL);
	if (window_open(&decoder.window) < 0 || format->prepare() < 0) return -1;
	// Whoever stops reading has closed the other end: no reason for a core or a message.
	signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0 && errno != EINVAL) return fail_errno("filter system calls", NULL);
	return format->decode(&decoder);
}

int decompress_main(const char *format)
{
	int result = run(format);
	if (result < 0) status_failure();
	// exit_group, which the C library would use, is not among what strict mode allows.
	syscall(SYS_exit, result < 0 ? 1 : 0);
	return 1;
}
