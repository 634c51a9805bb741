// SPDX-License-Identifier: GPL-2.0
/*
 * The header in front of each packet: what is right passes through, in both
 * directions; what is wrong is dropped, and the queue lives. And the vhost-vdpa
 * dialect, where the device itself sees to the tap's offloads, and has a config
 * space that follows the interface.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/vhdb_nic.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#endif
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4	54
#define VIRTIO_NET_F_GUEST_USO6	55
#define VIRTIO_NET_F_HOST_USO	56
#endif

#define F_MRG		VHDB_BIT(VIRTIO_NET_F_MRG_RXBUF)
#define IP_LEN		20
#define TCP_LEN		20
#define UDP_LEN		8

/* An IPv4 frame of @len bytes with a TCP or UDP header */
static void ip_frame(char *frame, unsigned int len, bool udp)
{
	__u8 *ip = (__u8 *)frame + VHDB_NIC_HEAD, *l4 = ip + IP_LEN;
	unsigned int sum = 0, i;

	vhdb_frame(frame, len, len);
	frame[12] = 0x08;
	frame[13] = 0x00;
	memset(ip, 0, IP_LEN + TCP_LEN);
	ip[0] = 0x45;
	ip[2] = (len - VHDB_NIC_HEAD) >> 8;
	ip[3] = (len - VHDB_NIC_HEAD) & 0xff;
	ip[8] = 64;
	ip[9] = udp ? 17 : 6;
	/* 10.0.0.1 to 10.0.0.2 */
	ip[12] = 10;
	ip[15] = 1;
	ip[16] = 10;
	ip[19] = 2;
	for (i = 0; i < IP_LEN; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	ip[10] = sum >> 8;
	ip[11] = sum & 0xff;
	l4[1] = 1;
	l4[3] = 2;
	if (udp) {
		l4[4] = (len - 34) >> 8;
		l4[5] = (len - 34) & 0xff;
	} else {
		l4[12] = 0x50;
		l4[13] = 0x10;
	}
}

static struct virtio_net_hdr gso_hdr(bool udp, unsigned int size)
{
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = udp ? VIRTIO_NET_HDR_GSO_UDP_L4 :
				  VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = htole16(34 + (udp ? UDP_LEN : TCP_LEN)),
		.gso_size = htole16(size),
		.csum_start = htole16(34),
		.csum_offset = htole16(udp ? 6 : 16),
	};
}

FIXTURE(hdr)
{
	struct vhdb_nic nic;
};

FIXTURE_SETUP(hdr)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_nic_create(&self->nic, F_MRG, 2048));
	ASSERT_EQ(0, vhdb_nic_give(&self->nic, VHDB_CLASSIC_NUM - 1));
}

FIXTURE_TEARDOWN(hdr)
{
	vhdb_nic_destroy(&self->nic);
}

static bool has_uso(const struct vhdb_tap *tap)
{
	return !ioctl(tap->fd, TUNSETOFFLOAD,
		      TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6);
}

/* From the guest: the frame comes in one piece, with what the guest said of it */
TEST_F(hdr, gso_to_the_host)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	struct virtio_net_hdr got;
	int udp, len;

	for (udp = 0; udp < 1 + has_uso(&self->nic.tap); udp++)
		for (len = 1000; len < 40000; len = len * 3 + 1) {
			ip_frame(self->nic.frame, len, udp);
			hdr.hdr = gso_hdr(udp, 400);
			ASSERT_EQ(0, vhdb_nic_send(&self->nic, &hdr, self->nic.frame,
						   len));
			ASSERT_EQ(len, vhdb_host_recv_gso(&self->nic.tap, &got,
							  self->nic.got, 65535)) {
				TH_LOG("%s, %d bytes", udp ? "UDP" : "TCP", len);
			}
			EXPECT_EQ(hdr.hdr.gso_type, got.gso_type);
			EXPECT_EQ(hdr.hdr.gso_size, got.gso_size);
			EXPECT_EQ(VIRTIO_NET_HDR_F_NEEDS_CSUM, got.flags);
			EXPECT_EQ(34, le16toh(got.csum_start));
			EXPECT_EQ(0, memcmp(self->nic.frame, self->nic.got, len));
		}
}

