// slipway.node: system calls Node lacks, in-process. What it exports and under which names (src/sys/addon.ts).
#include "addon-call.h"

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
	define(env, exports, "syncfs", sync_file_system_async);
	define(env, exports, "spawn", spawn_helper);
	define(env, exports, "reap", reap);
	return exports;
}
