// Locks, and what concerns a whole file system.
#include "addon-call.h"
#include "addon-task.h"
#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

// (fd, 0 shared | 1 exclusive | 2 unlock, wait)
napi_value lock_file(napi_env env, napi_callback_info info)
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
napi_value spread_directories(napi_env env, napi_callback_info info)
{
	napi_value value;
	int32_t fd;
	int flags;
	if (!arguments(env, info, 1, &value) || napi_get_value_int32(env, value, &fd) != napi_ok) return throw_usage(env);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return throw_errno(env, errno, "ioctl");
	flags |= FS_TOPDIR_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? throw_errno(env, errno, "ioctl") : NULL;
}

struct sync_task {
	struct task task;
	int fd, error;
};

static void sync_execute(napi_env env, void *data)
{
	(void)env;
	struct sync_task *task = data;
	task->error = syncfs(task->fd) < 0 ? errno : 0;
}

static void sync_complete(napi_env env, napi_status status, void *data)
{
	struct sync_task *task = data;
	napi_value undefined;
	if (status == napi_ok) {
		MUST(napi_get_undefined(env, &undefined));
		if (task->error) MUST(napi_reject_deferred(env, task->task.deferred, make_error(env, task->error, "syncfs", NULL)));
		else MUST(napi_resolve_deferred(env, task->task.deferred, undefined));
	}
	napi_delete_async_work(env, task->task.work);
	free(task);
}

// (fd)
napi_value sync_file_system_async(napi_env env, napi_callback_info info)
{
	napi_value values[1];
	int32_t fd;
	if (!arguments(env, info, 1, values) || napi_get_value_int32(env, values[0], &fd) != napi_ok) return throw_usage(env);
	struct sync_task *task = calloc(1, sizeof *task);
	if (!task) return throw_errno(env, ENOMEM, "malloc");
	task->fd = fd;
	return start_task(env, &task->task, sync_execute, sync_complete);
}