/* To the guest: in one piece if the tap is told so, else what each wire can have */
TEST_F(hdr, gso_to_the_guest)
{
	struct virtio_net_hdr hdr = gso_hdr(false, 1000);
	struct virtio_net_hdr_mrg_rxbuf got;
	int len = 34 + TCP_LEN + 5000, i;

	ip_frame(self->nic.frame, len, false);
	ASSERT_EQ(0, ioctl(self->nic.tap.fd, TUNSETOFFLOAD,
			   TUN_F_CSUM | TUN_F_TSO4));
	ASSERT_EQ(0, vhdb_host_send_gso(&self->nic.tap, &hdr, self->nic.frame, len));
	ASSERT_EQ(len, vhdb_nic_recv(&self->nic, &got, self->nic.got, 65535));
	EXPECT_EQ(VIRTIO_NET_HDR_GSO_TCPV4, got.hdr.gso_type);
	EXPECT_EQ(1000, le16toh(got.hdr.gso_size));
	EXPECT_EQ(VIRTIO_NET_HDR_F_NEEDS_CSUM, got.hdr.flags);
	EXPECT_EQ(3, le16toh(got.num_buffers));
	EXPECT_EQ(0, memcmp(self->nic.frame, self->nic.got, len));

	ASSERT_EQ(0, ioctl(self->nic.tap.fd, TUNSETOFFLOAD, 0));
	ASSERT_EQ(0, vhdb_host_send_gso(&self->nic.tap, &hdr, self->nic.frame, len));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(34 + TCP_LEN + 1000,
			  vhdb_nic_recv(&self->nic, &got, self->nic.got, 65535));
		EXPECT_EQ(0, got.hdr.gso_type);
		EXPECT_EQ(0, got.hdr.flags);
		EXPECT_EQ(0, memcmp(self->nic.frame + 54 + i * 1000, self->nic.got + 54,
				    1000));
	}
}

/* ---- what is wrong ---- */

/* Does a good one pass, after whatever came before? */
static int good_one(struct vhdb_nic *nic)
{
	int ret, len;

	vhdb_frame(nic->frame, 333, 333);
	ret = vhdb_nic_send(nic, NULL, nic->frame, 333);
	/* Some of the bad ones may have passed. */
	while (!ret) {
		len = vhdb_host_recv(&nic->tap, nic->got, 65535);
		/* A packet socket that has no words for what it is */
		if (len == -EINVAL)
			continue;
		if (len < 0)
			return len;
		if (len == 333 && vhdb_frame_right(nic->got, len, 333))
			return 0;
	}
	return ret;
}

TEST_F(hdr, every_field_at_its_extremes)
{
	static const __u8 flags[] = { 0, 1, 2, 3, 4, 0x80, 0xff };
	static const __u8 types[] = { 0, 1, 2, 3, 4, 5, 6, 0x80, 0x81, 0x85, 0xff };
	static const __u16 words[] = { 0, 1, 2, 13, 14, 20, 33, 34, 54, 100, 1460,
				       0x7fff, 0x8000, 0xfffd, 0xfffe, 0xffff };
	static const unsigned int lens[] = { 14, 60, 333, 1514, 5000, 40000 };
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	unsigned int i;

	srand(1);
	for (i = 0; i < 3000; i++) {
		unsigned int len = lens[rand() % ARRAY_SIZE(lens)];

		if (len > 60)
			ip_frame(self->nic.frame, len, i & 1);
		else
			vhdb_frame(self->nic.frame, len, i);
		hdr.hdr.flags = flags[rand() % ARRAY_SIZE(flags)];
		hdr.hdr.gso_type = types[rand() % ARRAY_SIZE(types)];
		hdr.hdr.hdr_len = htole16(words[rand() % ARRAY_SIZE(words)]);
		hdr.hdr.gso_size = htole16(words[rand() % ARRAY_SIZE(words)]);
		hdr.hdr.csum_start = htole16(words[rand() % ARRAY_SIZE(words)]);
		hdr.hdr.csum_offset = htole16(words[rand() % ARRAY_SIZE(words)]);
		hdr.num_buffers = htole16(words[rand() % ARRAY_SIZE(words)]);
		ASSERT_EQ(0, vhdb_nic_send(&self->nic, &hdr, self->nic.frame, len));
		if (i % 100 == 0)
			ASSERT_EQ(0, good_one(&self->nic));
	}
	EXPECT_EQ(0, good_one(&self->nic));
}

