// slipway.node: system calls Node lacks, in-process. Functions and their types are listed in src/sys/addon.ts.
#include "addon-measure.h"
#include "addon-read.h"
#include "addon-scan.h"
#include "addon-spawn.h"
#include "addon-values.h"
#include <errno.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

// A piece of work for libuv's pool and the promise it settles.
struct task {
	napi_async_work work;
	napi_deferred deferred;
	char *path;
	unsigned flags;
	int64_t max_entries;
	char *paths; // NULL: the whole tree
	size_t paths_length;
	struct scan_result scan;
	struct measure_result measure;
	int fd, error;
	// Of a reading: two Buffers, kept alive by the references.
	napi_ref items_ref, into_ref;
	unsigned char *items, *into;
	size_t items_length, into_length;
	struct read_failure failure;
};

static napi_value start(napi_env env, struct task *task, napi_async_execute_callback execute, napi_async_complete_callback complete)
{
	napi_value promise, name;
	MUST(napi_create_promise(env, &task->deferred, &promise));
	MUST(napi_create_string_latin1(env, "slipway", NAPI_AUTO_LENGTH, &name));
	MUST(napi_create_async_work(env, NULL, name, execute, complete, task, &task->work));
	MUST(napi_queue_async_work(env, task->work));
	return promise;
}

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
	struct task *task = data;
	if (task->paths) scan_paths(task->path, task->flags, task->paths, task->paths_length, &task->scan);
	else scan_tree(task->path, task->flags, (uint64_t)task->max_entries, &task->scan);
}

static void scan_complete(napi_env env, napi_status status, void *data)
{
	struct task *task = data;
	bool good = false;
	if (status == napi_ok) {
		napi_value value = scan_value(env, &task->scan, &good);
		if (good) MUST(napi_resolve_deferred(env, task->deferred, value));
		else MUST(napi_reject_deferred(env, task->deferred, value));
	}
	napi_delete_async_work(env, task->work);
	free(task->paths);
	free(task->path);
	free(task);
}

// (directory, flags, maxEntries)
static bool scan_arguments(napi_env env, napi_callback_info info, struct task *task)
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

static napi_value scan_tree_async(napi_env env, napi_callback_info info)
{
	struct task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	if (scan_arguments(env, info, task)) return start(env, task, scan_execute, scan_complete);
	free(task);
	return throw_usage(env);
}

// (directory, flags, paths: each with a NUL behind it)
static bool paths_arguments(napi_env env, napi_callback_info info, struct task *task)
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

static napi_value scan_paths_async(napi_env env, napi_callback_info info)
{
	struct task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	if (paths_arguments(env, info, task)) return start(env, task, scan_execute, scan_complete);
	free(task->paths);
	free(task);
	return throw_usage(env);
}

static napi_value scan_tree_sync(napi_env env, napi_callback_info info)
{
	struct task task = { 0 };
	if (!scan_arguments(env, info, &task)) return throw_usage(env);
	bool good;
	scan_execute(env, &task);
	free(task.path);
	napi_value value = scan_value(env, &task.scan, &good);
	if (good) return value;
	MUST(napi_throw(env, value));
	return NULL;
}

static void add_buffer(napi_env env, napi_value list, uint32_t *count, const void *bytes, size_t length)
{
	napi_value buffer;
	MUST(napi_create_buffer_copy(env, length, bytes, NULL, &buffer));
	MUST(napi_set_element(env, list, (*count)++, buffer));
}

// (path): [name, value, name, value, …]
static napi_value read_xattrs(napi_env env, napi_callback_info info)
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

// (directory): string of bytes, see scan_names
static napi_value read_names(napi_env env, napi_callback_info info)
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

// (fd, 0 shared | 1 exclusive | 2 unlock, wait)
static napi_value lock_file(napi_env env, napi_callback_info info)
{
	static const int operations[] = { LOCK_SH, LOCK_EX, LOCK_UN };
	napi_value values[3], result;
	int32_t fd;
	uint32_t operation;
	bool wait;
	if (!arguments(env, info, 3, values) || napi_get_value_int32(env, values[0], &fd) != napi_ok ||
	    napi_get_value_uint32(env, values[1], &operation) != napi_ok || operation > 2 || napi_get_value_bool(env, values[2], &wait) != napi_ok)
		return throw_usage(env);
	int done;
	do done = flock(fd, operations[operation] | (wait ? 0 : LOCK_NB));
	while (done < 0 && errno == EINTR);
	if (done < 0 && errno != EWOULDBLOCK) return throw_errno(env, errno, "flock");
	MUST(napi_get_boolean(env, done == 0, &result));
	return result;
}

