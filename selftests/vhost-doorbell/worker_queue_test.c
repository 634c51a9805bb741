// SPDX-License-Identifier: GPL-2.0
/*
 * A worker for each queue: how many threads there are, whose, how they are named,
 * and that each serves its own queue; and what happens when one cannot be had.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/vhdb_classic.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "blk_fixture.h"

#define QUEUES		32
#define CGROUPS		"/sys/fs/cgroup"
#define PER_QUEUE	VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE

FIXTURE(workers) {
	struct vhdb_backing backing;
	struct vhdb_disk disk;
};

FIXTURE_SETUP(workers)
{
	memset(&self->disk, 0, sizeof(self->disk));
	self->disk.dev.fd = -1;
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->backing, 4 << 20));
}

FIXTURE_TEARDOWN(workers)
{
	vhdb_disk_destroy(&self->disk);
	vhdb_backing_free(&self->backing);
}

static long id_of(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return vhdb_file_value(path, "vhdb-id:\t", -1);
}

/* Tasks in @dir of /proc whose name begins with @name; the last one to @tid */
static unsigned int tasks_in(const char *dir, const char *name, pid_t *tid)
{
	char path[320], comm[32];
	DIR *proc = opendir(dir);
	struct dirent *entry;
	unsigned int n = 0;

	while (proc && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "%s/%s/comm", dir, entry->d_name);
		vhdb_read_file(path, comm, sizeof(comm));
		if (strncmp(comm, name, strlen(name)))
			continue;
		*tid = atoi(entry->d_name);
		n++;
	}
	if (proc)
		closedir(proc);
	return n;
}

/* Threads of ours, or kthreads before 6.10 */
static unsigned int tasks(const char *name, pid_t *tid)
{
	unsigned int n = tasks_in("/proc/self/task", name, tid);

	return n ? n : tasks_in("/proc", name, tid);
}

static long switches(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	if (access(path, F_OK))
		snprintf(path, sizeof(path), "/proc/%d/status", tid);
	return vhdb_file_value(path, "voluntary_ctxt_switches:", -1);
}

TEST_F(workers, one_for_each_of_32_queues)
{
	struct vhdb_opts opts = {
		.queues = QUEUES, .queue_size = 32, .flags = PER_QUEUE,
	};
	struct vhdb_disk *disk = &self->disk;
	struct vhost_doorbell_stats s;
	unsigned int i, j, rounds = 20;
	char name[32];
	pid_t tid;
	long id;

	ASSERT_EQ(0, vhdb_disk_create(disk, self->backing.fd, &opts, ALL,
				      DATA_BYTES));
	id = id_of(disk->dev.fd);
	snprintf(name, sizeof(name), "vhdb-d%ld.q", id);
	EXPECT_EQ(QUEUES, tasks(name, &tid));
	ASSERT_EQ(0, vhdb_disk_start(disk));
	for (i = 0; i < QUEUES; i++) {
		long before;

		snprintf(name, sizeof(name), "vhdb-d%ld.q%u\n", id, i);
		ASSERT_EQ(1, tasks(name, &tid));
		before = switches(tid);
		/* It is this one that works for it */
		ASSERT_EQ(OK(513), vhdb_disk_io(disk, i, T_IN, i, disk->data,
						512));
		EXPECT_TRUE(vhdb_wait_for(switches(tid) > before));
	}
	/* All at once */
	for (j = 0; j < rounds; j++) {
		struct vhdb_buf data = VHDB_IN(disk->data, 512);

		for (i = 0; i < QUEUES; i++) {
			ASSERT_EQ(0, vhdb_disk_submit(disk, i, T_IN, j, &data,
						      1, i));
			vhdb_vq_kick(&disk->q[i].vq);
		}
		for (i = 0; i < QUEUES; i++)
			ASSERT_EQ(OK(513), vhdb_disk_reap(disk, i, NULL));
	}
	for (i = 0; i < QUEUES; i++) {
		ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, i, &s));
		EXPECT_EQ(rounds + 1, s.completions);
	}
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	ASSERT_EQ(OK(513), vhdb_disk_io(disk, QUEUES - 1, T_IN, 0, disk->data,
					512));
	snprintf(name, sizeof(name), "vhdb-d%ld.q", id);
	vhdb_disk_destroy(disk);
	memset(disk, 0, sizeof(*disk));
	disk->dev.fd = -1;
	EXPECT_TRUE(vhdb_wait_for(!tasks(name, &tid)));
}