/* Shorter than a header, or than a frame; longer than any */
TEST_F(hdr, lengths)
{
	struct vhdb_nic *nic = &self->nic;
	struct vhost_doorbell_stats stats;
	struct vhdb_buf buf[4];
	unsigned int len;

	for (len = 1; len < 12 + 14; len++) {
		buf[0] = VHDB_OUT(nic->tx_data, len);
		ASSERT_LE(0, vhdb_vq_add(&nic->c.q[1].vq, buf, 1, 0, VHDB_DIRECT));
		vhdb_vq_kick(&nic->c.q[1].vq);
		ASSERT_EQ(0, vhdb_nic_reap(nic));
		if (len == 11) {
			ASSERT_EQ(0, vhdb_get_stats(nic->c.fd, 1, &stats));
			EXPECT_EQ(11, stats.errors);
		}
	}
	for (len = 0; len < 4; len++)
		buf[len] = VHDB_OUT(nic->tx_data, 0xffffffff);
	for (len = 1; len <= 4; len++) {
		ASSERT_LE(0, vhdb_vq_add(&nic->c.q[1].vq, buf, len, 0,
					 VHDB_DIRECT));
		vhdb_vq_kick(&nic->c.q[1].vq);
		ASSERT_EQ(0, vhdb_nic_reap(nic));
	}
	/* From nowhere, in part or all of it */
	buf[0] = VHDB_OUT(0x10, 100);
	buf[1] = VHDB_OUT(nic->tx_data, 5000);
	buf[2] = VHDB_OUT(~0ULL - 5, 3000);
	ASSERT_LE(0, vhdb_vq_add(&nic->c.q[1].vq, buf, 1, 0, VHDB_DIRECT));
	ASSERT_LE(0, vhdb_vq_add(&nic->c.q[1].vq, buf + 1, 2, 0, VHDB_DIRECT));
	vhdb_vq_kick(&nic->c.q[1].vq);
	ASSERT_EQ(0, vhdb_nic_reap(nic));
	ASSERT_EQ(0, vhdb_nic_reap(nic));
	ASSERT_EQ(0, vhdb_get_stats(nic->c.fd, 1, &stats));
	EXPECT_LE(11 + 4 + 2, stats.errors);
	EXPECT_EQ(0, stats.broken);
	EXPECT_EQ(0, good_one(nic));
}

/* The next buffer that is used is @want, with nothing in it: 0 or what is wrong */
static int comes_back_empty(struct vhdb_nic *nic, __u64 want)
{
	struct vhdb_vq *vq = &nic->c.q[0].vq;
	int ret = vhdb_vq_wait(vq);
	__u64 slot;
	__u32 used;

	if (!ret)
		ret = vhdb_vq_get(vq, &slot, &used);
	if (ret != 1)
		return ret ? ret : -EAGAIN;
	return slot != want ? -ENOENT : used ? -EMSGSIZE : 0;
}

/* A receive buffer that is nowhere: that packet is lost, and no more */
TEST_F(hdr, receive_buffer_that_is_not_mapped)
{
	struct vhdb_nic *nic = &self->nic;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vhdb_buf bad = VHDB_IN(0x10, 2048);
	struct vhost_doorbell_stats stats;

	ASSERT_EQ(0, __vhdb_net_set_backend(nic->c.fd, 0, -1));
	ASSERT_EQ(0, __vhdb_net_set_backend(nic->c.fd, 1, -1));
	memset(nic->c.q[0].busy, 0, sizeof(nic->c.q[0].busy));
	ASSERT_EQ(0, vhdb_nic_start(nic));
	ASSERT_LE(0, vhdb_vq_add(&nic->c.q[0].vq, &bad, 1, 63, VHDB_DIRECT));
	ASSERT_EQ(0, vhdb_nic_give(nic, 10));
	vhdb_frame(nic->frame, 100, 1);
	ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 100));
	ASSERT_TRUE(vhdb_wait_for(!vhdb_get_stats(nic->c.fd, 0, &stats) &&
				  stats.errors));
	ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 100));
	/* The bad one comes back, with nothing in it */
	EXPECT_EQ(0, comes_back_empty(nic, 63));
	EXPECT_EQ(100, vhdb_nic_recv(nic, &hdr, nic->got, 65535));
}

