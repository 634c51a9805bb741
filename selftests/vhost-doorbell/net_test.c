// SPDX-License-Identifier: GPL-2.0
/*
 * A network device on a real tap: frames both ways, of every length that lies at
 * a boundary, in both layouts of rings, with and without mergeable buffers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <linux/if_tun.h>

#include "kselftest_harness.h"
#include "lib/vhdb_nic.h"

#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_MRG		VHDB_BIT(VIRTIO_NET_F_MRG_RXBUF)

/* The shortest and the longest, around what lies in one page and in one buffer */
static const unsigned int sizes[] = {
	14, 15, 59, 60, 61, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512,
	513, 1023, 1024, 1025, 1500, 1513, 1514, 1515, 1518, 2035, 2036, 2037,
	2047, 2048, 2049, 3071, 3500, 3580, 3600, 3648, 3649, 3700, 3776, 3777,
	4083, 4084, 4085, 4095, 4096, 4097, 8191, 8192, 8193, 8999, 9000, 9001,
	9014, 16384, 32767, 65535,
};

FIXTURE(net)
{
	struct vhdb_nic nic;
	int fd;
};

FIXTURE_VARIANT(net)
{
	__u64 features;
	size_t rx_bytes;
};

FIXTURE_VARIANT_ADD(net, split)
{
	.features = F_EVENT,
	.rx_bytes = 65535 + VHDB_NIC_HDR,
};

FIXTURE_VARIANT_ADD(net, split_mergeable)
{
	.features = F_MRG,
	.rx_bytes = 2048,
};

FIXTURE_VARIANT_ADD(net, packed)
{
	.features = F_PACKED,
	.rx_bytes = 65535 + VHDB_NIC_HDR,
};

FIXTURE_VARIANT_ADD(net, packed_mergeable)
{
	.features = F_PACKED | F_EVENT | F_MRG,
	.rx_bytes = 1536,
};

FIXTURE_SETUP(net)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_nic_create(&self->nic, variant->features,
				     variant->rx_bytes));
	self->fd = self->nic.c.fd;
	/* A slot of the ring is free, for those who want to give one more */
	ASSERT_EQ(0, vhdb_nic_give(&self->nic, VHDB_CLASSIC_NUM - 1));
}

FIXTURE_TEARDOWN(net)
{
	vhdb_nic_destroy(&self->nic);
}

/* One frame to the guest: 0, or what is wrong */
static int to_guest(struct vhdb_nic *nic, unsigned int len, __u32 seed)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	int ret = vhdb_nic_to_guest(nic, &hdr, len, seed);

	return !ret && (hdr.hdr.flags || hdr.hdr.gso_type) ? -EPROTO : ret;
}

TEST_F(net, receives)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(0, to_guest(&self->nic, sizes[i], i)) {
			TH_LOG("%u bytes", sizes[i]);
		}
}

TEST_F(net, transmits)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(0, vhdb_nic_to_host(&self->nic, sizes[i], i, 1, 0)) {
			TH_LOG("%u bytes", sizes[i]);
		}
}

/* The header alone, a part of it, with some of the frame: all the same */
TEST_F(net, transmits_in_pieces)
{
	static const size_t first[] = { 12, 1, 10, 11, 13, 26, 40, 512 };
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(first); i++)
		for (n = 2; n < 40; n = n * 2 + 1) {
			EXPECT_EQ(0, vhdb_nic_to_host(&self->nic, 1514, i, n,
						      first[i]));
			EXPECT_EQ(0, vhdb_nic_to_host(&self->nic, 9000, i, n,
						      first[i]));
		}
}

TEST_F(net, receives_in_pieces)
{
	unsigned int i, n;

	for (n = 2; n < 12; n++) {
		/* Once around: until then, buffers of the old form come back */
		self->nic.rx_pieces = n;
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 0, -1));
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
		ASSERT_EQ(0, vhdb_nic_start(&self->nic));
		ASSERT_EQ(0, vhdb_nic_give(&self->nic, VHDB_CLASSIC_NUM / n));
		for (i = 0; i < 20; i++)
			EXPECT_EQ(0, to_guest(&self->nic, sizes[i * 2], i)) {
				TH_LOG("%u bytes in %u", sizes[i * 2], n);
			}
	}
}

