// See run-request.h.
#include "run-request.h"
#include "fail.h"
#include "wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum opcode { OP_END, OP_LOWER, OP_ROOT, OP_ARG, OP_ENV, OP_PROCESS, OP_BIND, OP_TMPFS, OP_FILE, OP_RUNTIME_CREATE, OP_RUNTIME_START, OP_CONFIG, OP_FILTER, OP_LIMIT, OP_CGROUP, OP_NETWORK, OP_LAYERS };

enum { MAX_ITEMS = 1 << 16, MODE_OF_PLACE = 1 << 16 };

static int malformed(const char *text)
{
	return fail_kind("malformed", EPROTO, "request", NULL, text);
}

// Room for one more item of `size` bytes behind `count`; NULL with a failure.
static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity) return items;
	if (count >= MAX_ITEMS) {
		malformed("too many items of one kind");
		return NULL;
	}
	size_t wanted = *capacity ? *capacity * 2 : 16;
	void *larger = realloc(items, wanted * size);
	if (!larger) {
		fail_code(ENOMEM, "request", NULL);
		return NULL;
	}
	*capacity = wanted;
	return larger;
}

static int copy_text(char **target, const char *text)
{
	free(*target);
	*target = strdup(text);
	return *target ? 0 : fail_code(ENOMEM, "request", NULL);
}

int texts_add(struct texts *texts, const char *text)
{
	char **at = grow(texts->at, texts->count + 1, &texts->capacity, sizeof *at);
	if (!at) return -1;
	texts->at = at;
	char *copy = strdup(text);
	if (!copy) return fail_code(ENOMEM, "request", NULL);
	at[texts->count++] = copy;
	at[texts->count] = NULL;
	return 0;
}

static struct request_mount *add_mount(struct run_request *request, enum mount_kind kind, const char *target)
{
	struct request_mount *mounts = grow(request->mounts, request->mount_count, &request->mount_capacity, sizeof *mounts);
	if (!mounts) return NULL;
	request->mounts = mounts;
	struct request_mount *mount = &mounts[request->mount_count];
	*mount = (struct request_mount){ .kind = kind, .opened = -1 };
	if (copy_text(&mount->target, target) < 0) return NULL;
	request->mount_count++;
	return mount;
}

static int read_text(struct record *record, char **target)
{
	return copy_text(target, record_text(record));
}

static int read_process(struct record *record, struct run_request *request)
{
	if (read_text(record, &request->cwd) < 0) return -1;
	if (read_text(record, &request->user) < 0) return -1;
	if (read_text(record, &request->hostname) < 0) return -1;
	request->own_network = record_u64(record) != 0;
	request->insecure = record_u64(record) != 0;
	request->inherit_stdio = record_u64(record) != 0;
	request->shm_size = record_u64(record);
	return 0;
}

static int read_mount(struct record *record, struct run_request *request, enum mount_kind kind)
{
	struct request_mount *mount = add_mount(request, kind, record_text(record));
	if (!mount) return -1;
	if (kind == MOUNT_BIND || kind == MOUNT_LAYERS) {
		if (read_text(record, &mount->source) < 0) return -1;
		mount->read_only = record_u64(record) != 0;
		while (kind == MOUNT_LAYERS && record_more(record))
			if (texts_add(&mount->layers, record_text(record)) < 0) return -1;
		return 0;
	}
	uint64_t mode = record_u64(record);
	mount->mode = (mode_t)mode & 07777;
	if (kind == MOUNT_TMPFS) {
		mount->inherits_mode = mode == MODE_OF_PLACE;
		mount->size = record_u64(record);
		mount->read_only = record_u64(record) != 0;
		return 0;
	}
	mount->uid = (uid_t)record_u64(record);
	mount->gid = (gid_t)record_u64(record);
	const unsigned char *bytes = record_bytes(record, &mount->length);
	mount->content = malloc(mount->length + 1);
	if (!mount->content) return fail_code(ENOMEM, "request", NULL);
	memcpy(mount->content, bytes, mount->length);
	return 0;
}

