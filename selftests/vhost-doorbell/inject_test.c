// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every copy from or to user memory fails once: what a
 * system call does for itself and what the worker does for a request.
 *
 * The life of a device, from open to close, is a list of steps, each of which fails
 * in each way that it can (lib/vhdb_inject.h). It must say so with the errno of such
 * a failure, or succeed, and leave things as they were: it is taken again, in the end
 * without a failure, and the life goes on as if nothing had happened. Memory that is
 * lost on the way is kmemleak's to find, when all tests are over; pinned pages are
 * counted here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_inject.h"
#include "lib/vhdb_mock.h"

#define DISK_SIZE	(1UL << 20)

/* ---- a life ---- */

struct life {
	struct vhdb_backing *disk;
	struct vhdb_dev dev;		/* its memory and ring are made before */
	struct vhdb_guest_mem more;	/* a second region */
	struct vhdb_vring *vr;
	struct vhdb_scratch scratch;
	int config_call;
	struct vhdb_inject inject;
};

static int step_open(struct life *life)
{
	int fd = vhdb_open();

	if (fd < 0)
		return fd;
	life->dev.fd = fd;
	vhdb_vring_clear(life->vr);
	return 0;
}

static int step_info(struct life *life)
{
	struct vhost_doorbell_info info = { .size = sizeof(info) };

	return __vhdb_get_info(life->dev.fd, &info);
}

static int step_backend_info(struct life *life)
{
	struct vhost_doorbell_backend_info info = { .size = sizeof(info) };

	snprintf((char *)info.name, sizeof(info.name), "blk");
	return __vhdb_backend_info(life->dev.fd, &info);
}

static int step_attach(struct life *life)
{
	struct vhost_doorbell_attach attach;

	vhdb_attach_init(&attach, life->disk->fd, NULL);
	return __vhdb_attach(life->dev.fd, &attach);
}

static int step_set_owner(struct life *life)
{
	return __vhdb_set_owner(life->dev.fd);
}

static int step_backend_features(struct life *life)
{
	__u64 features;
	int ret = __vhdb_get_backend_features(life->dev.fd, &features);

	return ret ? ret : __vhdb_set_backend_features(life->dev.fd, features);
}

static int step_update(struct life *life)
{
	return vhdb_mem_map(life->dev.fd, &life->dev.mem, VHOST_ACCESS_RW);
}

/* In pieces that don't merge, so that the map needs several entries */
static int step_update_more(struct life *life)
{
	return vhdb_mem_map(life->dev.fd, &life->more, VHOST_ACCESS_RO);
}

static int step_batch_begin(struct life *life)
{
	return vhdb_iotlb_batch_begin(life->dev.fd);
}

static int step_batch_end(struct life *life)
{
	return vhdb_iotlb_batch_end(life->dev.fd);
}

/* The middle of it: what is left are two entries where there was one. */
static int step_invalidate(struct life *life)
{
	return vhdb_iotlb_invalidate(life->dev.fd, life->more.iova + 4096, 4096);
}

static int step_invalidate_all(struct life *life)
{
	return vhdb_mem_unmap(life->dev.fd, &life->more);
}

static int step_negotiate(struct life *life)
{
	return vhdb_negotiate(life->dev.fd, ~0ULL, &life->dev.features);
}

static int step_vring(struct life *life)
{
	return vhdb_vring_setup(life->dev.fd, life->vr);
}

static int step_config_call(struct life *life)
{
	return __vhdb_set_config_call(life->dev.fd, life->config_call);
}

static int step_config(struct life *life)
{
	struct virtio_blk_config config;
	int ret = __vhdb_get_config(life->dev.fd, 0, sizeof(__u64), &config);

	return ret ? ret : __vhdb_set_config(life->dev.fd, 0, sizeof(__u64),
					     &config);
}

static int step_numbers(struct life *life)
{
	struct vhost_vdpa_iova_range range;
	unsigned int group;
	__u32 id, count;
	__u16 num;
	int ret;

	ret = __vhdb_get_device_id(life->dev.fd, &id);
	if (!ret)
		ret = __vhdb_get_vqs_count(life->dev.fd, &count);
	if (!ret)
		ret = __vhdb_get_vring_num(life->dev.fd, &num);
	if (!ret)
		ret = __vhdb_get_vring_group(life->dev.fd, 0, &group);
	if (!ret)
		ret = __vhdb_get_iova_range(life->dev.fd, &range);
	return ret;
}

static int step_enable(struct life *life)
{
	return __vhdb_set_vring_enable(life->dev.fd, 0, 1);
}