// (fd): the directories in this one have nothing to do with each other, and each gets a place of its own on disk (chattr +T).
static napi_value spread_directories(napi_env env, napi_callback_info info)
{
	napi_value value;
	int32_t fd;
	int flags;
	if (!arguments(env, info, 1, &value) || napi_get_value_int32(env, value, &fd) != napi_ok) return throw_usage(env);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return throw_errno(env, errno, "ioctl");
	flags |= FS_TOPDIR_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? throw_errno(env, errno, "ioctl") : NULL;
}

static void read_execute(napi_env env, void *data)
{
	(void)env;
	struct task *task = data;
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
	struct task *task = data;
	if (status == napi_ok) MUST(napi_resolve_deferred(env, task->deferred, read_value(env, &task->failure)));
	napi_delete_reference(env, task->items_ref);
	napi_delete_reference(env, task->into_ref);
	napi_delete_async_work(env, task->work);
	free(task);
}

// (items, into): Buffers that nobody may touch until the promise settles
static napi_value read_files_async(napi_env env, napi_callback_info info)
{
	napi_value values[2];
	if (!arguments(env, info, 2, values)) return throw_usage(env);
	struct task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	if (napi_get_buffer_info(env, values[0], (void **)&task->items, &task->items_length) != napi_ok ||
	    napi_get_buffer_info(env, values[1], (void **)&task->into, &task->into_length) != napi_ok) {
		free(task);
		return throw_usage(env);
	}
	MUST(napi_create_reference(env, values[0], 1, &task->items_ref));
	MUST(napi_create_reference(env, values[1], 1, &task->into_ref));
	return start(env, task, read_execute, read_complete);
}

static void measure_execute(napi_env env, void *data)
{
	(void)env;
	struct task *task = data;
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
	struct task *task = data;
	const struct measure_result *measure = &task->measure;
	napi_value value;
	if (status == napi_ok && measure->error) {
		MUST(napi_reject_deferred(env, task->deferred, make_error(env, measure->error, measure->call, task->path)));
	} else if (status == napi_ok) {
		MUST(napi_create_object(env, &value));
		set_number(env, value, "bytes", measure->bytes);
		set_number(env, value, "inodes", measure->inodes);
		MUST(napi_resolve_deferred(env, task->deferred, value));
	}
	napi_delete_async_work(env, task->work);
	free(task->path);
	free(task);
}

// (path): { bytes, inodes }
static napi_value measure_tree_async(napi_env env, napi_callback_info info)
{
	napi_value values[1];
	struct task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	task->path = arguments(env, info, 1, values) ? path_argument(env, values[0]) : NULL;
	if (task->path) return start(env, task, measure_execute, measure_complete);
	free(task);
	return throw_usage(env);
}

static void sync_execute(napi_env env, void *data)
{
	(void)env;
	struct task *task = data;
	task->error = syncfs(task->fd) < 0 ? errno : 0;
}

static void sync_complete(napi_env env, napi_status status, void *data)
{
	struct task *task = data;
	napi_value undefined;
	if (status == napi_ok) {
		MUST(napi_get_undefined(env, &undefined));
		if (task->error) MUST(napi_reject_deferred(env, task->deferred, make_error(env, task->error, "syncfs", NULL)));
		else MUST(napi_resolve_deferred(env, task->deferred, undefined));
	}
	napi_delete_async_work(env, task->work);
	free(task);
}

// (fd)
static napi_value sync_file_system(napi_env env, napi_callback_info info)
{
	napi_value values[1];
	int32_t fd;
	if (!arguments(env, info, 1, values) || napi_get_value_int32(env, values[0], &fd) != napi_ok) return throw_usage(env);
	struct task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	task->fd = fd;
	return start(env, task, sync_execute, sync_complete);
}

// (program, arguments: each with a NUL behind it, streams: an Int32Array that is changed)
static napi_value spawn_helper(napi_env env, napi_callback_info info)
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
static napi_value reap(napi_env env, napi_callback_info info)
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

static void define(napi_env env, napi_value exports, const char *name, napi_callback callback)
{
	napi_value function;
	MUST(napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function));
	MUST(napi_set_named_property(env, exports, name, function));
}

NAPI_MODULE_EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports);
napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
	define(env, exports, "scanTree", scan_tree_async);
	define(env, exports, "scanTreeSync", scan_tree_sync);
	define(env, exports, "scanPaths", scan_paths_async);
	define(env, exports, "measureTree", measure_tree_async);
	define(env, exports, "readFiles", read_files_async);
	define(env, exports, "readXattrs", read_xattrs);
	define(env, exports, "readNames", read_names);
	define(env, exports, "flock", lock_file);
	define(env, exports, "spreadDirectories", spread_directories);
	define(env, exports, "syncfs", sync_file_system);
	define(env, exports, "spawn", spawn_helper);
	define(env, exports, "reap", reap);
	return exports;
}
