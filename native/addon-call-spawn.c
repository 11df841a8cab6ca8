// Processes (addon-spawn.h).
#include "addon-call.h"
#include "addon-spawn.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

// (program, arguments: each with a NUL behind it, streams: an Int32Array that is changed)
napi_value spawn_helper(napi_env env, napi_callback_info info)
{
	enum { MOST = 64 };
	napi_value values[3], result;
	napi_typedarray_type type;
	size_t length, count = 0, streams = 0;
	char *text, *list[MOST + 1] = { NULL };
	int *ends;
	if (!arguments(env, info, 3, values) || napi_get_buffer_info(env, values[1], (void **)&text, &length) != napi_ok || length == 0 || text[length - 1] ||
	    napi_get_typedarray_info(env, values[2], &type, &streams, (void **)&ends, NULL, NULL) != napi_ok || type != napi_int32_array || streams != SPAWN_STREAMS)
		return throw_usage(env);
	for (size_t at = 0; at < length; at += strlen(text + at) + 1) {
		if (count == MOST) return throw_usage(env);
		list[count++] = text + at;
	}
	char *program = path_argument(env, values[0]);
	if (!program) return throw_usage(env);
	pid_t pid = spawn_program(program, list, ends);
	int error = errno;
	free(program);
	if (pid < 0) return throw_errno(env, error, "spawn");
	MUST(napi_create_int32(env, pid, &result));
	return result;
}

// (pid) → its exit code, or the negative number of the signal that ended it; undefined while it runs
napi_value reap(napi_env env, napi_callback_info info)
{
	napi_value values[1], result;
	int32_t pid;
	int status;
	if (!arguments(env, info, 1, values) || napi_get_value_int32(env, values[0], &pid) != napi_ok || pid <= 0) return throw_usage(env);
	pid_t ended = waitpid(pid, &status, WNOHANG);
	if (ended < 0) return throw_errno(env, errno, "waitpid");
	if (ended == 0) MUST(napi_get_undefined(env, &result));
	else MUST(napi_create_int32(env, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status), &result));
	return result;
}
