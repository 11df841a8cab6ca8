// `files` mode: see files.h.
#include "files.h"
#include "fail.h"
#include "wire.h"

int files_main(void)
{
	struct wire wire;
	struct record record;
	if (wire_open(&wire, 3) < 0 || wire_next(&wire, &record) < 0) {
		status_failure();
		return 1;
	}
	wire_close(&wire);
	return 0;
}
