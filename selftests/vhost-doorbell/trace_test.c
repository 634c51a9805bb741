// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: each appears when what it is named after happens, with the ids
 * and indices of it, and none appears without.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "trace_log.h"

#define DISK_SIZE	0x100000

FIXTURE(trace)
{
	struct vhdb_backing disk;
	struct vhdb_dev dev;
	char log[TRACE_LOG];
};

FIXTURE_SETUP(trace)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, vhdb_dev_create(&self->dev, self->disk.fd, NULL));
	ASSERT_EQ(0, trace_start());
}

FIXTURE_TEARDOWN(trace)
{
	EXPECT_EQ(0, trace_end());
	vhdb_dev_destroy(&self->dev);
	vhdb_backing_free(&self->disk);
}

TEST_F(trace, a_request)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	/* A file's request ends on a workqueue, which may still be signalling */
	EXPECT_TRUE(vhdb_wait_for(trace_count(self->log, "vhdb_call: ") == 1));
	EXPECT_EQ(1, trace_count(self->log, "vhdb_kick: "));
	EXPECT_LE(1, trace_count(self->log, "vhdb_run: "));
	EXPECT_EQ(1, trace_count(self->log, "vhdb_pop: "));
	EXPECT_EQ(1, trace_count(self->log, "vhdb_complete: "));
	/* header; one sector and the status */
	EXPECT_EQ(1, trace_count(self->log, " queue=0 id=0 out=1 in=2"));
	EXPECT_EQ(1, trace_count(self->log, " queue=0 id=0 len=513"));
	EXPECT_EQ(0, trace_count(self->log, "vhdb_pause: "));
	EXPECT_EQ(0, trace_count(self->log, "vhdb_broken: "));
}

TEST_F(trace, a_pause)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_mem_unmap(self->dev.fd, &self->dev.mem));
	EXPECT_EQ(1, trace_count(self->log, "vhdb_pause: "));
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
	EXPECT_TRUE(vhdb_wait_for(trace_count(self->log, "vhdb_broken: ") == 1));
	snprintf(reason, sizeof(reason), " queue=0 reason=%d", -ERANGE);
	EXPECT_EQ(1, trace_count(self->log, reason));
}

TEST_HARNESS_MAIN
