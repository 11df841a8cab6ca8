// See fail.h. Texts are bytes; in JSON every byte above 0x7e is written as \u00XX, so the reader gets byte strings.
#include "fail.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 << 10 };

// One process serves one request, so its failure and its status line are process-wide.
static struct {
	bool set, reported;
	int code;
	char kind[32], stage[128], text[512];
	char *path;
} failure;
static int status_fd = -1;
static char line[LINE_MAX_BYTES];
static size_t line_length;
static bool line_needs_comma, line_cut;

static const char *hint_for(int code, const char *stage)
{
	if (code == ENOSYS && strstr(stage, "openat2")) return "Linux 5.6 or newer is needed";
	if (code == EPERM && strstr(stage, "namespace")) return "namespaces are not allowed here; run as root, or allow CAP_SYS_ADMIN when inside a container";
	if (code == EPERM && strstr(stage, "mount")) return "mounting is not allowed here; run as root, or allow CAP_SYS_ADMIN when inside a container";
	if (code == ENODEV && strstr(stage, "overlay")) return "the kernel has no overlay file system (modprobe overlay)";
	if (code == EINVAL && strstr(stage, "overlay")) return "the file system of the state directory may not serve as an overlay upper layer (it must not itself be an overlay)";
	return "";
}

static void copy_text(char *target, size_t size, const char *text)
{
	snprintf(target, size, "%s", text ? text : "");
}

int fail_kind(const char *kind, int code, const char *stage, const char *path, const char *text)
{
	if (failure.set) return -1;
	failure.set = true;
	failure.code = code;
	copy_text(failure.kind, sizeof failure.kind, kind);
	copy_text(failure.stage, sizeof failure.stage, stage);
	copy_text(failure.text, sizeof failure.text, text);
	failure.path = path ? strdup(path) : NULL;
	return -1;
}

int fail_code(int code, const char *stage, const char *path)
{
	char text[512];
	const char *hint = hint_for(code, stage);
	snprintf(text, sizeof text, "%s%s%s", strerror(code), *hint ? "; " : "", hint);
	return fail_kind("", code, stage, path, text);
}

int fail_errno(const char *stage, const char *path)
{
	return fail_code(errno, stage, path);
}

bool has_failed(void)
{
	return failure.set;
}

void fail_clear(void)
{
	if (failure.reported) return;
	free(failure.path);
	memset(&failure, 0, sizeof failure);
}

void status_open(int fd)
{
	status_fd = fd;
}

// Room for the closing brackets is always kept, so a cut line is still JSON.
static void put(const char *bytes, size_t length)
{
	if (line_length + length > sizeof line - 16) {
		line_cut = true;
		return;
	}
	memcpy(line + line_length, bytes, length);
	line_length += length;
}

static void put_string(const char *text)
{
	put("\"", 1);
	// The closing quote must fit whatever the text: cut long texts at a character.
	for (const unsigned char *at = (const unsigned char *)text; *at && line_length < sizeof line - 64; at++) {
		if (*at == '"' || *at == '\\') {
			char escaped[2] = { '\\', (char)*at };
			put(escaped, 2);
		} else if (*at < 0x20 || *at > 0x7e) {
			char escaped[8];
			put(escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *at));
		} else {
			put((const char *)at, 1);
		}
	}
	put("\"", 1);
}

static void put_key(const char *key)
{
	if (line_needs_comma) put(",", 1);
	put_string(key);
	put(":", 1);
	line_needs_comma = true;
}

void status_begin(void)
{
	line_length = 0;
	line_cut = false;
	put("{", 1);
	line_needs_comma = false;
}

void status_string(const char *key, const char *value)
{
	put_key(key);
	put_string(value);
}

void status_number(const char *key, int64_t value)
{
	char digits[32];
	put_key(key);
	put(digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value));
}

void status_true(const char *key)
{
	put_key(key);
	put("true", 4);
}

void status_object(const char *key)
{
	put_key(key);
	put("{", 1);
	line_needs_comma = false;
}

void status_object_end(void)
{
	put("}", 1);
	line_needs_comma = true;
}

bool status_end(void)
{
	memcpy(line + line_length, "}\n", 2);
	line_length += 2;
	if (status_fd < 0 || line_cut) return false;
	for (size_t done = 0; done < line_length;) {
		ssize_t n = write(status_fd, line + done, line_length - done);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return false;
		done += (size_t)n;
	}
	return true;
}

void status_failure(void)
{
	if (!failure.set || failure.reported) return;
	failure.reported = true;
	status_begin();
	status_object("failed");
	if (failure.kind[0]) status_string("kind", failure.kind);
	status_string("stage", failure.stage);
	status_string("text", failure.text);
	if (failure.code) {
		status_string("errno", errno_name(failure.code));
		status_number("code", failure.code);
	}
	if (failure.path) status_string("path", failure.path);
	status_object_end();
	status_end();
}

const char *errno_name(int code)
{
	static char number[16];
	const char *name = strerrorname_np(code);
	if (name) return name;
	snprintf(number, sizeof number, "E%d", code);
	return number;
}
