// The functions of slipway.node, each with its arguments taken apart and its result as a value of JavaScript. Their types are
// in src/sys/addon.ts. Those whose name ends in _async give a promise, and work on libuv's pool.
#pragma once
#include "addon-values.h"

// addon-call-scan.c
napi_value scan_tree_async(napi_env env, napi_callback_info info);
napi_value scan_tree_sync(napi_env env, napi_callback_info info);
napi_value scan_paths_async(napi_env env, napi_callback_info info);
napi_value read_names(napi_env env, napi_callback_info info);

// addon-call-files.c
napi_value read_files_async(napi_env env, napi_callback_info info);
napi_value measure_tree_async(napi_env env, napi_callback_info info);
napi_value read_xattrs(napi_env env, napi_callback_info info);

// addon-call-disk.c
napi_value lock_file(napi_env env, napi_callback_info info);
napi_value spread_directories(napi_env env, napi_callback_info info);
napi_value sync_file_system_async(napi_env env, napi_callback_info info);

// addon-call-spawn.c
napi_value spawn_helper(napi_env env, napi_callback_info info);
napi_value reap(napi_env env, napi_callback_info info);
