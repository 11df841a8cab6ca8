// See files.h: reads the target and the operations, one after the other, and reports what was done.
#include "files.h"
#include "fail.h"
#include "files-operation.h"
#include "steps.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

int operation_read(struct record *record, struct operation *operation)
{
	*operation = (struct operation){ .opcode = record->opcode, .flags = record_u64(record) };
	operation->mode = (mode_t)record_u64(record) & 07777;
	uint64_t uid = record_u64(record), gid = record_u64(record);
	operation->uid = (uid_t)uid;
	operation->gid = (gid_t)gid;
	operation->mtime = (int64_t)record_u64(record);
	operation->size = record_u64(record);
	operation->minor = record_u64(record);
	operation->path = record_text(record);
	operation->other = record_text(record);
	operation->xattrs = *record;
	// The highest id means "leave it" to the kernel.
	if (uid >= UINT32_MAX || gid >= UINT32_MAX) record->malformed = true;
	return record->malformed ? record_finish(record) : 0;
}

// What comes before it mounts the target as one file system of layers.
static int open_target(struct files *files)
{
	struct record record;
	struct steps steps;
	steps_init(&steps, NULL);
	if (steps_perform(&steps, &files->wire, &record) < 0) return -1;
	if (record.opcode != OP_TARGET) return fail_kind("malformed", EPROTO, "request", NULL, "the target must come first");
	uint64_t flags = record_u64(&record);
	const char *directory = record_text(&record);
	if (record_finish(&record) < 0) return -1;
	files->upper = steps.slot[UPPER_SLOT];
	files->overlay = flags & TARGET_OVERLAY;
	files->report_links = flags & TARGET_REPORT_LINKS;
	files->is_initial = flags & TARGET_IS_INITIAL;
	files->records_owners = flags & TARGET_RECORDS_OWNERS;
	int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) return fail_errno("open target", directory);
	inroot_init(&files->at, root);
	inroot_init(&files->links, root);
	files->started = true;
	return 0;
}

static int serve(struct files *files)
{
	if (open_target(files) < 0) return -1;
	for (;;) {
		struct record record;
		struct operation operation;
		if (wire_next(&files->wire, &record) < 0) return -1;
		if (record.opcode == WIRE_END) return record_finish(&record) < 0 ? -1 : late_times_apply(files);
		if (operation_read(&record, &operation) < 0 || operation_apply(files, &operation) < 0) return -1;
	}
}

static void report(const struct files *files)
{
	status_add("{\"done\":true,\"directories\":#,\"files\":#,\"symlinks\":#,\"hardlinks\":#", files->directories, files->regular, files->symlinks, files->hardlinks);
	status_add(",\"nodes\":#,\"removed\":#,\"bytes\":#", files->nodes, files->removed, files->bytes);
	status_add(",\"xattrsSkipped\":#,\"recordedNodes\":#}", files->xattrs_skipped, files->recorded_nodes);
	status_send();
}

// Removing a deep tree holds one fd per level.
static void raise_fd_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int files_main(void)
{
	struct files files = { .upper = -1 };
	raise_fd_limit();
	int result = wire_open(&files.wire, 3);
	if (result == 0) result = serve(&files);
	if (result == 0) report(&files);
	status_failure();
	if (files.started) {
		inroot_close(&files.at);
		inroot_close(&files.links);
		close(files.at.root);
	}
	if (files.upper >= 0) close(files.upper);
	for (size_t i = 0; i < files.late_count; i++) free(files.late[i].path);
	free(files.late);
	free(files.wire.buffer);
	return result == 0 ? 0 : 1;
}
