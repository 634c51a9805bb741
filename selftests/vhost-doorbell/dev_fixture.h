/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device with a small disk and its ring, owned, its memory mapped, not
 * started; and a region of memory that it does not know of. Whatever a test does
 * to it, afterwards it is brought up anew and serves a read. To be included
 * behind the harness, once.
 */
#ifndef DEV_FIXTURE_H
#define DEV_FIXTURE_H

#include "lib/vhdb_dev.h"

#define DISK_SIZE	0x100000
#define PAGE		4096UL

/* A region for data, apart from the one with the rings */
#define SIDE_IOVA	0x300000000ULL
#define SIDE_SIZE	0x40000UL

FIXTURE(dev)
{
	struct vhdb_backing disk;
	struct vhdb_dev dev;
	struct vhdb_guest_mem side;	/* not mapped at first */
	struct vhdb_vring *vr;
	struct vhdb_scratch scratch;
	int fd;
};

FIXTURE_SETUP(dev)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, vhdb_dev_create(&self->dev, self->disk.fd, NULL));
	ASSERT_EQ(0, vhdb_mem_alloc(&self->side, VHDB_MEM_ANON, SIDE_IOVA,
				    SIDE_SIZE, NULL));
	self->vr = &self->dev.vring[0];
	self->scratch = vhdb_dev_scratch(&self->dev, 0);
	self->fd = self->dev.fd;
}

FIXTURE_TEARDOWN(dev)
{
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
	vhdb_dev_destroy(&self->dev);
	vhdb_mem_free(&self->side);
	vhdb_backing_free(&self->disk);
}

#endif /* DEV_FIXTURE_H */