/* More of them by NEW_WORKER, in the classic dialect, and none that is in use */
TEST_F(workers, others_besides)
{
	struct vhdb_opts opts = {
		.queues = 2, .flags = PER_QUEUE,
		.dialect = VHOST_DOORBELL_DIALECT_CLASSIC,
	};
	struct vhost_vring_state state = { .index = 1 };
	unsigned int id, more;
	char name[32];
	pid_t tid;
	int fd = vhdb_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vhdb_attach_blk(fd, self->backing.fd, &opts));
	ASSERT_EQ(0, __vhdb_set_owner(fd));
	ASSERT_EQ(0, __vhdb_ioctl(fd, VHOST_GET_VRING_WORKER, &state));
	EXPECT_EQ(1, state.num);
	ASSERT_EQ(0, __vhdb_ioctl(fd, VHOST_NEW_WORKER, &id));
	EXPECT_EQ(2, id);
	EXPECT_EQ(-ENOSPC, __vhdb_ioctl(fd, VHOST_NEW_WORKER, &more));
	EXPECT_EQ(-EBUSY, __vhdb_ioctl(fd, VHOST_FREE_WORKER, &state.num));
	state.num = id;
	ASSERT_EQ(0, __vhdb_ioctl(fd, VHOST_ATTACH_VRING_WORKER, &state));
	more = 1;
	EXPECT_EQ(0, __vhdb_ioctl(fd, VHOST_FREE_WORKER, &more));
	/* Another owner's life begins with one for each again */
	ASSERT_EQ(0, __vhdb_ioctl(fd, VHOST_RESET_OWNER, NULL));
	snprintf(name, sizeof(name), "vhdb-d%ld.q", id_of(fd));
	EXPECT_TRUE(vhdb_wait_for(!tasks(name, &tid)));
	ASSERT_EQ(0, __vhdb_set_owner(fd));
	EXPECT_EQ(2, tasks(name, &tid));
	close(fd);
}

/* Some of them may be had, but not all: then there is none, and it tries again */
TEST_F(workers, limit_of_the_owner)
{
	struct vhdb_opts opts = { .queues = 4, .flags = PER_QUEUE };
	char cgroup[64], path[96], name[32];
	int fd = vhdb_open(), ret;
	bool threads;
	pid_t tid;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vhdb_attach_blk(fd, self->backing.fd, &opts));
	snprintf(name, sizeof(name), "vhdb-d%ld.q", id_of(fd));
	vhdb_write_file(CGROUPS "/cgroup.subtree_control", "+pids");
	snprintf(cgroup, sizeof(cgroup), CGROUPS "/vhdb-%d", getpid());
	ASSERT_EQ(0, mkdir(cgroup, 0755));
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	ASSERT_EQ(0, vhdb_write_file(path, "0"));
	snprintf(path, sizeof(path), "%s/pids.max", cgroup);
	ASSERT_EQ(0, vhdb_write_file(path, "3"));
	ret = __vhdb_set_owner(fd);
	/* Before 6.10 they are kthreads, which are not counted */
	threads = ret != 0;
	if (threads) {
		EXPECT_TRUE(ret == -EAGAIN || ret == -ENOMEM);
		EXPECT_TRUE(vhdb_wait_for(!tasks(name, &tid)));
		ASSERT_EQ(0, vhdb_write_file(path, "5"));
		EXPECT_TRUE(vhdb_wait_for(!__vhdb_set_owner(fd)));
	}
	EXPECT_EQ(4, tasks(name, &tid));
	EXPECT_EQ(threads, !!tasks_in("/proc/self/task", name, &tid));
	close(fd);
	EXPECT_TRUE(vhdb_wait_for(!tasks(name, &tid)));
	EXPECT_EQ(0, vhdb_write_file(CGROUPS "/cgroup.procs", "0"));
	EXPECT_TRUE(vhdb_wait_for(!rmdir(cgroup)));
}

TEST_HARNESS_MAIN
