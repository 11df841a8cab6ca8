// See launch-ranges.h. newuidmap judges again what is read here: a wrong answer can only be refused.
#include "launch-ranges.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 1024 };

// The user's name in /etc/passwd; users of a directory service have what the environment says. A static program has no NSS.
static void read_name(uid_t user, char name[MAX_LINE])
{
	char line[MAX_LINE];
	const char *asked = getenv("USER");
	snprintf(name, MAX_LINE, "%s", asked ? asked : "");
	FILE *file = fopen("/etc/passwd", "re");
	if (!file) return;
	while (fgets(line, sizeof line, file)) {
		char *rest = line;
		const char *found = strsep(&rest, ":"), *password = strsep(&rest, ":"), *uid = strsep(&rest, ":");
		if (!password || !uid || !*uid || strtoul(uid, NULL, 10) != user) continue;
		snprintf(name, MAX_LINE, "%s", found);
		break;
	}
	fclose(file);
}

void ranges_read(struct ranges *ranges, const char *file, uid_t user)
{
	char line[MAX_LINE], owner[MAX_LINE], name[MAX_LINE], number[16];
	ranges->count = 0;
	FILE *open = fopen(file, "re");
	if (!open) return;
	read_name(user, name);
	snprintf(number, sizeof number, "%u", user);
	while (ranges->count < RANGES_MAX && fgets(line, sizeof line, open)) {
		unsigned long start, count;
		if (sscanf(line, "%1023[^:]:%lu:%lu", owner, &start, &count) != 3 || count == 0) continue;
		if (strcmp(owner, name) != 0 && strcmp(owner, number) != 0) continue;
		ranges->at[ranges->count].start = start;
		ranges->at[ranges->count++].count = count;
	}
	fclose(open);
}