/*
 * One whose memory the owner itself cannot write, but for the header: a tap tells of
 * no failure there. It is not in the way of all packets to come
 */
TEST_F(hdr, receive_buffer_that_cannot_be_written)
{
	struct vhdb_nic *nic = &self->nic;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	__u64 gap = nic->tx_data - VHDB_CLASSIC_PAGE;
	struct vhdb_buf bad[] = {
		VHDB_IN(nic->tx_data, VHDB_NIC_HDR),
		VHDB_IN(gap, 2048),
	};
	__u32 i;

	ASSERT_EQ(0, __vhdb_net_set_backend(nic->c.fd, 0, -1));
	ASSERT_EQ(0, __vhdb_net_set_backend(nic->c.fd, 1, -1));
	memset(nic->c.q[0].busy, 0, sizeof(nic->c.q[0].busy));
	ASSERT_EQ(0, mprotect(vhdb_classic_ptr(&nic->c, gap),
			      VHDB_CLASSIC_PAGE, PROT_NONE));
	ASSERT_EQ(0, vhdb_nic_start(nic));
	ASSERT_LE(0, vhdb_vq_add(&nic->c.q[0].vq, bad, 2, 63, VHDB_DIRECT));
	ASSERT_EQ(0, vhdb_nic_give(nic, 10));
	for (i = 0; i < 3; i++) {
		vhdb_frame(nic->frame, 100, i);
		ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 100));
	}
	/* The first is lost, with the second it comes back, the third is got */
	EXPECT_EQ(0, comes_back_empty(nic, 63));
	EXPECT_EQ(100, vhdb_nic_recv(nic, &hdr, nic->got, 65535));
	EXPECT_TRUE(vhdb_frame_right(nic->got, 100, 2));
}

/* ---- vhost-vdpa ---- */

FIXTURE(vdpa)
{
	struct vhdb_tap tap;
	struct vhdb_dev dev;
	struct vhdb_vq vq[2];
	int fd;
	int config_call;
	char frame[4096], got[4096];
};

FIXTURE_SETUP(vdpa)
{
	const struct vhdb_opts opts = { .queues = 2 };
	struct vhost_doorbell_attach arg = {
		.size = sizeof(arg),
		.backend = "net",
		.dialect = VHOST_DOORBELL_DIALECT_VDPA,
		.mac = { 0x02, 1, 2, 3, 4, 5 },
	};
	int i;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_netns());
	ASSERT_EQ(0, vhdb_tap_create(&self->tap, IFF_VNET_HDR, 1400));
	arg.fd = self->tap.fd;
	arg.ifindex = self->tap.ifindex;
	self->fd = vhdb_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, __vhdb_attach(self->fd, &arg));
	ASSERT_EQ(0, __vhdb_set_owner(self->fd));
	ASSERT_EQ(0, vhdb_dev_adopt(&self->dev, self->fd, &opts));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vhdb_vq_init(&self->vq[i], &vhdb_vq_split,
					  &self->dev.vring[i]));
	self->config_call = eventfd(0, EFD_NONBLOCK);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 2; i++)
		vhdb_vq_reset(&self->vq[i], self->dev.features &
			      VHDB_BIT(VIRTIO_RING_F_EVENT_IDX));
	ASSERT_EQ(0, __vhdb_set_config_call(self->fd, self->config_call));
}

