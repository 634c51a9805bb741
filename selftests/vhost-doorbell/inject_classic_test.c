// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every copy from or to user memory in the life of a device of
 * the classic dialect fails once, as in inject_test.c: of a disk whose memory is a
 * table, and of a copy engine that has an IOTLB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_classic.h"
#include "lib/vhdb_inject.h"

#define PAGE		VHDB_CLASSIC_PAGE
#define DATA		(16 * PAGE)
#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_PLATFORM	VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM)
#define MSG_V2		VHDB_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2)
#define IOTLB_BATCH	VHDB_BIT(VHOST_BACKEND_F_IOTLB_BATCH)

struct life {
	struct vhdb_inject inject;
	struct vhdb_classic c;		/* its memory and rings are made before */
	struct vhdb_backing disk;	/* .fd -1: a copy device */
	int event;
	__u32 worker;
	unsigned int base;		/* of queue 0 */
	unsigned int asked;		/* questions that were read */
};

static int step_open(struct life *life)
{
	int fd = vhdb_open();

	if (fd < 0)
		return fd;
	life->c.fd = fd;
	/* Where there is no question, read() says so. */
	return fcntl(fd, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static int step_attach(struct life *life)
{
	return vhdb_classic_attach(life->c.fd, life->c.queues, life->disk.fd);
}

static int step_set_owner(struct life *life)
{
	return __vhdb_set_owner(life->c.fd);
}

static int step_backend_features(struct life *life)
{
	return __vhdb_set_backend_features(life->c.fd, MSG_V2 | IOTLB_BATCH);
}

static int step_table(struct life *life)
{
	return vhdb_classic_table(&life->c);
}

static int step_log_base(struct life *life)
{
	return __vhdb_set_log_base(life->c.fd, life->c.log);
}

static int step_log_fd(struct life *life)
{
	return __vhdb_ioctl(life->c.fd, VHOST_SET_LOG_FD, &life->event);
}

static int step_config_call(struct life *life)
{
	return __vhdb_ioctl(life->c.fd, VHOST_DOORBELL_SET_CONFIG_CALL,
			    &life->event);
}

static int step_features(struct life *life)
{
	return __vhdb_set_features(life->c.fd, life->c.features);
}

static int step_features_array(struct life *life)
{
	struct {
		struct vhost_features_array head;
		__u64 word[2];
	} array = { .head.count = 2, .word[0] = life->c.features };

	return __vhdb_ioctl(life->c.fd, VHOST_SET_FEATURES_ARRAY, &array);
}

static int step_vrings(struct life *life)
{
	return vhdb_classic_setup_queues(&life->c);
}

static int step_start(struct life *life)
{
	return __vhdb_start(life->c.fd);
}

static int step_stop(struct life *life)
{
	return __vhdb_stop(life->c.fd);
}

/* Where the ring of a queue stands, which is stopped by it */
static int step_get_base(struct life *life)
{
	struct vhdb_vq *vq = &life->c.q[0].vq;
	int ret = __vhdb_get_vring_base(life->c.fd, 0, &life->base);

	if (ret)
		return ret;
	return life->base == vq->ops->base(vq->ops->used_pos(vq)) ? 0 : -EILSEQ;
}

static int step_vring_at_base(struct life *life)
{
	return vhdb_classic_setup_queue(&life->c, 0, life->base);
}

/* As vhost_dev_set_log() of QEMU does it, on a device that runs */
static int log_all(struct life *life, bool on)
{
	int ret = vhdb_classic_log_all(&life->c, on);

	return ret ? ret : vhdb_classic_log_ring(&life->c, 0, on);
}

static int step_log_on(struct life *life)
{
	return log_all(life, true);
}

static int step_log_off(struct life *life)
{
	return log_all(life, false);
}

static int step_new_worker(struct life *life)
{
	return __vhdb_ioctl(life->c.fd, VHOST_NEW_WORKER, &life->worker);
}

static int attach_worker(struct life *life, __u32 worker)
{
	struct vhost_vring_state state = { .index = 0, .num = worker };

	return __vhdb_ioctl(life->c.fd, VHOST_ATTACH_VRING_WORKER, &state);
}

static int step_attach_worker(struct life *life)
{
	return attach_worker(life, life->worker);
}

static int step_attach_first(struct life *life)
{
	return attach_worker(life, 0);
}

static int step_get_worker(struct life *life)
{
	struct vhost_vring_state state = { .index = 0 };
	int ret = __vhdb_ioctl(life->c.fd, VHOST_GET_VRING_WORKER, &state);

	return ret ? ret : state.num == life->worker ? 0 : -EILSEQ;
}

static int step_free_worker(struct life *life)
{
	return __vhdb_ioctl(life->c.fd, VHOST_FREE_WORKER, &life->worker);
}

/*
 * The rings are pinned where the map leads. What goes wrong with that is no error of
 * the message: the queue stands still, its error eventfd is signalled, and the next
 * message has it try again.
 */
static int told(struct life *life, int ret)
{
	bool error = false;
	unsigned int i;

	for (i = 0; i < life->c.queues; i++)
		error |= vhdb_eventfd_take(life->c.q[i].vring.err) != 0;
	return ret ? ret : error ? -ENOMEM : 0;
}

/* Each queue that was started has asked where its ring is. */
static int step_miss(struct life *life)
{
	struct vhost_msg_v2 msg;

	for (; life->asked < life->c.queues; life->asked++) {
		ssize_t n = read(life->c.fd, &msg, sizeof(msg));

		if (n < 0)
			return -errno;
		if (n != sizeof(msg) || msg.iotlb.type != VHOST_IOTLB_MISS)
			return -EPROTO;
	}
	life->asked = 0;
	return 0;
}

static int step_map(struct life *life)
{
	const struct vhdb_classic *c = &life->c;

	return told(life, vhdb_iotlb_update(c->fd, c->mem.iova +
					    VHDB_CLASSIC_IOVA, c->mem.size,
					    c->mem.hva, VHOST_ACCESS_RW));
}

static int step_unmap(struct life *life)
{
	const struct vhdb_classic *c = &life->c;

	return vhdb_iotlb_invalidate(c->fd, c->mem.iova + VHDB_CLASSIC_IOVA,
				     c->mem.size);
}

/* The last page of the data: what is left is another entry */
static int step_unmap_page(struct life *life)
{
	const struct vhdb_classic *c = &life->c;

	return vhdb_iotlb_invalidate(c->fd, c->data + VHDB_CLASSIC_IOVA + DATA -
				     PAGE, PAGE);
}

static int step_batch_begin(struct life *life)
{
	return vhdb_iotlb_batch_begin(life->c.fd);
}

static int step_batch_end(struct life *life)
{
	return told(life, vhdb_iotlb_batch_end(life->c.fd));
}

/* The status of what its back end could not do; of memory that is there */
static bool is_failure(const struct life *life, int status)
{
	if (life->c.blk)
		return status == VIRTIO_BLK_S_IOERR;
	/* The answer itself may be what could not be written. */
	return status == VHOST_DOORBELL_COPY_S_SRC_UNMAPPED ||
	       status == VHOST_DOORBELL_COPY_S_DST_UNMAPPED ||
	       status == (int)VHOST_DOORBELL_COPY_S_NONE;
}

static int request(struct life *life)
{
	struct vhdb_classic *c = &life->c;
	int ret = vhdb_inject_worker(&life->inject);

	if (ret)
		return ret;
	memset(vhdb_classic_ptr(c, c->data), 0x5a, PAGE);
	ret = vhdb_classic_do(c, 0, c->data, PAGE, 8);
	vhdb_inject_worker_end(&life->inject);
	return is_failure(life, ret) ? -ENOMEM : ret;
}

/* What was written is logged, or the owner is told that it could not be. */
static int request_logged(struct life *life)
{
	struct vhdb_classic *c = &life->c;
	bool logged, said;
	int ret;

	vhdb_classic_log_clear(c);
	vhdb_eventfd_take(c->q[0].vring.err);
	ret = request(life);
	logged = vhdb_classic_logged(c, c->data);
	said = vhdb_eventfd_take(c->q[0].vring.err);
	return ret ? ret : logged || said ? 0 : -EILSEQ;
}

/* With more workers than one: none of them fails. */
static int request_without(struct life *life)
{
	life->inject.worker_nth = 0;
	return request(life);
}

/* close() tells nothing, and there is no second one. */
static int step_close(struct life *life)
{
	close(life->c.fd);
	life->c.fd = -1;
	return 0;
}

static const struct vhdb_step table_steps[] = {
	VHDB_STEP("open", step_open),
	VHDB_STEP("ATTACH", step_attach),
	VHDB_STEP("SET_OWNER", step_set_owner),
	VHDB_STEP("SET_MEM_TABLE", step_table),
	VHDB_STEP("SET_LOG_BASE", step_log_base),
	VHDB_STEP("SET_LOG_FD", step_log_fd),
	VHDB_STEP("SET_CONFIG_CALL", step_config_call),
	VHDB_STEP("SET_FEATURES", step_features),
	VHDB_STEP("SET_FEATURES_ARRAY", step_features_array),
	VHDB_STEP("SET_VRING_*", step_vrings),
	VHDB_STEP("START", step_start),
	VHDB_REQUEST("request", request),
	VHDB_STEP("SET_MEM_TABLE, running", step_table),
	VHDB_STEP("log on", step_log_on),
	VHDB_STEP("SET_LOG_BASE, running", step_log_base),
	VHDB_REQUEST("request, logged", request_logged),
	VHDB_STEP("log off", step_log_off),
	VHDB_STEP("NEW_WORKER", step_new_worker),
	VHDB_STEP("ATTACH_VRING_WORKER", step_attach_worker),
	VHDB_STEP("GET_VRING_WORKER", step_get_worker),
	VHDB_REQUEST("request of another worker", request_without),
	VHDB_STEP("ATTACH_VRING_WORKER, back", step_attach_first),
	VHDB_STEP("FREE_WORKER", step_free_worker),
	VHDB_REQUEST("request of the first worker", request),
	VHDB_STEP("GET_VRING_BASE", step_get_base),
	VHDB_STEP("SET_VRING_*, again", step_vring_at_base),
	VHDB_STEP("START, again", step_start),
	VHDB_REQUEST("request, again", request),
	VHDB_STEP("STOP", step_stop),
	VHDB_STEP("START after STOP", step_start),
	VHDB_REQUEST("request after STOP", request),
	VHDB_STEP("close", step_close),
};

static const struct vhdb_step iotlb_steps[] = {
	VHDB_STEP("open", step_open),
	VHDB_STEP("ATTACH", step_attach),
	VHDB_STEP("SET_OWNER", step_set_owner),
	VHDB_STEP("SET_BACKEND_FEATURES", step_backend_features),
	VHDB_STEP("SET_MEM_TABLE", step_table),
	VHDB_STEP("SET_FEATURES", step_features),
	VHDB_STEP("SET_VRING_*", step_vrings),
	VHDB_STEP("START, not mapped", step_start),
	VHDB_STEP("MISS", step_miss),
	VHDB_STEP("UPDATE", step_map),
	VHDB_REQUEST("request", request),
	VHDB_STEP("SET_MEM_TABLE, running", step_table),
	VHDB_STEP("INVALIDATE, a part", step_unmap_page),
	VHDB_REQUEST("request beside it", request),
	VHDB_STEP("INVALIDATE", step_unmap),
	VHDB_STEP("UPDATE, running", step_map),
	VHDB_REQUEST("request after it", request),
	VHDB_STEP("BATCH_BEGIN", step_batch_begin),
	VHDB_STEP("INVALIDATE in a batch", step_unmap_page),
	VHDB_STEP("BATCH_END", step_batch_end),
	VHDB_REQUEST("request after a batch", request),
	VHDB_STEP("STOP", step_stop),
	VHDB_STEP("START", step_start),
	VHDB_REQUEST("request, started again", request),
	VHDB_STEP("close", step_close),
};

FIXTURE(inject)
{
	struct life life;
	long pins;
};

FIXTURE_VARIANT(inject)
{
	__u64 features;
	bool blk;
	const struct vhdb_step *steps;
	unsigned int nr;
};

FIXTURE_VARIANT_ADD(inject, classic_blk)
{
	.features = F_EVENT,
	.blk = true,
	.steps = table_steps,
	.nr = ARRAY_SIZE(table_steps),
};

FIXTURE_VARIANT_ADD(inject, classic_copy_iotlb)
{
	.features = F_PACKED | F_PLATFORM,
	.steps = iotlb_steps,
	.nr = ARRAY_SIZE(iotlb_steps),
};

FIXTURE_SETUP(inject)
{
	struct life *life = &self->life;
	const char *missing = vhdb_inject_missing();

	if (missing)
		SKIP(return, "%s", missing);
	life->disk.fd = -1;
	if (variant->blk)
		ASSERT_EQ(0, vhdb_backing_memfd(&life->disk, 1 << 20));
	ASSERT_EQ(0, vhdb_classic_init(&life->c, -1, 2, variant->features, DATA));
	life->c.blk = variant->blk;
	life->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, life->event);
	ASSERT_EQ(0, vhdb_inject_init(&life->inject));
	self->pins = vhdb_pins_held();
}

FIXTURE_TEARDOWN(inject)
{
	vhdb_classic_destroy(&self->life.c);
	/* All of them were given back. */
	EXPECT_TRUE(vhdb_wait_for(vhdb_pins_held() == self->pins));
	vhdb_inject_free(&self->life.inject);
	close(self->life.event);
	if (variant->blk)
		vhdb_backing_free(&self->life.disk);
}

TEST_F(inject, each_failure_of_each_step)
{
	/* It is not as if nothing could fail. */
	EXPECT_LT(0, vhdb_inject_rounds(&self->life.inject, &self->life,
					variant->steps, variant->nr));
}

TEST_HARNESS_MAIN
