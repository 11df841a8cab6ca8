// Listings, as one Buffer each (addon-scan.h).
#include "addon-call.h"
#include "addon-scan.h"
#include "addon-task.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct scan_task {
	struct task task;
	char *path;
	unsigned flags;
	int64_t max_entries;
	char *paths; // NULL: the whole tree
	size_t paths_length;
	struct scan_result scan;
};

static void release_rows(napi_env env, void *rows, void *hint)
{
	(void)env;
	(void)hint;
	free(rows);
}

// The result as a Buffer that owns the rows, or an error object. Frees the rest.
static napi_value scan_value(napi_env env, struct scan_result *result, bool *good)
{
	napi_value value;
	*good = result->rows != NULL;
	if (*good) {
		unsigned char *fitting = realloc(result->rows, result->length ? result->length : 1);
		if (fitting) result->rows = fitting;
		MUST(napi_create_external_buffer(env, result->length, result->rows, release_rows, NULL, &value));
	} else {
		value = make_error(env, result->error, result->call, result->path);
	}
	free(result->path);
	return value;
}

static void scan_execute(napi_env env, void *data)
{
	(void)env;
	struct scan_task *task = data;
	if (task->paths) scan_paths(task->path, task->flags, task->paths, task->paths_length, &task->scan);
	else scan_tree(task->path, task->flags, (uint64_t)task->max_entries, &task->scan);
}

static void scan_complete(napi_env env, napi_status status, void *data)
{
	struct scan_task *task = data;
	bool good = false;
	if (status == napi_ok) {
		napi_value value = scan_value(env, &task->scan, &good);
		if (good) MUST(napi_resolve_deferred(env, task->task.deferred, value));
		else MUST(napi_reject_deferred(env, task->task.deferred, value));
	}
	napi_delete_async_work(env, task->task.work);
	free(task->paths);
	free(task->path);
	free(task);
}

// (directory, flags, maxEntries)
static bool scan_arguments(napi_env env, napi_callback_info info, struct scan_task *task)
{
	napi_value values[3];
	uint32_t flags;
	if (!arguments(env, info, 3, values)) return false;
	if (napi_get_value_uint32(env, values[1], &flags) != napi_ok) return false;
	if (napi_get_value_int64(env, values[2], &task->max_entries) != napi_ok || task->max_entries < 0) return false;
	task->flags = flags;
	task->path = path_argument(env, values[0]);
	return task->path != NULL;
}

napi_value scan_tree_async(napi_env env, napi_callback_info info)
{
	struct scan_task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	if (scan_arguments(env, info, task)) return start_task(env, &task->task, scan_execute, scan_complete);
	free(task);
	return throw_usage(env);
}

// (directory, flags, paths: each with a NUL behind it)
static bool paths_arguments(napi_env env, napi_callback_info info, struct scan_task *task)
{
	napi_value values[3];
	void *bytes;
	uint32_t flags;
	if (!arguments(env, info, 3, values)) return false;
	if (napi_get_value_uint32(env, values[1], &flags) != napi_ok) return false;
	if (napi_get_buffer_info(env, values[2], &bytes, &task->paths_length) != napi_ok) return false;
	if (task->paths_length && ((char *)bytes)[task->paths_length - 1]) return false;
	task->flags = flags;
	task->paths = malloc(task->paths_length + 1);
	if (!task->paths) return false;
	memcpy(task->paths, bytes, task->paths_length);
	task->path = path_argument(env, values[0]);
	return task->path != NULL;
}

napi_value scan_paths_async(napi_env env, napi_callback_info info)
{
	struct scan_task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	if (paths_arguments(env, info, task)) return start_task(env, &task->task, scan_execute, scan_complete);
	free(task->paths);
	free(task);
	return throw_usage(env);
}

napi_value scan_tree_sync(napi_env env, napi_callback_info info)
{
	struct scan_task task = { 0 };
	if (!scan_arguments(env, info, &task)) return throw_usage(env);
	bool good;
	scan_execute(env, &task);
	free(task.path);
	napi_value value = scan_value(env, &task.scan, &good);
	if (good) return value;
	MUST(napi_throw(env, value));
	return NULL;
}

// (directory): string of bytes, see scan_names
napi_value read_names(napi_env env, napi_callback_info info)
{
	napi_value values[1], names = NULL;
	char *path = arguments(env, info, 1, values) ? path_argument(env, values[0]) : NULL;
	if (!path) return throw_usage(env);
	struct scan_result result;
	scan_names(path, &result);
	free(path);
	if (result.rows) MUST(napi_create_string_latin1(env, (char *)result.rows, result.length, &names));
	else throw_errno(env, result.error, result.call);
	free(result.rows);
	free(result.path);
	return names;
}