FIXTURE_TEARDOWN(vdpa)
{
	int i;

	vhdb_dev_destroy(&self->dev);
	for (i = 0; i < 2; i++)
		vhdb_vq_free(&self->vq[i]);
	vhdb_tap_destroy(&self->tap);
	close(self->config_call);
}

static struct virtio_net_config config_of(int fd)
{
	struct virtio_net_config config = {};

	__vhdb_get_config(fd, 0, sizeof(config), &config);
	return config;
}

static bool link_up(int fd)
{
	return le16toh(config_of(fd).status) & VIRTIO_NET_S_LINK_UP;
}

TEST_F(vdpa, what_it_is)
{
	const __u8 mac[6] = { 0x02, 1, 2, 3, 4, 5 };
	struct virtio_net_config config = config_of(self->fd);
	__u64 features = self->dev.features;
	__u32 id;

	ASSERT_EQ(0, __vhdb_get_device_id(self->fd, &id));
	EXPECT_EQ(VIRTIO_ID_NET, id);
	EXPECT_EQ(0, memcmp(config.mac, mac, 6));
	EXPECT_EQ(1400, le16toh(config.mtu));
	EXPECT_EQ(1, le16toh(config.max_virtqueue_pairs));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, le16toh(config.status));
#define HAS(f)	(!!(features & VHDB_BIT(f)))
	EXPECT_TRUE(HAS(VIRTIO_NET_F_MAC) && HAS(VIRTIO_NET_F_STATUS) &&
		    HAS(VIRTIO_NET_F_MTU) && HAS(VIRTIO_NET_F_MRG_RXBUF) &&
		    HAS(VIRTIO_NET_F_CSUM) && HAS(VIRTIO_NET_F_GUEST_CSUM) &&
		    HAS(VIRTIO_NET_F_HOST_TSO4) && HAS(VIRTIO_NET_F_HOST_TSO6) &&
		    HAS(VIRTIO_NET_F_GUEST_TSO4) && HAS(VIRTIO_NET_F_GUEST_TSO6));
	EXPECT_FALSE(HAS(VIRTIO_NET_F_CTRL_VQ) || HAS(VIRTIO_NET_F_MQ) ||
		     HAS(VHOST_NET_F_VIRTIO_NET_HDR));
	EXPECT_EQ(has_uso(&self->tap), HAS(VIRTIO_NET_F_HOST_USO));
	/* Of the other dialect */
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_net_set_backend(self->fd, 0, -1));
}

/* The link follows the interface, and the driver is told of it */
TEST_F(vdpa, link)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, vhdb_tap_up(&self->tap, false));
		EXPECT_EQ(0, vhdb_eventfd_wait(self->config_call));
		EXPECT_FALSE(link_up(self->fd));
		ASSERT_EQ(0, vhdb_tap_up(&self->tap, true));
		EXPECT_EQ(0, vhdb_eventfd_wait(self->config_call));
		EXPECT_TRUE(vhdb_wait_for(link_up(self->fd)));
		vhdb_eventfd_take(self->config_call);
		ASSERT_EQ(0, vhdb_tap_carrier(&self->tap, false));
		EXPECT_TRUE(vhdb_wait_for(!link_up(self->fd)));
		EXPECT_EQ(0, vhdb_eventfd_wait(self->config_call));
		ASSERT_EQ(0, vhdb_tap_carrier(&self->tap, true));
		EXPECT_TRUE(vhdb_wait_for(link_up(self->fd)));
		EXPECT_EQ(0, vhdb_eventfd_wait(self->config_call));
	}
	ASSERT_EQ(0, vhdb_tap_remove(&self->tap));
	EXPECT_EQ(0, vhdb_eventfd_wait(self->config_call));
	EXPECT_FALSE(link_up(self->fd));
	/* Its driver may start again all the same */
	EXPECT_EQ(0, vhdb_dev_restart(&self->dev));
}