/* Many that are there at once, in their order, with one kick for all */
TEST_F(net, transmits_a_batch)
{
	unsigned int round, i;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < VHDB_CLASSIC_NUM; i++) {
			unsigned int len = 60 + i * 31;

			vhdb_frame(self->nic.frame, len, round + i);
			ASSERT_EQ(0, vhdb_nic_queue(&self->nic, i, self->nic.frame,
						    len));
		}
		vhdb_vq_kick(&self->nic.c.q[VHDB_NIC_TX].vq);
		for (i = 0; i < VHDB_CLASSIC_NUM; i++) {
			int len = vhdb_host_recv(&self->nic.tap, self->nic.got,
						 VHDB_NIC_FRAME_MAX);

			ASSERT_EQ(60 + i * 31, len);
			ASSERT_TRUE(vhdb_frame_right(self->nic.got, len, round + i));
			ASSERT_EQ(0, vhdb_nic_reap(&self->nic));
		}
	}
}

TEST_F(net, receives_a_batch)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned int round, i;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < 100; i++) {
			vhdb_frame(self->nic.frame, 60 + i * 13, round + i);
			ASSERT_EQ(0, vhdb_host_send(&self->nic.tap, self->nic.frame,
						    60 + i * 13));
		}
		for (i = 0; i < 100; i++) {
			int len = vhdb_nic_recv(&self->nic, &hdr, self->nic.got,
						VHDB_NIC_FRAME_MAX);

			ASSERT_EQ(60 + i * 13, len);
			ASSERT_TRUE(vhdb_frame_right(self->nic.got, len, round + i));
		}
	}
}

/* Does the receive queue's worker have nothing to do for a tenth of a second? */
static bool sleeps(int fd)
{
	struct vhost_doorbell_stats before, after;

	if (vhdb_get_stats(fd, VHDB_NIC_RX, &before))
		return false;
	usleep(100000);
	return !vhdb_get_stats(fd, VHDB_NIC_RX, &after) &&
	       after.wakeups == before.wakeups;
}

/*
 * Without a buffer a packet waits in the tap; with too few that are mergeable, too.
 * A kick that comes for more of them is all there is.
 */
TEST_F(net, waits_for_buffers)
{
	bool many = variant->features & F_MRG;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vhdb_nic *nic = &self->nic;
	unsigned int need = many ? (9000 + VHDB_NIC_HDR + variant->rx_bytes - 1) /
				   variant->rx_bytes : 1, i;

	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 0, -1));
	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
	ASSERT_EQ(0, vhdb_nic_start(nic));
	vhdb_frame(nic->frame, 9000, 7);
	ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 9000));
	for (i = 1; i < need; i++) {
		struct vhost_doorbell_stats stats;
		__u64 runs;

		ASSERT_EQ(0, vhdb_get_stats(self->fd, 0, &stats));
		runs = stats.wakeups;
		ASSERT_EQ(0, vhdb_nic_give(nic, 1));
		/* Rung for also where it is still awake, and did not ask for it */
		vhdb_vq_ring(&nic->c.q[VHDB_NIC_RX].vq);
		/* It has looked, and goes to sleep again */
		EXPECT_TRUE(vhdb_wait_for(!vhdb_get_stats(self->fd, 0, &stats) &&
					  stats.wakeups > runs));
		EXPECT_TRUE(vhdb_nic_quiet(nic));
	}
	EXPECT_TRUE(vhdb_wait_for(sleeps(self->fd)));
	ASSERT_EQ(0, vhdb_nic_give(nic, 1));
	EXPECT_EQ(9000, vhdb_nic_recv(nic, &hdr, nic->got, VHDB_NIC_FRAME_MAX));
	EXPECT_TRUE(vhdb_frame_right(nic->got, 9000, 7));
	EXPECT_EQ(need, le16toh(hdr.num_buffers));
}

