// See program.h.
#include "program.h"
#include "fail.h"
#include "userns.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int program_give_output(uid_t uid, gid_t gid)
{
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		struct stat st;
		bool is_pipe = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
		if (is_pipe && fchown(fd, uid, gid) < 0 && !(errno == EINVAL && userns_records_owners())) return fail_errno("change owner of", "stdout");
	}
	return 0;
}

// The last one counts, as for a shell that reads its environment in order. NULL when absent.
static char **find_variable(const struct texts *env, const char *name)
{
	size_t length = strlen(name);
	for (size_t i = env->count; i-- > 0;)
		if (strncmp(env->at[i], name, length) == 0 && env->at[i][length] == '=') return &env->at[i];
	return NULL;
}

int program_set_home(struct texts *env, const char *home)
{
	char text[PATH_MAX + 8];
	snprintf(text, sizeof text, "HOME=%s", home);
	char **variable = find_variable(env, "HOME");
	if (!variable) return texts_add(env, text);
	if ((*variable)[strlen("HOME=")]) return 0;
	char *copy = strdup(text);
	if (!copy) return fail_code(ENOMEM, "set HOME", NULL);
	free(*variable);
	*variable = copy;
	return 0;
}

static int fail_exec(int code, const char *name, const char *reason)
{
	char text[512];
	snprintf(text, sizeof text, "exec: \"%.200s\": %.280s", name, reason);
	return fail_kind("exec", code, "start process", NULL, text);
}

static bool is_program(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0) return false;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return false;
	}
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

// Postcondition on 0: `found` names a file that may be executed.
static int search_path(const char *name, const char *path, char *found, size_t size)
{
	while (*path) {
		size_t length = strcspn(path, ":");
		int written = snprintf(found, size, "%.*s/%s", (int)length, path, name);
		// An empty element would mean the working directory; that is refused, as by docker.
		if (length > 0 && written > 0 && (size_t)written < size && is_program(found)) return 0;
		path += length;
		if (*path) path++;
	}
	return fail_exec(ENOENT, name, "executable file not found in $PATH");
}

static int check_path(const char *path)
{
	if (is_program(path)) return 0;
	char reason[320];
	int code = errno;
	if (code == EISDIR) snprintf(reason, sizeof reason, "is a directory");
	else if (code == EACCES) snprintf(reason, sizeof reason, "permission denied");
	else snprintf(reason, sizeof reason, "stat %.200s: %.100s", path, code == ENOENT ? "no such file or directory" : strerror(code));
	return fail_exec(code, path, reason);
}

static int fail_execve(int code, const char *path)
{
	// The file was there a moment ago: what is missing is its interpreter or dynamic loader.
	if (code == ENOENT) return fail_exec(code, path, "no such file or directory (its interpreter or dynamic loader is missing)");
	if (code == ENOEXEC) return fail_exec(code, path, "exec format error");
	if (code == EACCES) return fail_exec(code, path, "permission denied");
	return fail_exec(code, path, strerror(code));
}

int program_exec(const struct texts *args, const struct texts *env)
{
	const char *program = args->at[0];
	char found[PATH_MAX];
	if (strchr(program, '/')) {
		if (check_path(program) < 0) return -1;
	} else {
		char **path = find_variable(env, "PATH");
		if (search_path(program, path ? *path + strlen("PATH=") : "", found, sizeof found) < 0) return -1;
		program = found;
	}
	execve(program, args->at, env->at);
	return fail_execve(errno, program);
}
