// See addon-task.h.
#include "addon-task.h"

napi_value start_task(napi_env env, struct task *task, napi_async_execute_callback execute, napi_async_complete_callback complete)
{
	napi_value promise, name;
	MUST(napi_create_promise(env, &task->deferred, &promise));
	MUST(napi_create_string_latin1(env, "slipway", NAPI_AUTO_LENGTH, &name));
	MUST(napi_create_async_work(env, NULL, name, execute, complete, task, &task->work));
	MUST(napi_queue_async_work(env, task->work));
	return promise;
}
