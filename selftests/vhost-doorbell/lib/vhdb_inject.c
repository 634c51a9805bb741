// SPDX-License-Identifier: GPL-2.0
/*
 * Failures on purpose; see vhdb_inject.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "vhdb_dev.h"
#include "vhdb_inject.h"

/* No step has as many; more would mean that it never succeeds */
#define MAX_FAILURES	2000

#define FAULTS		"/sys/kernel/debug/"
#define RCU_EXPEDITED	"/sys/kernel/rcu_expedited"

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

	if (!vhdb_present())
		return "no " VHDB_PATH;
	if (access("/proc/thread-self/fail-nth", W_OK))
		return "this kernel injects no failures (FAULT_INJECTION)";
	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		if (vhdb_write_file(knobs[i].path, knobs[i].value))
			return "this kernel lacks one of failslab, fail_page_alloc, fail_usercopy";
	return NULL;
}

/* What @tid, a thread of this process, shall fail in: a file, or -errno */
static int open_nth(pid_t tid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", tid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The @nth one from now on fails, in the thread of @fd; 0: none */
static void set_nth(int fd, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	/* Its own copy from user memory may be what fails. */
	while (pwrite(fd, text, len, 0) != len && errno != ESRCH)
		;
}

/* Has there been a failure? */
static bool was_hit(int fd)
{
	char text[16] = "";
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	/* Nothing was left to fail but the copy of this answer. */
	return got >= 0 && atoi(text) == 0;
}

static bool end_nth(int fd)
{
	bool hit = was_hit(fd);

	set_nth(fd, 0);
	return hit;
}

int vhdb_inject_init(struct vhdb_inject *inject)
{
	memset(inject, 0, sizeof(*inject));
	inject->worker_fd = -1;
	/* There are many lives, and most of each would be waiting for RCU. */
	vhdb_write_file(RCU_EXPEDITED, "1");
	inject->fd = open_nth(syscall(SYS_gettid));
	return inject->fd < 0 ? inject->fd : 0;
}

void vhdb_inject_free(struct vhdb_inject *inject)
{
	close(inject->fd);
	vhdb_write_file(RCU_EXPEDITED, "0");
}

void vhdb_inject_set(struct vhdb_inject *inject, unsigned int nth)
{
	set_nth(inject->fd, nth);
}

bool vhdb_inject_end(struct vhdb_inject *inject)
{
	return end_nth(inject->fd);
}

/* The first worker of a device is called by no number of its own. */
static bool is_first_worker(const char *tid)
{
	char path[300], name[32];

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	vhdb_read_file(path, name, sizeof(name));
	return !strncmp(name, "vhdb-", 5) && !strchr(name, '.');
}

/* The thread that serves the queues; those of lives before may still be ending. */
static pid_t worker_tid(void)
{
	struct dirent *entry;
	pid_t tid = -ESRCH;
	DIR *dir = opendir("/proc/self/task");

	while (dir && (entry = readdir(dir)))
		if (is_first_worker(entry->d_name))
			tid = atoi(entry->d_name);
	if (dir)
		closedir(dir);
	return tid;
}

int vhdb_inject_worker(struct vhdb_inject *inject)
{
	if (!inject->worker_nth)
		return 0;
	inject->worker_fd = open_nth(worker_tid());
	if (inject->worker_fd < 0)
		return inject->worker_fd;
	set_nth(inject->worker_fd, inject->worker_nth);
	return 0;
}

bool vhdb_inject_worker_hit(const struct vhdb_inject *inject)
{
	return inject->worker_fd >= 0 && was_hit(inject->worker_fd);
}

void vhdb_inject_worker_end(struct vhdb_inject *inject)
{
	if (inject->worker_fd < 0)
		return;
	inject->worker_failed = end_nth(inject->worker_fd);
	close(inject->worker_fd);
	inject->worker_fd = -1;
}

/* A step with its failure number @nth (0: none): was there one? */
static bool take(struct vhdb_inject *inject, struct life *life,
		 const struct vhdb_step *step, unsigned int nth, int *ret)
{
	if (step->worker) {
		inject->worker_nth = nth;
		inject->worker_failed = false;
		*ret = step->fn(life);
		return inject->worker_failed;
	}
	vhdb_inject_set(inject, nth);
	*ret = step->fn(life);
	return vhdb_inject_end(inject);
}

/*
 * A step, until it succeeds, from its failure number *@nth on. 1 if the last time
 * was in spite of a failure, -1 if it ended wrong.
 */
static int until_success(struct vhdb_inject *inject, struct life *life,
			 const struct vhdb_step *step, unsigned int *nth)
{
	for (;; (*nth)++) {
		int ret;
		bool failed = take(inject, life, step, *nth, &ret);

		if (!ret)
			return failed;
		if (!failed || (ret != -ENOMEM && ret != -EFAULT) ||
		    *nth >= MAX_FAILURES) {
			printf("# step \"%s\", its failure %u: %d\n",
			       step->name, *nth, ret);
			return -1;
		}
	}
}

int vhdb_inject_rounds(struct vhdb_inject *inject, struct life *life,
		       const struct vhdb_step *steps, unsigned int nr)
{
	unsigned int nth[nr], s, lives = 0;
	bool any = true;
	int total = 0;

	for (s = 0; s < nr; s++)
		nth[s] = 1;
	for (; any; lives++) {
		any = false;
		for (s = 0; s < nr; s++) {
			int left = until_success(inject, life, &steps[s],
						 &nth[s]);

			if (left < 0)
				return -1;
			nth[s] += left;
			any |= left;
		}
	}
	for (s = 0; s < nr; s++) {
		printf("# %s: %u\n", steps[s].name, nth[s] - 1);
		total += nth[s] - 1;
	}
	printf("# %u lives\n", lives);
	return total;
}
