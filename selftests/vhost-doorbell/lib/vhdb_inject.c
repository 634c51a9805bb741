// SPDX-License-Identifier: GPL-2.0
/*
 * Failures on purpose; see vhdb_inject.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vhdb_dev.h"
#include "vhdb_inject.h"

#define FAULTS		"/sys/kernel/debug/"

/*
 * By themselves these spare what may sleep, or is a single page; and each
 * failure would be told with a backtrace.
 */
static const struct {
	const char *path;
	const char *value;
} knobs[] = {
	{ FAULTS "failslab/ignore-gfp-wait", "N" },
	{ FAULTS "failslab/verbose", "0" },
	{ FAULTS "fail_page_alloc/ignore-gfp-wait", "N" },
	{ FAULTS "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ FAULTS "fail_page_alloc/min-order", "0" },
	{ FAULTS "fail_page_alloc/verbose", "0" },
	{ FAULTS "fail_usercopy/verbose", "0" },
};

const char *vhdb_inject_missing(void)
{
	size_t i;

	if (access("/proc/thread-self/fail-nth", W_OK))
		return "this kernel injects no failures (FAULT_INJECTION)";
	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		if (vhdb_write_file(knobs[i].path, knobs[i].value))
			return "this kernel lacks one of failslab, fail_page_alloc, fail_usercopy";
	return NULL;
}

int vhdb_inject_open(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", tid);
	return open(path, O_RDWR | O_CLOEXEC);
}

void vhdb_inject_set(int fd, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	/* Its own copy from user memory may be what fails. */
	while (pwrite(fd, text, len, 0) != len)
		;
}

bool vhdb_inject_end(int fd)
{
	char text[16] = "";
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	/* Nothing was left to fail but the copy of this answer. */
	if (got < 0)
		return false;
	vhdb_inject_set(fd, 0);
	return atoi(text) == 0;
}