static int read_filter(struct record *record, struct run_request *request)
{
	size_t length;
	const unsigned char *bytes = record_bytes(record, &length);
	size_t count = length / sizeof *request->filter;
	if (count == 0 || count > BPF_MAXINSNS || length % sizeof *request->filter) return malformed("the system call filter has an impossible length");
	free(request->filter);
	request->filter = malloc(length);
	if (!request->filter) return fail_code(ENOMEM, "request", NULL);
	memcpy(request->filter, bytes, length);
	request->filter_length = (unsigned short)count;
	return 0;
}

static int read_limit(struct record *record, struct run_request *request)
{
	if (request->limit_count == RLIM_NLIMITS) return malformed("too many items of one kind");
	uint64_t resource = record_u64(record);
	if (resource >= RLIM_NLIMITS) return malformed("there is no such limit");
	struct request_limit *limit = &request->limits[request->limit_count++];
	limit->resource = (int)resource;
	limit->wanted.rlim_cur = record_u64(record);
	limit->wanted.rlim_max = record_u64(record);
	limit->required = record_u64(record) != 0;
	return 0;
}

static int read_record(struct record *record, struct run_request *request)
{
	switch ((enum opcode)record->opcode) {
	case OP_LOWER: return texts_add(&request->lower, record_text(record));
	case OP_ROOT: return read_text(record, &request->upper) < 0 ? -1 : read_text(record, &request->work);
	case OP_ARG: return texts_add(&request->args, record_text(record));
	case OP_ENV: return texts_add(&request->env, record_text(record));
	case OP_PROCESS: return read_process(record, request);
	case OP_BIND: return read_mount(record, request, MOUNT_BIND);
	case OP_TMPFS: return read_mount(record, request, MOUNT_TMPFS);
	case OP_FILE: return read_mount(record, request, MOUNT_FILE);
	case OP_CGROUP: return texts_add(&request->cgroups, record_text(record));
	case OP_RUNTIME_CREATE: return texts_add(&request->runtime_create, record_text(record));
	case OP_RUNTIME_START: return texts_add(&request->runtime_start, record_text(record));
	case OP_FILTER: return read_filter(record, request);
	case OP_LIMIT: return read_limit(record, request);
	case OP_NETWORK: return read_text(record, &request->network);
	case OP_LAYERS: return read_mount(record, request, MOUNT_LAYERS);
	case OP_CONFIG:
	case OP_END: break;
	}
	return malformed("a record has an unknown opcode");
}

static int read_records(struct wire *wire, struct run_request *request)
{
	for (;;) {
		struct record record;
		if (wire_next(wire, &record) < 0) return -1;
		if (record.opcode == OP_END) return record_finish(&record);
		if (read_record(&record, request) < 0) return -1;
		if (record_finish(&record) < 0) return -1;
	}
}

int run_request_read(struct run_request *request, int fd)
{
	struct wire wire;
	if (wire_open(&wire, fd) < 0) return -1;
	int result = read_records(&wire, request);
	wire_close(&wire);
	if (result < 0) return -1;
	if (!request->upper || !*request->upper || !*request->work || !request->cwd) return malformed("the root or the process is missing");
	if (request->args.count == 0 || !*request->args.at[0]) return malformed("there is no program to run");
	if ((request->runtime_create.count == 0) != (request->runtime_start.count == 0)) return malformed("a runtime has one command of two");
	if (!request->filter && !request->insecure && request->runtime_create.count == 0) return malformed("the system call filter is missing");
	return 0;
}

static unsigned char *copy_config(struct record *record, size_t *length)
{
	if (record->opcode != OP_CONFIG) {
		malformed("a configuration was expected");
		return NULL;
	}
	const unsigned char *bytes = record_bytes(record, length);
	if (record_finish(record) < 0) return NULL;
	unsigned char *copy = malloc(*length + 1);
	if (!copy) fail_code(ENOMEM, "request", NULL);
	else memcpy(copy, bytes, *length);
	return copy;
}

unsigned char *run_request_read_config(int fd, size_t *length)
{
	struct wire wire;
	struct record record;
	if (wire_open(&wire, fd) < 0) return NULL;
	unsigned char *config = wire_next(&wire, &record) < 0 ? NULL : copy_config(&record, length);
	wire_close(&wire);
	return config;
}
