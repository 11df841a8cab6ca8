// See userns.h.
#include "userns.h"
#include <stdint.h>
#include <stdio.h>

struct map {
	uint64_t ids;
	bool has_asked;
};

static struct map read_map(const char *path, unsigned asked)
{
	struct map map = { 0 };
	unsigned inside, outside, count;
	FILE *file = fopen(path, "re");
	if (!file) return map;
	while (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3) {
		map.ids += count;
		if (asked >= inside && asked - inside < count) map.has_asked = true;
	}
	fclose(file);
	return map;
}

bool userns_is_initial(void)
{
	// All ids but the one that means none.
	return read_map("/proc/self/uid_map", 0).ids == UINT32_MAX;
}

bool userns_has_uid(uid_t uid)
{
	return read_map("/proc/self/uid_map", uid).has_asked;
}

bool userns_has_gid(gid_t gid)
{
	return read_map("/proc/self/gid_map", gid).has_asked;
}

bool userns_records_owners(void)
{
	return read_map("/proc/self/uid_map", 0).ids == 1 || read_map("/proc/self/gid_map", 0).ids == 1;
}
