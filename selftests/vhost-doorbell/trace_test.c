// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: each appears when what it is named after happens, with the ids
 * and indices of it, and none appears without.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"

#define DISK_SIZE	0x100000
/* An instance of our own, so that nobody else's tracing is disturbed. */
#define INSTANCE	"/sys/kernel/tracing/instances/vhdb-test"

FIXTURE(trace)
{
	struct vhdb_backing disk;
	struct vhdb_dev dev;
	char log[65536];
};

static int put(const char *file, const char *text)
{
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), INSTANCE "/%s", file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* How many lines of the trace have @text in them? */
static unsigned int count(char log[65536], const char *text)
{
	int fd = open(INSTANCE "/trace", O_RDONLY);
	unsigned int n = 0;
	ssize_t got, len = 0;
	char *at;

	while (len < 65535 && (got = read(fd, log + len, 65535 - len)) > 0)
		len += got;
	close(fd);
	log[len] = 0;
	for (at = log; (at = strstr(at, text)); at++)
		n++;
	return n;
}

FIXTURE_SETUP(trace)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, vhdb_dev_create(&self->dev, self->disk.fd, NULL));
	ASSERT_TRUE(!mkdir(INSTANCE, 0700) || errno == EEXIST);
	ASSERT_EQ(0, put("trace", ""));
	ASSERT_EQ(0, put("events/vhost_doorbell/enable", "1"));
}

FIXTURE_TEARDOWN(trace)
{
	EXPECT_EQ(0, put("events/vhost_doorbell/enable", "0"));
	EXPECT_EQ(0, rmdir(INSTANCE));
	vhdb_dev_destroy(&self->dev);
	vhdb_backing_free(&self->disk);
}

TEST_F(trace, a_request)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	/* A file's request ends on a workqueue, which may still be signalling */
	EXPECT_TRUE(vhdb_wait_for(count(self->log, "vhdb_call: ") == 1));
	EXPECT_EQ(1, count(self->log, "vhdb_kick: "));
	EXPECT_LE(1, count(self->log, "vhdb_run: "));
	EXPECT_EQ(1, count(self->log, "vhdb_pop: "));
	EXPECT_EQ(1, count(self->log, "vhdb_complete: "));
	/* header; one sector and the status */
	EXPECT_EQ(1, count(self->log, " queue=0 id=0 out=1 in=2"));
	EXPECT_EQ(1, count(self->log, " queue=0 id=0 len=513"));
	EXPECT_EQ(0, count(self->log, "vhdb_pause: "));
	EXPECT_EQ(0, count(self->log, "vhdb_broken: "));
}

TEST_F(trace, a_pause)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_mem_unmap(self->dev.fd, &self->dev.mem));
	EXPECT_EQ(1, count(self->log, "vhdb_pause: "));
	ASSERT_EQ(0, vhdb_mem_map(self->dev.fd, &self->dev.mem,
				  VHOST_ACCESS_RW));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_F(trace, a_broken_queue)
{
	struct vhdb_vring *vr = &self->dev.vring[0];
	char reason[32];

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	/* A head beyond the ring */
	vr->avail->ring[0] = htole16(VHDB_QUEUE_SIZE);
	__atomic_store_n(&vr->avail->idx, htole16(1), __ATOMIC_RELEASE);
	ASSERT_EQ(0, vhdb_vring_kick(vr));
	EXPECT_TRUE(vhdb_wait_for(count(self->log, "vhdb_broken: ") == 1));
	snprintf(reason, sizeof(reason), " queue=0 reason=%d", -ERANGE);
	EXPECT_EQ(1, count(self->log, reason));
}

TEST_HARNESS_MAIN