static int step_disable(struct life *life)
{
	int ret = __vhdb_set_vring_enable(life->dev.fd, 0, 0);

	/* It starts at index 0 again, and so does its driver. */
	if (!ret)
		vhdb_vring_clear(life->vr);
	return ret;
}

static int step_driver_ok(struct life *life)
{
	return vhdb_driver_ok(life->dev.fd);
}

static int step_stats(struct life *life)
{
	struct vhost_doorbell_stats stats;

	return vhdb_get_stats(life->dev.fd, VHOST_DOORBELL_ALL_QUEUES, &stats);
}

static int step_suspend(struct life *life)
{
	return __vhdb_suspend(life->dev.fd);
}

static int step_get_base(struct life *life)
{
	unsigned int base;

	return __vhdb_get_vring_base(life->dev.fd, 0, &base);
}

static int step_resume(struct life *life)
{
	return __vhdb_resume(life->dev.fd);
}

static int step_reset(struct life *life)
{
	int ret = vhdb_reset(life->dev.fd);

	if (!ret)
		vhdb_vring_clear(life->vr);
	return ret;
}

/* close() tells nothing, and there is no second one. */
static int step_close(struct life *life)
{
	close(life->dev.fd);
	life->dev.fd = -1;
	return 0;
}

/*
 * A request. The status byte is what a guest sees of a failure; -ENOMEM stands
 * for an I/O error here.
 */
static int request(struct life *life, __u32 type, __u64 data, __u32 len)
{
	int ret = vhdb_inject_worker(&life->inject);

	if (ret)
		return ret;
	ret = vhdb_blk_io_at(life->vr, &life->scratch, type, 8, data, len);
	vhdb_inject_worker_end(&life->inject);
	return ret == VIRTIO_BLK_S_IOERR ? -ENOMEM : ret;
}

/* Read data must be the disk's, whatever went wrong on the way. */
static int read_at(struct life *life, __u64 off, __u32 len)
{
	__u64 iova = life->scratch.iova + off;
	char *data = (char *)life->scratch.hva + off;
	char want[VHDB_SECTOR];
	int ret;

	memset(data, 0x5a, len);
	ret = request(life, VIRTIO_BLK_T_IN, iova, len);
	vhdb_pattern(want, 8, sizeof(want));
	if (!ret && memcmp(data, want, sizeof(want)))
		return -EILSEQ;
	return ret;
}

/* Where larger data lies: behind the scratch page */
#define LARGE		8192
#define LARGE_BYTES	(144U << 10)

static int step_read(struct life *life)
{
	return read_at(life, VHDB_SCRATCH_DATA, VHDB_SECTOR);
}

static int step_read_large(struct life *life)
{
	return read_at(life, LARGE, LARGE_BYTES);
}

/* Of no alignment: it takes a copy of the kernel's own */
static int step_read_bounced(struct life *life)
{
	return read_at(life, LARGE + 3, LARGE_BYTES);
}

static int step_write(struct life *life)
{
	vhdb_pattern((char *)life->scratch.hva + LARGE, 8, LARGE_BYTES);
	return request(life, VIRTIO_BLK_T_OUT, life->scratch.iova + LARGE,
		       LARGE_BYTES);
}

static int step_write_bounced(struct life *life)
{
	vhdb_pattern((char *)life->scratch.hva + LARGE + 3, 8, LARGE_BYTES);
	return request(life, VIRTIO_BLK_T_OUT, life->scratch.iova + LARGE + 3,
		       LARGE_BYTES);
}

static int step_flush(struct life *life)
{
	return request(life, VIRTIO_BLK_T_FLUSH, life->scratch.iova, 0);
}

