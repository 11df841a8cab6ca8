// Work for libuv's pool, as a promise.
#pragma once
#include "addon-values.h"

// The first member of what the work is done on, which lives from start_task until its `complete` has ended.
struct task {
	napi_async_work work;
	napi_deferred deferred;
};

// Does `execute` on the pool and then `complete` on JavaScript's thread, both with the task as their data. `complete` settles
// the promise that is returned here (`deferred`), and deletes `work`.
napi_value start_task(napi_env env, struct task *task, napi_async_execute_callback execute, napi_async_complete_callback complete);
