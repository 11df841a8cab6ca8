// What is in files, trees and attributes of files (addon-read.h, addon-measure.h).
#include "addon-call.h"
#include "addon-measure.h"
#include "addon-read.h"
#include "addon-task.h"
#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

// Two Buffers, kept alive by the references.
struct read_task {
	struct task task;
	napi_ref items_ref, into_ref;
	unsigned char *items, *into;
	size_t items_length, into_length;
	struct read_failure failure;
};

static void read_execute(napi_env env, void *data)
{
	(void)env;
	struct read_task *task = data;
	task->failure = read_files(task->items, task->items_length, task->into, task->into_length);
}

// undefined, or { index, code }: which file, and the errno's name or CHANGED.
static napi_value read_value(napi_env env, const struct read_failure *failure)
{
	napi_value value, index;
	if (!failure->error) {
		MUST(napi_get_undefined(env, &value));
		return value;
	}
	const char *code = failure->error == READ_CHANGED ? "CHANGED" : failure->error == READ_MALFORMED ? "EINVAL" : strerrorname_np(failure->error);
	MUST(napi_create_object(env, &value));
	MUST(napi_create_uint32(env, failure->index, &index));
	MUST(napi_set_named_property(env, value, "index", index));
	set_text(env, value, "code", code ? code : "EUNKNOWN");
	return value;
}

static void read_complete(napi_env env, napi_status status, void *data)
{
	struct read_task *task = data;
	if (status == napi_ok) MUST(napi_resolve_deferred(env, task->task.deferred, read_value(env, &task->failure)));
	napi_delete_reference(env, task->items_ref);
	napi_delete_reference(env, task->into_ref);
	napi_delete_async_work(env, task->task.work);
	free(task);
}

// (items, into): Buffers that nobody may touch until the promise settles
napi_value read_files_async(napi_env env, napi_callback_info info)
{
	napi_value values[2];
	if (!arguments(env, info, 2, values)) return throw_usage(env);
	struct read_task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	if (napi_get_buffer_info(env, values[0], (void **)&task->items, &task->items_length) != napi_ok ||
	    napi_get_buffer_info(env, values[1], (void **)&task->into, &task->into_length) != napi_ok) {
		free(task);
		return throw_usage(env);
	}
	MUST(napi_create_reference(env, values[0], 1, &task->items_ref));
	MUST(napi_create_reference(env, values[1], 1, &task->into_ref));
	return start_task(env, &task->task, read_execute, read_complete);
}

struct measure_task {
	struct task task;
	char *path;
	struct measure_result measure;
};

static void measure_execute(napi_env env, void *data)
{
	(void)env;
	struct measure_task *task = data;
	measure_tree(task->path, &task->measure);
}

static void set_number(napi_env env, napi_value object, const char *key, uint64_t number)
{
	napi_value value;
	MUST(napi_create_double(env, (double)number, &value));
	MUST(napi_set_named_property(env, object, key, value));
}

static void measure_complete(napi_env env, napi_status status, void *data)
{
	struct measure_task *task = data;
	const struct measure_result *measure = &task->measure;
	napi_value value;
	if (status == napi_ok && measure->error) {
		MUST(napi_reject_deferred(env, task->task.deferred, make_error(env, measure->error, measure->call, task->path)));
	} else if (status == napi_ok) {
		MUST(napi_create_object(env, &value));
		set_number(env, value, "bytes", measure->bytes);
		set_number(env, value, "inodes", measure->inodes);
		MUST(napi_resolve_deferred(env, task->task.deferred, value));
	}
	napi_delete_async_work(env, task->task.work);
	free(task->path);
	free(task);
}

// (path): { bytes, inodes }
napi_value measure_tree_async(napi_env env, napi_callback_info info)
{
	napi_value values[1];
	struct measure_task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	task->path = arguments(env, info, 1, values) ? path_argument(env, values[0]) : NULL;
	if (task->path) return start_task(env, &task->task, measure_execute, measure_complete);
	free(task);
	return throw_usage(env);
}

static void add_buffer(napi_env env, napi_value list, uint32_t *count, const void *bytes, size_t length)
{
	napi_value buffer;
	MUST(napi_create_buffer_copy(env, length, bytes, NULL, &buffer));
	MUST(napi_set_element(env, list, (*count)++, buffer));
}

// (path): [name, value, name, value, …]
napi_value read_xattrs(napi_env env, napi_callback_info info)
{
	napi_value values[1], list;
	char *path = arguments(env, info, 1, values) ? path_argument(env, values[0]) : NULL;
	if (!path) return throw_usage(env);
	static _Thread_local char names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
	const char *call = "llistxattr";
	uint32_t count = 0;
	int error = 0;
	ssize_t size = llistxattr(path, names, sizeof names);
	MUST(napi_create_array(env, &list));
	if (size < 0 && errno != ENOTSUP) error = errno;
	for (char *at = names; !error && size > 0 && at < names + size; at += strlen(at) + 1) {
		ssize_t length = lgetxattr(path, at, value, sizeof value);
		if (length < 0 && errno == ENODATA) continue;
		if (length < 0) {
			call = "lgetxattr";
			error = errno;
			break;
		}
		add_buffer(env, list, &count, at, strlen(at));
		add_buffer(env, list, &count, value, (size_t)length);
	}
	free(path);
	return error ? throw_errno(env, error, call) : list;
}