/* A driver keeps the MTU that it was told; the next one is told the new one */
TEST_F(vdpa, mtu)
{
	ASSERT_EQ(0, vhdb_tap_mtu(&self->tap, 9000));
	EXPECT_EQ(1400, le16toh(config_of(self->fd).mtu));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(9000, le16toh(config_of(self->fd).mtu));
	ASSERT_EQ(0, vhdb_tap_mtu(&self->tap, 1300));
	EXPECT_EQ(1300, le16toh(config_of(self->fd).mtu));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_tap_mtu(&self->tap, 1500));
	EXPECT_EQ(1300, le16toh(config_of(self->fd).mtu));
}

/* Three buffers of 8 KiB for the guest */
static int give(struct vhdb_dev *dev, struct vhdb_vq *vq)
{
	int i, ret = 0;

	for (i = 0; ret >= 0 && i < 3; i++) {
		struct vhdb_buf buf = VHDB_IN(dev->buf_iova + i * 8192, 8192);

		ret = vhdb_vq_add(vq, &buf, 1, i, VHDB_DIRECT);
	}
	vhdb_vq_kick(vq);
	return ret < 0 ? ret : 0;
}

/* A frame each way, the one for the guest larger than any wire has it */
TEST_F(vdpa, both_ways)
{
	struct virtio_net_hdr hdr = gso_hdr(false, 1000);
	struct virtio_net_hdr_mrg_rxbuf *in, *out;
	int len = 54 + 3000;
	struct vhdb_buf buf;
	__u64 token;
	__u32 used;

	ASSERT_EQ(0, give(&self->dev, &self->vq[0]));
	ip_frame(self->frame, len, false);
	ASSERT_EQ(0, vhdb_host_send_gso(&self->tap, &hdr, self->frame, len));
	ASSERT_EQ(0, vhdb_vq_wait(&self->vq[0]));
	ASSERT_EQ(1, vhdb_vq_get(&self->vq[0], &token, &used));
	EXPECT_EQ(len + VHDB_NIC_HDR, used);
	in = vhdb_mem_ptr(&self->dev.mem, self->dev.buf_iova + token * 8192);
	EXPECT_EQ(VIRTIO_NET_HDR_GSO_TCPV4, in->hdr.gso_type);
	EXPECT_EQ(1, le16toh(in->num_buffers));
	EXPECT_EQ(0, memcmp(in + 1, self->frame, len));

	out = vhdb_mem_ptr(&self->dev.mem, self->dev.buf_iova + 65536);
	memset(out, 0, sizeof(*out));
	memcpy(out + 1, self->frame, len);
	buf = VHDB_OUT(self->dev.buf_iova + 65536, len + VHDB_NIC_HDR);
	ASSERT_LE(0, vhdb_vq_add(&self->vq[1], &buf, 1, 0, VHDB_DIRECT));
	vhdb_vq_kick(&self->vq[1]);
	ASSERT_EQ(len, vhdb_host_recv(&self->tap, self->got, sizeof(self->got)));
	EXPECT_EQ(0, memcmp(self->got, self->frame, len));
}

/* A guest that has not asked for them gets no offloads, whatever another had */
TEST_F(vdpa, offloads_follow_the_driver)
{
	struct virtio_net_hdr hdr = gso_hdr(false, 1000);
	__u64 got, token;
	__u32 used;
	int len = 54 + 3000, i;

	ASSERT_EQ(0, vhdb_reset(self->fd));
	ASSERT_EQ(0, vhdb_negotiate(self->fd, F_MRG, &got));
	for (i = 0; i < 2; i++) {
		vhdb_vq_reset(&self->vq[i], false);
		ASSERT_EQ(0, vhdb_vring_setup(self->fd, &self->dev.vring[i]));
		ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, i, 1));
	}
	ASSERT_EQ(0, vhdb_driver_ok(self->fd));
	ASSERT_EQ(0, give(&self->dev, &self->vq[0]));
	ip_frame(self->frame, len, false);
	ASSERT_EQ(0, vhdb_host_send_gso(&self->tap, &hdr, self->frame, len));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, vhdb_vq_wait(&self->vq[0]));
		ASSERT_EQ(1, vhdb_vq_get(&self->vq[0], &token, &used));
		EXPECT_EQ(54 + 1000 + VHDB_NIC_HDR, used);
	}
}

TEST_HARNESS_MAIN
