// SPDX-License-Identifier: GPL-2.0
/*
 * Whose the worker is. Where the kernel has vhost_task as the driver wants it
 * (6.10), a thread of the owner: in its cgroup, wherever that goes, and counted
 * there. Before, a kthread that starts in the owner's cgroup.
 *
 * Which of the two the driver was built with is decided by a probe of the
 * kernel's headers. A probe that fails for another reason builds a driver that
 * works, with kthreads, and nothing but this notices.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"

#define DISK_SIZE	0x100000
#define CGROUPS		"/sys/fs/cgroup"

/* What this kernel can have; the driver's probe is not asked */
static bool has_vhost_task(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	if (uname(&name) ||
	    sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 10);
}

/* Who has our worker's name in the directory @dir of /proc: its id, or 0 */
static pid_t worker_in(const char *dir)
{
	char path[320], comm[32], name[32];
	struct dirent *entry;
	DIR *proc = opendir(dir);
	pid_t found = 0;

	snprintf(name, sizeof(name), "vhdb-%d\n", getpid());
	while (proc && !found && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "%s/%s/comm", dir, entry->d_name);
		vhdb_read_file(path, comm, sizeof(comm));
		if (!strcmp(comm, name))
			found = atoi(entry->d_name);
	}
	if (proc)
		closedir(proc);
	return found;
}

/* Our only worker, thread or not: its id, or 0 */
static pid_t worker(void)
{
	return worker_in("/proc/self/task") ?: worker_in("/proc");
}

static long worker_status(pid_t tid, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	return vhdb_file_value(path, key, -1);
}

/* Two of our own; an empty path if there is none */
struct cgroups {
	char path[2][64];
};

FIXTURE(worker)
{
	struct vhdb_backing disk;
	struct cgroups cg;
};

FIXTURE_SETUP(worker)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
}

FIXTURE_TEARDOWN(worker)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(self->cg.path); i++) {
		if (!self->cg.path[i][0])
			continue;
		vhdb_write_file(CGROUPS "/cgroup.procs", "0");
		EXPECT_TRUE(vhdb_wait_for(!rmdir(self->cg.path[i])));
	}
	vhdb_backing_free(&self->disk);
}

TEST_F(worker, thread_of_the_owner)
{
	const bool thread = has_vhost_task();
	struct vhdb_dev dev;
	long switches;
	pid_t tid;

	EXPECT_EQ(0, worker());
	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, NULL));
	tid = worker();
	ASSERT_LT(0, tid);
	EXPECT_EQ(thread, worker_in("/proc/self/task") == tid);
	/* 2 is kthreadd */
	EXPECT_EQ(thread ? getpid() : tid, worker_status(tid, "Tgid:"));
	EXPECT_EQ(thread ? getppid() : 2, worker_status(tid, "PPid:"));

	/* It is the one that works */
	ASSERT_EQ(0, vhdb_dev_start(&dev));
	EXPECT_EQ(0, vhdb_dev_read(&dev, 0, 1));
	switches = worker_status(tid, "voluntary_ctxt_switches:");
	EXPECT_EQ(0, vhdb_dev_read(&dev, 0, 2));
	EXPECT_TRUE(vhdb_wait_for(worker_status(tid, "voluntary_ctxt_switches:") >
				  switches));

	vhdb_dev_destroy(&dev);
	EXPECT_TRUE(vhdb_wait_for(!worker()));
}

/* ---- cgroups ---- */

static int cgroup_set(const char *cgroup, const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	return vhdb_write_file(path, value);
}

static long cgroup_value(const char *cgroup, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	return vhdb_file_value(path, "", -1);
}

/* Two cgroups with a count of tasks: NULL, or what is lacking */
static const char *cgroups_create(struct __test_metadata *_metadata,
				  struct cgroups *cg)
{
	unsigned int i;

	if (access(CGROUPS "/cgroup.subtree_control", W_OK))
		return "no cgroup2 at " CGROUPS;
	if (vhdb_write_file(CGROUPS "/cgroup.subtree_control", "+pids"))
		return "no pids controller";
	for (i = 0; i < ARRAY_SIZE(cg->path); i++) {
		snprintf(cg->path[i], sizeof(cg->path[i]),
			 CGROUPS "/vhdb-%d-%u", getpid(), i);
		EXPECT_EQ(0, mkdir(cg->path[i], 0755));
	}
	return NULL;
}

/* Where a task is, as the kernel says it */
static bool in_cgroup(pid_t tid, const char *cgroup)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", tid);
	vhdb_read_file(path, text, sizeof(text));
	return strstr(text, cgroup + strlen(CGROUPS));
}

TEST_F(worker, cgroup_of_the_owner)
{
	const char *lacks = cgroups_create(_metadata, &self->cg);
	struct vhdb_dev dev;
	pid_t tid;

	if (lacks)
		SKIP(return, "%s", lacks);
	ASSERT_EQ(0, cgroup_set(self->cg.path[0], "cgroup.procs", "0"));
	EXPECT_EQ(1, cgroup_value(self->cg.path[0], "pids.current"));
	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, NULL));
	tid = worker();
	ASSERT_LT(0, tid);
	EXPECT_TRUE(in_cgroup(tid, self->cg.path[0]));
	EXPECT_EQ(2, cgroup_value(self->cg.path[0], "pids.current"));

	/* A thread goes where its process does; a kthread stays */
	ASSERT_EQ(0, cgroup_set(self->cg.path[1], "cgroup.procs", "0"));
	EXPECT_TRUE(in_cgroup(tid, self->cg.path[has_vhost_task()]));

	vhdb_dev_destroy(&dev);
	EXPECT_TRUE(vhdb_wait_for(cgroup_value(self->cg.path[1],
					       "pids.current") == 1));
	EXPECT_EQ(0, cgroup_value(self->cg.path[0], "pids.current"));
}

/* No more threads for this owner: it is told so, and may try again */
TEST_F(worker, limit_of_the_owner)
{
	const char *lacks = cgroups_create(_metadata, &self->cg);
	int fd, ret;

	if (lacks)
		SKIP(return, "%s", lacks);
	ASSERT_EQ(0, cgroup_set(self->cg.path[0], "cgroup.procs", "0"));
	ASSERT_EQ(0, cgroup_set(self->cg.path[0], "pids.max", "1"));
	fd = vhdb_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vhdb_attach_blk(fd, self->disk.fd, NULL));
	ret = __vhdb_set_owner(fd);
	if (has_vhost_task()) {
		/* Which of them is the kernel's choice */
		EXPECT_TRUE(ret == -EAGAIN || ret == -ENOMEM) {
			TH_LOG("%d", ret);
		}
		EXPECT_EQ(0, worker());
		ASSERT_EQ(0, cgroup_set(self->cg.path[0], "pids.max", "2"));
		ret = __vhdb_set_owner(fd);
	}
	EXPECT_EQ(0, ret);
	EXPECT_LT(0, worker());
	close(fd);
	EXPECT_TRUE(vhdb_wait_for(!worker()));
}

TEST_HARNESS_MAIN
