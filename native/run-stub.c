// Stands in until run mode exists.
#include "run.h"
#include "fail.h"
#include <errno.h>
#include <stddef.h>

int run_main(void)
{
	fail_kind("unsupported", ENOSYS, "run", NULL, "run mode is not part of this build");
	status_failure();
	return 1;
}
