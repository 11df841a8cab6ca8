// See user.h. Numbers are decimal 0..2^32-2; anything else is a name.
#include "user.h"
#include "fail.h"
#include "inroot.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 10 << 20, PASSWD_FIELDS = 7, GROUP_FIELDS = 4 };

// A field or a name: not terminated.
struct slice {
	const char *at;
	size_t length;
};

static bool same(struct slice a, struct slice b)
{
	return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

static bool parse_id(struct slice text, uint32_t *id)
{
	uint64_t value = 0;
	if (text.length == 0 || text.length > 10) return false;
	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] < '0' || text.at[i] > '9') return false;
		value = value * 10 + (uint64_t)(text.at[i] - '0');
	}
	// 2^32-1 means "no change" to setuid.
	if (value >= UINT32_MAX) return false;
	*id = (uint32_t)value;
	return true;
}

static struct slice cut(struct slice *rest, char separator)
{
	const char *end = rest->length ? memchr(rest->at, separator, rest->length) : NULL;
	struct slice field = { rest->at, end ? (size_t)(end - rest->at) : rest->length };
	size_t used = field.length + (end ? 1 : 0);
	rest->at += used;
	rest->length -= used;
	return field;
}

// The whole file; empty when it is missing. The image may have made it anything: a pipe must not block, a link must not lead out.
static int read_file(int root, const char *path, struct slice *text)
{
	*text = (struct slice){ "", 0 };
	int fd = inroot_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno("look up user", path);
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return fail_kind("user", EINVAL, "look up user", path, "it is not a regular file");
	}
	if (st.st_size > MAX_FILE_BYTES) {
		close(fd);
		return fail_kind("user", EFBIG, "look up user", path, "it is larger than 10 MiB");
	}
	size_t capacity = (size_t)st.st_size + 1, length = 0;
	char *bytes = malloc(capacity);
	ssize_t n = bytes ? 1 : -1;
	while (n > 0 && length < capacity) {
		n = read(fd, bytes + length, capacity - length);
		if (n > 0) length += (size_t)n;
	}
	close(fd);
	if (n < 0) {
		free(bytes);
		return fail_errno("look up user", path);
	}
	*text = (struct slice){ bytes, length };
	return 0;
}

// The next line split at colons into exactly `count` fields, absent ones empty. False at the end.
static bool next_entry(struct slice *text, struct slice *fields, size_t count)
{
	while (text->length) {
		struct slice line = cut(text, '\n');
		if (line.length == 0 || line.at[0] == '#') continue;
		for (size_t i = 0; i < count; i++) fields[i] = cut(&line, ':');
		return true;
	}
	return false;
}

struct wanted {
	struct slice name;
	uint32_t id;
	bool is_number;
};

static struct wanted wanted(struct slice name)
{
	struct wanted wanted = { .name = name };
	wanted.is_number = parse_id(name, &wanted.id);
	return wanted;
}

static bool matches(struct wanted wanted, struct slice name, uint32_t id)
{
	return same(wanted.name, name) || (wanted.is_number && wanted.id == id);
}

static void set_home(struct user *user, struct slice home)
{
	if (home.length == 0) snprintf(user->home, sizeof user->home, "/");
	else snprintf(user->home, sizeof user->home, "%.*s", (int)home.length, home.at);
}

// Finds the first entry for `wanted`: sets ids and home and returns its name (empty when there is none).
static struct slice find_user(struct user *user, struct slice passwd, struct wanted wanted)
{
	struct slice fields[PASSWD_FIELDS];
	while (next_entry(&passwd, fields, PASSWD_FIELDS)) {
		uint32_t uid, gid;
		if (!parse_id(fields[2], &uid) || !parse_id(fields[3], &gid)) continue;
		if (!matches(wanted, fields[0], uid)) continue;
		user->uid = uid;
		user->gid = gid;
		set_home(user, fields[5]);
		return fields[0];
	}
	return (struct slice){ "", 0 };
}

static bool lists_member(struct slice members, struct slice name)
{
	while (members.length)
		if (same(cut(&members, ','), name)) return true;
	return false;
}

