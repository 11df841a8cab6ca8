// Between JavaScript values and C: arguments taken apart, errors with an errno's name made.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

// Node-API calls fail only when JavaScript is already throwing or memory is out: one place to stop.
#define MUST(call) \
	do { \
		if ((call) != napi_ok) napi_fatal_error("slipway.node", NAPI_AUTO_LENGTH, #call, NAPI_AUTO_LENGTH); \
	} while (0)

void set_text(napi_env env, napi_value object, const char *key, const char *text);

// An error with `code` (EACCES), `syscall` and, where there is one, `path`.
napi_value make_error(napi_env env, int code, const char *call, const char *path);

// Throw, and give NULL to be returned.
napi_value throw_errno(napi_env env, int code, const char *call);
napi_value throw_usage(napi_env env);

// The path in a Buffer as a malloc'ed C string; NULL for anything else or when it holds a NUL.
char *path_argument(napi_env env, napi_value value);

// Whether so many arguments were given, which are then in `values`.
bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);