/* What has no place in a buffer is dropped, what comes next is not */
TEST_F(net, too_long_for_the_buffer)
{
	struct vhdb_nic *nic = &self->nic;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vhost_doorbell_stats stats;
	bool many = variant->features & F_MRG;
	unsigned int i;

	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 0, -1));
	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
	nic->rx_bytes = 1000;
	ASSERT_EQ(0, vhdb_nic_start(nic));
	ASSERT_EQ(0, vhdb_nic_give(nic, VHDB_CLASSIC_NUM - 1));
	if (many) {
		/* Nearly all of them together have a place for it */
		vhdb_frame(nic->frame, 60000, 8);
		ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 60000));
		ASSERT_EQ(60000, vhdb_nic_recv(nic, &hdr, nic->got,
					       VHDB_NIC_FRAME_MAX));
		EXPECT_TRUE(vhdb_frame_right(nic->got, 60000, 8));
		EXPECT_EQ(61, le16toh(hdr.num_buffers));
		/* This one's need is more than the ring can hold */
		ASSERT_EQ(0, vhdb_nic_give(nic, 1));
		vhdb_frame(nic->frame, 65535, 9);
		ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 65535));
		vhdb_frame(nic->frame, 988, 10);
		ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 988));
		ASSERT_EQ(988, vhdb_nic_recv(nic, &hdr, nic->got,
					     VHDB_NIC_FRAME_MAX));
		EXPECT_TRUE(vhdb_frame_right(nic->got, 988, 10));
		return;
	}
	for (i = 0; i < 3; i++) {
		vhdb_frame(nic->frame, 1000 + i, i);
		ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 1000 + i));
	}
	vhdb_frame(nic->frame, 988, 9);
	ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 988));
	ASSERT_EQ(988, vhdb_nic_recv(nic, &hdr, nic->got, VHDB_NIC_FRAME_MAX));
	EXPECT_TRUE(vhdb_frame_right(nic->got, 988, 9));
	EXPECT_TRUE(vhdb_nic_quiet(nic));
	ASSERT_EQ(0, vhdb_get_stats(self->fd, 0, &stats));
	EXPECT_EQ(1, stats.completions);
}

/*
 * A driver with much to send has the first buffers back before the last one is
 * taken: each 128 KiB.
 */
TEST_F(net, given_back_in_between)
{
	struct vhdb_nic *nic = &self->nic;
	struct vhdb_vq *vq = &nic->c.q[VHDB_NIC_TX].vq;
	__u64 at = vhdb_classic_addr(&nic->c, nic->tx_data);
	struct vhdb_buf buf = VHDB_OUT(at, VHDB_NIC_HDR + 65535);
	struct vhost_doorbell_stats before, after;
	int i;

	memset(vhdb_classic_ptr(&nic->c, nic->tx_data), 0, VHDB_NIC_HDR);
	vhdb_frame(vhdb_classic_ptr(&nic->c, nic->tx_data) + VHDB_NIC_HDR,
		   65535, 1);
	for (i = 0; i < 9; i++)
		ASSERT_LE(0, vhdb_vq_add(vq, &buf, 1, i, VHDB_DIRECT));
	ASSERT_EQ(0, vhdb_get_stats(self->fd, VHDB_NIC_TX, &before));
	vhdb_vq_kick(vq);
	for (i = 0; i < 9; i++)
		ASSERT_EQ(0, vhdb_nic_reap(nic));
	ASSERT_EQ(0, vhdb_get_stats(self->fd, VHDB_NIC_TX, &after));
	/* Two or three at a time, and all of them were there at once */
	EXPECT_LE(before.signals + before.signals_suppressed + 3,
		  after.signals + after.signals_suppressed);
	for (i = 0; i < 9; i++)
		ASSERT_EQ(65535, vhdb_host_recv(&nic->tap, nic->got,
						VHDB_NIC_FRAME_MAX));
}

TEST_HARNESS_MAIN
