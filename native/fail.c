// See fail.h. Texts are bytes; in JSON those that are not plain are written as \u00XX, so the reader gets byte strings.
// Nothing is allocated: a decoder may do no more than read, write and exit.
#include "fail.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// One process serves one request, so its failure and its status line are process-wide.
static struct {
	bool set, reported;
	int code;
	char kind[32], stage[128], text[512], path[PATH_MAX];
} failure;
static int status_fd = -1;
static char line[64 << 10];
static size_t line_length;
static bool line_cut;

int fail_kind(const char *kind, int code, const char *stage, const char *path, const char *text)
{
	if (failure.set) return -1;
	failure.set = true;
	failure.code = code;
	snprintf(failure.kind, sizeof failure.kind, "%s", kind);
	snprintf(failure.stage, sizeof failure.stage, "%s", stage);
	snprintf(failure.path, sizeof failure.path, "%s", path ? path : "");
	snprintf(failure.text, sizeof failure.text, "%s", text);
	return -1;
}

int fail_code(int code, const char *stage, const char *path)
{
	return fail_kind("", code, stage, path, strerror(code));
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
	failure.set = false;
}

int closed(int fd, int result)
{
	int code = errno;
	if (fd >= 0) close(fd);
	errno = code;
	return result;
}

void status_open(int fd)
{
	status_fd = fd;
}

static void put(const char *bytes, size_t length)
{
	if (line_length + length > sizeof line) line_cut = true;
	if (line_cut) return;
	memcpy(line + line_length, bytes, length);
	line_length += length;
}

static void put_text(const char *text)
{
	char escaped[8];
	put("\"", 1);
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		bool is_plain = byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\';
		if (is_plain) put(text, 1);
		else put(escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", byte));
	}
	put("\"", 1);
}

void status_add(const char *format, ...)
{
	char digits[24];
	va_list values;
	va_start(values, format);
	for (; *format; format++) {
		if (*format == '@') put_text(va_arg(values, const char *));
		else if (*format == '#') put(digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)va_arg(values, int64_t)));
		else put(format, 1);
	}
	va_end(values);
}

void status_send(void)
{
	put("\n", 1);
	for (size_t done = 0; done < line_length && !line_cut;) {
		ssize_t n = write(status_fd, line + done, line_length - done);
		if (n < 0 && errno == EINTR) continue;
		// The reader is gone.
		if (n <= 0) break;
		done += (size_t)n;
	}
	line_length = 0;
	line_cut = false;
}

void status_failure(void)
{
	if (!failure.set || failure.reported) return;
	failure.reported = true;
	status_add("{\"failed\":{\"stage\":@,\"text\":@", failure.stage, failure.text);
	if (failure.kind[0]) status_add(",\"kind\":@", failure.kind);
	const char *name = failure.code ? strerrorname_np(failure.code) : NULL;
	if (name) status_add(",\"errno\":@", name);
	if (failure.path[0]) status_add(",\"path\":@", failure.path);
	status_add("}}");
	status_send();
}