static const struct vhdb_step steps[] = {
	VHDB_STEP("open", step_open),
	VHDB_STEP("GET_INFO", step_info),
	VHDB_STEP("BACKEND_INFO", step_backend_info),
	VHDB_STEP("ATTACH", step_attach),
	VHDB_STEP("SET_OWNER", step_set_owner),
	VHDB_STEP("BACKEND_FEATURES", step_backend_features),
	VHDB_STEP("UPDATE", step_update),
	VHDB_STEP("UPDATE", step_update_more),
	VHDB_STEP("INVALIDATE, a part", step_invalidate),
	VHDB_STEP("INVALIDATE", step_invalidate_all),
	VHDB_STEP("BATCH_BEGIN", step_batch_begin),
	VHDB_STEP("UPDATE in a batch", step_update_more),
	VHDB_STEP("INVALIDATE in a batch", step_invalidate),
	VHDB_STEP("BATCH_END", step_batch_end),
	VHDB_STEP("features, status", step_negotiate),
	VHDB_STEP("numbers", step_numbers),
	VHDB_STEP("config", step_config),
	VHDB_STEP("SET_CONFIG_CALL", step_config_call),
	VHDB_STEP("SET_VRING_*", step_vring),
	VHDB_STEP("SET_VRING_ENABLE 1", step_enable),
	VHDB_STEP("DRIVER_OK", step_driver_ok),
	VHDB_REQUEST("read", step_read),
	VHDB_REQUEST("large read", step_read_large),
	VHDB_REQUEST("bounced read", step_read_bounced),
	VHDB_REQUEST("write", step_write),
	VHDB_REQUEST("bounced write", step_write_bounced),
	VHDB_REQUEST("flush", step_flush),
	VHDB_STEP("GET_STATS", step_stats),
	VHDB_STEP("INVALIDATE, running", step_invalidate_all),
	VHDB_STEP("UPDATE, running", step_update_more),
	VHDB_STEP("BATCH_BEGIN, running", step_batch_begin),
	VHDB_STEP("INVALIDATE in a batch, running", step_invalidate),
	VHDB_STEP("BATCH_END, running", step_batch_end),
	VHDB_REQUEST("read after it", step_read),
	VHDB_STEP("SUSPEND", step_suspend),
	VHDB_STEP("GET_VRING_BASE", step_get_base),
	VHDB_STEP("RESUME", step_resume),
	VHDB_REQUEST("read, resumed", step_read),
	VHDB_STEP("SET_VRING_ENABLE 0", step_disable),
	VHDB_STEP("SET_VRING_ENABLE 1, running", step_enable),
	VHDB_REQUEST("read, enabled", step_read),
	VHDB_STEP("reset", step_reset),
	VHDB_STEP("features, status, again", step_negotiate),
	VHDB_STEP("SET_VRING_*, again", step_vring),
	VHDB_STEP("SET_VRING_ENABLE 1, again", step_enable),
	VHDB_STEP("DRIVER_OK, again", step_driver_ok),
	VHDB_REQUEST("read, again", step_read),
	VHDB_STEP("close", step_close),
};

/* What is made once and used by one life after the other */
static int life_init(struct life *life, struct vhdb_backing *disk)
{
	int ret;

	memset(life, 0, sizeof(*life));
	life->disk = disk;
	life->dev.fd = -1;
	ret = vhdb_mem_alloc(&life->dev.mem, VHDB_MEM_ANON, VHDB_IOVA_BASE,
			     VHDB_DEV_MEM_SIZE, NULL);
	if (!ret)
		ret = vhdb_mem_alloc(&life->more, VHDB_MEM_ANON,
				     VHDB_IOVA_BASE + (1ULL << 30), 64 << 10,
				     NULL);
	if (ret)
		return ret;
	life->vr = &life->dev.vring[0];
	ret = vhdb_vring_init(life->vr, 0, VHDB_QUEUE_SIZE, &life->dev.mem,
			      life->dev.mem.iova);
	if (ret)
		return ret;
	life->dev.nr_vrings = 1;
	life->dev.buf_iova = life->dev.mem.iova +
			     vhdb_vring_bytes(VHDB_QUEUE_SIZE);
	life->scratch = vhdb_dev_scratch(&life->dev, 0);
	life->config_call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return life->config_call < 0 ? -errno : vhdb_inject_init(&life->inject);
}

static void life_free(struct life *life)
{
	vhdb_inject_free(&life->inject);
	close(life->config_call);
	vhdb_mem_free(&life->more);
	vhdb_dev_destroy(&life->dev);
}

FIXTURE(inject)
{
	struct vhdb_backing disk;
	struct life life;
	long pins;
};

FIXTURE_VARIANT(inject)
{
	bool block;
};

FIXTURE_VARIANT_ADD(inject, file) { .block = false };
FIXTURE_VARIANT_ADD(inject, block) { .block = true };

FIXTURE_SETUP(inject)
{
	const char *missing = vhdb_inject_missing();

	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, variant->block ?
		     vhdb_backing_ram(&self->disk, 0) :
		     vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, life_init(&self->life, &self->disk));
	self->pins = vhdb_pins_held();
}

FIXTURE_TEARDOWN(inject)
{
	/* All of them were given back. */
	EXPECT_TRUE(vhdb_wait_for(vhdb_pins_held() == self->pins));
	life_free(&self->life);
	vhdb_backing_free(&self->disk);
}

TEST_F(inject, each_failure_of_each_step)
{
	/* It is not as if nothing could fail. */
	EXPECT_LT(0, vhdb_inject_rounds(&self->life.inject, &self->life, steps,
					ARRAY_SIZE(steps)));
}

TEST_HARNESS_MAIN
