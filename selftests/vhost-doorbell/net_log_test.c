// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of a network device: a copy of the guest's memory that is kept up to
 * date by nothing but the log, while frames come and go.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <linux/vhost.h>

#include "kselftest_harness.h"
#include "lib/vhdb_migration.h"
#include "lib/vhdb_nic.h"

#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_MRG		VHDB_BIT(VIRTIO_NET_F_MRG_RXBUF)

/* Buffers that the guest gives, and frames that come before it stands still */
#define GIVEN		60
#define ROUNDS		12
#define FRAME		1400

FIXTURE(net_log)
{
	struct vhdb_nic nic;
	int fd;
};

FIXTURE_VARIANT(net_log)
{
	__u64 features;
	size_t rx_bytes;
	unsigned int buffers;		/* that a frame takes */
};

FIXTURE_VARIANT_ADD(net_log, split)
{
	.features = F_EVENT,
	.rx_bytes = 1536,
	.buffers = 1,
};

FIXTURE_VARIANT_ADD(net_log, split_mergeable)
{
	.features = F_MRG,
	.rx_bytes = 512,
	.buffers = 3,
};

FIXTURE_VARIANT_ADD(net_log, packed)
{
	.features = F_PACKED,
	.rx_bytes = 1536,
	.buffers = 1,
};

FIXTURE_VARIANT_ADD(net_log, packed_mergeable)
{
	.features = F_PACKED | F_EVENT | F_MRG,
	.rx_bytes = 512,
	.buffers = 3,
};

FIXTURE_SETUP(net_log)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_nic_create(&self->nic, variant->features,
				     variant->rx_bytes));
	self->fd = self->nic.c.fd;
	ASSERT_EQ(0, __vhdb_set_log_base(self->fd, self->nic.c.log));
}

FIXTURE_TEARDOWN(net_log)
{
	vhdb_nic_destroy(&self->nic);
}

static int stop(struct vhdb_nic *nic)
{
	int ret = __vhdb_net_set_backend(nic->c.fd, VHDB_NIC_RX, -1);

	return ret ? ret : __vhdb_net_set_backend(nic->c.fd, VHDB_NIC_TX, -1);
}

/* As vhost_dev_set_log() of QEMU does it, on a device that runs */
static int log_on(struct vhdb_classic *c)
{
	int ret = vhdb_classic_log_all(c, true);
	unsigned int i;

	for (i = 0; !ret && i < c->queues; i++)
		ret = vhdb_classic_log_ring(c, i, true);
	return ret;
}

/* @nr receive buffers are used: 0 or -errno. They are not given again. */
static int wait_used(struct vhdb_nic *nic, unsigned int nr)
{
	struct vhdb_vq *vq = &nic->c.q[VHDB_NIC_RX].vq;
	__u64 slot;
	__u32 used;
	int ret = 0;

	while (!ret && nr--) {
		ret = vhdb_vq_wait(vq);
		if (!ret)
			ret = vhdb_vq_get(vq, &slot, &used) == 1 ? 0 : -EAGAIN;
		if (!ret)
			nic->c.q[VHDB_NIC_RX].busy[slot] = false;
	}
	return ret;
}

/* What a device writes of a ring, but not of one that its driver still writes */
static bool same_ring(const struct vhdb_migration *m, unsigned int queue)
{
	const struct vhdb_vring *vr = &m->c->q[queue].vring;
	bool packed = m->c->features & F_PACKED;

	if (!vhdb_migration_same(m, vr->used_iova,
				 packed ? 4 : 6 + 8 * VHDB_CLASSIC_NUM))
		return false;
	return !packed || queue != VHDB_NIC_RX ||
	       vhdb_migration_same(m, vr->desc_iova, 16 * VHDB_CLASSIC_NUM);
}

/*
 * Each round, the guest gives its buffers, the migration begins, and frames come in,
 * of which the last may be on their way when the device is stopped.
 */
TEST_F(net_log, migration_under_load)
{
	unsigned int frames = GIVEN / variant->buffers, round, i;
	struct vhdb_nic *nic = &self->nic;
	struct vhdb_classic *c = &nic->c;

	srand(1);
	for (round = 0; round < ROUNDS; round++) {
		struct vhdb_migration m = { .c = c };
		pthread_t thread;

		m.copy = malloc(c->mem.size);
		ASSERT_NE(NULL, m.copy);
		ASSERT_EQ(0, vhdb_nic_give(nic, GIVEN));
		ASSERT_EQ(0, log_on(c));
		vhdb_classic_log_clear(c);
		memcpy(m.copy, c->mem.hva, c->mem.size);
		ASSERT_EQ(0, pthread_create(&thread, NULL, vhdb_migrate, &m));
		for (i = 0; i < frames; i++) {
			vhdb_frame(nic->frame, FRAME, rand());
			ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame,
						    FRAME));
			if (!(i % 8))
				ASSERT_EQ(0, vhdb_nic_send(nic, NULL,
							   nic->frame, FRAME));
		}
		/* Of half of the rounds, the end is not waited for */
		if (round % 2)
			EXPECT_EQ(0, wait_used(nic, frames * variant->buffers));
		EXPECT_EQ(0, stop(nic));
		atomic_store(&m.stop, true);
		pthread_join(thread, NULL);
		vhdb_migration_pass(&m);

		EXPECT_TRUE(vhdb_migration_same(&m, nic->rx_data,
						VHDB_CLASSIC_NUM * nic->rx_bytes));
		EXPECT_TRUE(same_ring(&m, VHDB_NIC_RX));
		EXPECT_TRUE(same_ring(&m, VHDB_NIC_TX));
		/* It was the log that made them so, and of no more than there is */
		if (round % 2)
			EXPECT_LE(GIVEN * nic->rx_bytes / VHDB_CLASSIC_PAGE,
				  m.pages);
		EXPECT_FALSE(vhdb_migration_same(&m, nic->tx_data, FRAME));
		free(m.copy);
		ASSERT_EQ(0, vhdb_nic_start(nic));
		memset(c->q[VHDB_NIC_RX].busy, 0, sizeof(c->q[0].busy));
	}
}

/* Without LOG_ALL nothing is noted; with it, each buffer that was written */
TEST_F(net_log, on_and_off)
{
	struct vhdb_nic *nic = &self->nic;
	struct vhdb_classic *c = &nic->c;
	struct virtio_net_hdr_mrg_rxbuf hdr;

	ASSERT_EQ(0, vhdb_nic_give(nic, GIVEN));
	vhdb_frame(nic->frame, FRAME, 1);
	ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, FRAME));
	ASSERT_EQ(FRAME, vhdb_nic_recv(nic, &hdr, nic->got,
				       VHDB_NIC_FRAME_MAX));
	EXPECT_EQ(0, vhdb_classic_log_count(c));

	ASSERT_EQ(0, vhdb_classic_log_all(c, true));
	ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, FRAME));
	ASSERT_EQ(FRAME, vhdb_nic_recv(nic, &hdr, nic->got,
				       VHDB_NIC_FRAME_MAX));
	/* The next of the buffers, in their order */
	EXPECT_TRUE(vhdb_classic_logged(c, nic->rx_data + variant->buffers *
					nic->rx_bytes));
	/* The guest's are read only */
	vhdb_classic_log_clear(c);
	ASSERT_EQ(0, vhdb_nic_send(nic, NULL, nic->frame, FRAME));
	EXPECT_EQ(0, vhdb_classic_log_count(c));
}

TEST_HARNESS_MAIN
