// SPDX-License-Identifier: GPL-2.0
/*
 * Failures on purpose; see vhdb_inject.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vhdb_dev.h"
#include "vhdb_inject.h"

/* No step has as many; more would mean that it never succeeds */
#define MAX_FAILURES	2000

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

/* One step, with its failure number @nth: was there one? -1 if it ended wrong. */
static int take(const struct vhdb_inject_life *l, unsigned int step,
		unsigned int nth)
{
	bool failed, right;
	int ret;

	failed = l->take(l->life, step, nth, &ret);
	right = !ret || (failed && (ret == -ENOMEM || ret == -EFAULT));
	if (right && ret) {
		l->take(l->life, step, 0, &ret);
		right = !ret;
	}
	if (!right)
		printf("# step \"%s\", its failure %u: %d\n", l->name(step),
		       nth, ret);
	return right ? failed : -1;
}

int vhdb_inject_rounds(const struct vhdb_inject_life *l)
{
	unsigned int failures[l->steps], nth, s;
	bool any = true;
	int failed, total = 0;

	for (s = 0; s < l->steps; s++)
		failures[s] = 0;
	for (nth = 1; any; nth++) {
		if (nth >= MAX_FAILURES) {
			printf("# more than %u failures\n", nth);
			return -1;
		}
		any = false;
		for (s = 0; s < l->steps; s++) {
			failed = take(l, s, nth);
			if (failed < 0)
				return -1;
			any |= failed;
			failures[s] += failed;
			total += failed;
		}
	}
	for (s = 0; s < l->steps; s++)
		printf("# %s: %u\n", l->name(s), failures[s]);
	return total;
}
