// SPDX-License-Identifier: GPL-2.0
/*
 * A network device on a real macvtap, and on one queue of many: frames both ways.
 * A macvtap limits what is under way to it, unless it is told otherwise, and then
 * packets go one by one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "lib/vhdb_nic.h"

#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_MRG		VHDB_BIT(VIRTIO_NET_F_MRG_RXBUF)

FIXTURE(macvtap)
{
	struct vhdb_nic nic;
	int fd;
};

FIXTURE_VARIANT(macvtap)
{
	__u64 features;
	bool tap;		/* no macvtap, for comparison */
	bool attach;
	bool other_queue;
};

FIXTURE_VARIANT_ADD(macvtap, split) { .features = F_EVENT | F_MRG };
FIXTURE_VARIANT_ADD(macvtap, packed)
{
	.features = F_PACKED | F_MRG,
	.attach = true,
};

FIXTURE_VARIANT_ADD(macvtap, other_queue)
{
	.features = F_EVENT | F_MRG,
	.other_queue = true,
};

FIXTURE_VARIANT_ADD(macvtap, other_queue_of_a_tap)
{
	.features = F_EVENT | F_MRG,
	.tap = true,
	.attach = true,
	.other_queue = true,
};

FIXTURE_SETUP(macvtap)
{
	unsigned int flags = IFF_VNET_HDR |
			     (variant->other_queue ? IFF_MULTI_QUEUE : 0);
	int ret;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	self->nic.c.fd = -1;
	ASSERT_EQ(0, vhdb_netns());
	if (variant->tap)
		ret = vhdb_tap_create(&self->nic.tap, flags, 65521);
	else
		ret = vhdb_macvtap_create(&self->nic.tap, flags);
	if (ret == -ENODEV)
		SKIP(return, "no macvtap, no veth or no ip");
	ASSERT_EQ(0, ret);
	if (variant->other_queue)
		ASSERT_EQ(0, vhdb_tap_other_queue(&self->nic.tap));
	ASSERT_EQ(0, vhdb_nic_create_on(&self->nic, variant->features, 2048,
					variant->attach));
	self->fd = self->nic.c.fd;
	ASSERT_EQ(0, vhdb_nic_give(&self->nic, VHDB_CLASSIC_NUM - 1));
}

FIXTURE_TEARDOWN(macvtap)
{
	vhdb_nic_destroy(&self->nic);
}

#define BOTH_WAYS(len, seed)	vhdb_nic_both_ways(&self->nic, len, seed)

TEST_F(macvtap, both_ways)
{
	static const unsigned int sizes[] = {
		60, 64, 128, 1514, 2035, 2036, 2037, 3600, 4096, 9014, 32767,
		65535,
	};
	int sndbuf[] = { 300000, INT_MAX };
	unsigned int i, k;

	for (k = 0; k < ARRAY_SIZE(sndbuf); k++) {
		ASSERT_EQ(0, ioctl(self->nic.tap.fd, TUNSETSNDBUF, &sndbuf[k]));
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			EXPECT_EQ(0, BOTH_WAYS(sizes[i], i)) {
				TH_LOG("%u bytes, send buffer %d", sizes[i],
				       sndbuf[k]);
			}
	}
}

/* More than the tap, or a ring, has at once: none is lost, all in their order */
TEST_F(macvtap, batches)
{
	int sndbuf[] = { 300000, INT_MAX };
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned int i, k;

	for (k = 0; k < ARRAY_SIZE(sndbuf); k++) {
		ASSERT_EQ(0, ioctl(self->nic.tap.fd, TUNSETSNDBUF, &sndbuf[k]));
		for (i = 0; i < VHDB_CLASSIC_NUM; i++) {
			vhdb_frame(self->nic.frame, 60 + i * 31, i);
			ASSERT_EQ(0, vhdb_nic_queue(&self->nic, i, self->nic.frame,
						    60 + i * 31));
			ASSERT_EQ(0, vhdb_host_send(&self->nic.tap, self->nic.frame,
						    60 + i * 31));
		}
		vhdb_vq_kick(&self->nic.c.q[VHDB_NIC_TX].vq);
		for (i = 0; i < VHDB_CLASSIC_NUM; i++) {
			unsigned int len = 60 + i * 31;

			ASSERT_EQ(len, vhdb_host_recv(&self->nic.tap, self->nic.got,
						      VHDB_NIC_FRAME_MAX));
			ASSERT_TRUE(vhdb_frame_right(self->nic.got, len, i));
			ASSERT_EQ(0, vhdb_nic_reap(&self->nic));
			ASSERT_EQ(len, vhdb_nic_recv(&self->nic, &hdr, self->nic.got,
						     VHDB_NIC_FRAME_MAX));
			ASSERT_TRUE(vhdb_frame_right(self->nic.got, len, i));
		}
	}
}

TEST_F(macvtap, removed)
{
	unsigned int i;

	ASSERT_EQ(0, BOTH_WAYS(1000, 1));
	ASSERT_EQ(0, vhdb_tap_remove(&self->nic.tap));
	vhdb_frame(self->nic.frame, 5000, 1);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, vhdb_nic_send(&self->nic, NULL, self->nic.frame,
					   100 + i * 1200));
	EXPECT_TRUE(vhdb_nic_quiet(&self->nic));
	EXPECT_EQ(0, __vhdb_net_set_backend(self->fd, 0, -1));
	EXPECT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
}

TEST_HARNESS_MAIN
