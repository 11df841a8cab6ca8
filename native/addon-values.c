#include "addon-values.h"
#include <stdlib.h>
#include <string.h>

void set_text(napi_env env, napi_value object, const char *key, const char *text)
{
	napi_value value;
	MUST(napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &value));
	MUST(napi_set_named_property(env, object, key, value));
}

napi_value make_error(napi_env env, int code, const char *call, const char *path)
{
	napi_value name, text, error;
	MUST(napi_create_string_latin1(env, strerrorname_np(code) ? strerrorname_np(code) : "EUNKNOWN", NAPI_AUTO_LENGTH, &name));
	MUST(napi_create_string_latin1(env, strerror(code), NAPI_AUTO_LENGTH, &text));
	MUST(napi_create_error(env, name, text, &error));
	set_text(env, error, "syscall", call);
	if (path) set_text(env, error, "path", path);
	return error;
}

napi_value throw_errno(napi_env env, int code, const char *call)
{
	MUST(napi_throw(env, make_error(env, code, call, NULL)));
	return NULL;
}

napi_value throw_usage(napi_env env)
{
	napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "slipway.node: wrong arguments");
	return NULL;
}

char *path_argument(napi_env env, napi_value value)
{
	bool is_buffer = false;
	void *bytes;
	size_t length;
	if (napi_is_buffer(env, value, &is_buffer) != napi_ok || !is_buffer) return NULL;
	MUST(napi_get_buffer_info(env, value, &bytes, &length));
	if (length == 0 || memchr(bytes, 0, length)) return NULL;
	char *path = malloc(length + 1);
	if (!path) return NULL;
	memcpy(path, bytes, length);
	path[length] = 0;
	return path;
}

bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
	size_t given = count;
	MUST(napi_get_cb_info(env, info, &given, values, NULL, NULL));
	return given >= count;
}