static int fail_unknown(const char *what, struct slice name, const char *file)
{
	char text[512];
	snprintf(text, sizeof text, "unable to find %s %.*s: no matching entries in %s file", what, (int)(name.length < 300 ? name.length : 300), name.at, file);
	return fail_kind("user", ENOENT, "look up user", NULL, text);
}

static int find_group(struct user *user, struct slice group, struct slice name)
{
	struct wanted group_wanted = wanted(name);
	struct slice fields[GROUP_FIELDS];
	while (next_entry(&group, fields, GROUP_FIELDS)) {
		uint32_t gid;
		if (!parse_id(fields[2], &gid) || !matches(group_wanted, fields[0], gid)) continue;
		user->gid = gid;
		return 0;
	}
	if (!group_wanted.is_number) return fail_unknown("group", name, "group");
	user->gid = group_wanted.id;
	return 0;
}

static void add_member_groups(struct user *user, struct slice group, struct slice name)
{
	struct slice fields[GROUP_FIELDS];
	// One place is kept for the primary group.
	while (user->group_count < USER_MAX_GROUPS - 1 && next_entry(&group, fields, GROUP_FIELDS)) {
		uint32_t gid;
		if (parse_id(fields[2], &gid) && lists_member(fields[3], name)) user->groups[user->group_count++] = gid;
	}
}

static int look_up(struct user *user, struct slice user_name, struct slice group_name, struct slice passwd, struct slice group)
{
	struct wanted user_wanted = wanted(user_name);
	struct slice found = find_user(user, passwd, user_wanted);
	if (found.length == 0) {
		if (!user_wanted.is_number) return fail_unknown("user", user_name, "passwd");
		user->uid = user_wanted.id;
	}
	if (group_name.length) return find_group(user, group, group_name);
	// Other groups only count while the user did not choose one.
	if (found.length) add_member_groups(user, group, found);
	return 0;
}

// HOME comes from passwd even when both ids were given as numbers.
static int find_home(struct user *user, int root)
{
	struct slice passwd;
	// A passwd that cannot be read only matters to those who name a user.
	if (read_file(root, "/etc/passwd", &passwd) < 0) {
		fail_clear();
		return 0;
	}
	struct slice text = passwd, fields[PASSWD_FIELDS];
	while (next_entry(&text, fields, PASSWD_FIELDS)) {
		uint32_t uid;
		if (!parse_id(fields[2], &uid) || uid != user->uid) continue;
		set_home(user, fields[5]);
		break;
	}
	if (passwd.length) free((char *)passwd.at);
	return 0;
}

// The primary group is one of the supplementary ones, as after a login; without that, giving it up by
// newgrp would gain what a group is denied (CVE-2022-36109).
static void add_primary_group(struct user *user)
{
	for (size_t i = 0; i < user->group_count; i++)
		if (user->groups[i] == user->gid) return;
	if (user->group_count < USER_MAX_GROUPS) user->groups[user->group_count++] = user->gid;
}

static int find_everything(struct user *user, int root, const char *name)
{
	*user = (struct user){ .home = "/" };
	struct slice rest = { name, strlen(name) };
	struct slice user_name = cut(&rest, ':'), group_name = rest;
	if (user_name.length == 0) user_name = (struct slice){ "0", 1 };
	uint32_t uid, gid;
	if (parse_id(user_name, &uid) && parse_id(group_name, &gid)) {
		user->uid = uid;
		user->gid = gid;
		return find_home(user, root);
	}
	struct slice passwd, group;
	if (read_file(root, "/etc/passwd", &passwd) < 0 || read_file(root, "/etc/group", &group) < 0) {
		if (*name) return -1;
		// Nobody asked for anything but root, who needs no files.
		fail_clear();
		return 0;
	}
	int result = look_up(user, user_name, group_name, passwd, group);
	if (passwd.length) free((char *)passwd.at);
	if (group.length) free((char *)group.at);
	return result;
}

int user_lookup(struct user *user, int root, const char *name)
{
	if (find_everything(user, root, name) < 0) return -1;
	add_primary_group(user);
	return 0;
}
