// SPDX-License-Identifier: GPL-2.0
/* See vhdb_nic.h: the device, and its driver. */
#include <errno.h>
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_tun.h>

#include "vhdb_nic.h"

#define PAGE		VHDB_CLASSIC_PAGE
#define TX_SLOT		2048UL
#define TX_BYTES	(VHDB_CLASSIC_NUM * TX_SLOT)
/* Transmit buffers lie behind a gap of a page, so that none runs over. */

int __vhdb_net_set_backend(int fd, unsigned int queue, int tap)
{
	struct vhost_vring_file file = { .index = queue, .fd = tap };

	return __vhdb_ioctl(fd, VHOST_NET_SET_BACKEND, &file);
}

static size_t page_up(size_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

int vhdb_nic_start(struct vhdb_nic *nic)
{
	int ret = vhdb_classic_setup(&nic->c);
	unsigned int i;

	if (!ret && nic->attached)
		return __vhdb_start(nic->c.fd);
	for (i = 0; !ret && i < 2; i++)
		ret = __vhdb_net_set_backend(nic->c.fd, i, nic->tap.fd);
	return ret;
}

int vhdb_nic_attach(int fd, int tap)
{
	const struct vhost_doorbell_attach arg = {
		.size = sizeof(arg),
		.backend = "net",
		.fd = tap,
		.dialect = VHOST_DOORBELL_DIALECT_CLASSIC,
	};

	return __vhdb_attach(fd, &arg);
}

static int open_attached(int tap)
{
	int fd = vhdb_open(), ret;

	if (fd < 0)
		return fd;
	ret = vhdb_nic_attach(fd, tap);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

int vhdb_nic_init(struct vhdb_nic *nic, int fd, __u64 features, size_t rx_bytes)
{
	size_t rx = page_up(VHDB_CLASSIC_NUM * rx_bytes);
	int ret;

	nic->rx_bytes = rx_bytes;
	nic->rx_pieces = 1;
	ret = vhdb_classic_init(&nic->c, fd, 2, features, rx + PAGE +
				page_up(VHDB_NIC_FRAME_MAX + VHDB_NIC_HDR) +
				TX_BYTES);
	nic->rx_data = nic->c.data;
	nic->tx_data = nic->c.data + rx + PAGE;
	nic->frame = malloc(VHDB_NIC_FRAME_MAX);
	nic->got = malloc(VHDB_NIC_FRAME_MAX);
	if (!ret && (!nic->frame || !nic->got))
		ret = -ENOMEM;
	return ret;
}

int vhdb_nic_create_on(struct vhdb_nic *nic, __u64 features, size_t rx_bytes,
		       bool attach)
{
	int ret, fd;

	nic->attached = attach;
	if (attach)
		fd = open_attached(nic->tap.fd);
	else
		fd = open(nic->node ? nic->node : VHDB_NET_PATH,
			  O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return attach ? fd : -errno;
	ret = vhdb_nic_init(nic, fd, features, rx_bytes);
	if (!ret)
		ret = vhdb_classic_own(&nic->c);
	return ret ? ret : vhdb_nic_start(nic);
}

int vhdb_nic_create(struct vhdb_nic *nic, __u64 features, size_t rx_bytes)
{
	int ret = vhdb_netns();

	memset(nic, 0, sizeof(*nic));
	nic->c.fd = -1;
	if (!ret)
		ret = vhdb_tap_create(&nic->tap, IFF_VNET_HDR, 65521);
	return ret ? ret : vhdb_nic_create_on(nic, features, rx_bytes, false);
}

void vhdb_nic_destroy(struct vhdb_nic *nic)
{
	vhdb_classic_destroy(&nic->c);
	vhdb_tap_destroy(&nic->tap);
	free(nic->frame);
	free(nic->got);
	nic->frame = NULL;
	nic->got = NULL;
}

/* ---- receive ---- */

static __u64 rx_buffer(const struct vhdb_nic *nic, __u64 slot)
{
	return nic->rx_data + slot * nic->rx_bytes;
}

static int give_one(struct vhdb_nic *nic, __u64 slot)
{
	unsigned int pieces = nic->rx_pieces, i;
	__u64 at = rx_buffer(nic, slot), end = at + nic->rx_bytes;
	struct vhdb_buf buf[VHDB_CLASSIC_NUM];
	int ret;

	memset(vhdb_classic_ptr(&nic->c, at), 0xee, nic->rx_bytes);
	for (i = 0; i < pieces; i++) {
		__u64 len = i + 1 < pieces ? nic->rx_bytes / pieces : end - at;

		buf[i] = VHDB_IN(vhdb_classic_addr(&nic->c, at), len);
		at += len;
	}
	ret = vhdb_vq_add(&nic->c.q[VHDB_NIC_RX].vq, buf, pieces, slot,
			  VHDB_DIRECT);
	if (ret < 0)
		return ret;
	nic->c.q[VHDB_NIC_RX].busy[slot] = true;
	return 0;
}

int vhdb_nic_give(struct vhdb_nic *nic, unsigned int nr)
{
	struct vhdb_classic_queue *q = &nic->c.q[VHDB_NIC_RX];
	unsigned int slot;
	int ret = 0;

	for (slot = 0; !ret && nr && slot < VHDB_CLASSIC_NUM; slot++) {
		if (q->busy[slot])
			continue;
		ret = give_one(nic, slot);
		nr--;
	}
	vhdb_vq_kick(&q->vq);
	return ret;
}

/* The next used buffer: its length, to @slot which */
static int take_one(struct vhdb_nic *nic, __u64 *slot)
{
	struct vhdb_vq *vq = &nic->c.q[VHDB_NIC_RX].vq;
	int ret = vhdb_vq_wait(vq);
	__u32 used;

	if (ret)
		return ret;
	ret = vhdb_vq_get(vq, slot, &used);
	return ret == 1 ? (int)used : ret ? ret : -EAGAIN;
}

int vhdb_nic_recv(struct vhdb_nic *nic, struct virtio_net_hdr_mrg_rxbuf *hdr,
		  void *frame, size_t len)
{
	struct vhdb_classic_queue *q = &nic->c.q[VHDB_NIC_RX];
	unsigned int i, buffers = 1;
	size_t total = 0;

	for (i = 0; i < buffers; i++) {
		size_t skip = i ? 0 : VHDB_NIC_HDR;
		__u64 slot;
		const char *p;
		int used = take_one(nic, &slot);

		if (used < 0)
			return used;
		p = vhdb_classic_ptr(&nic->c, rx_buffer(nic, slot));
		if (!i) {
			memcpy(hdr, p, sizeof(*hdr));
			buffers = le16toh(hdr->num_buffers);
			if (!buffers)
				return -EPROTO;
		}
		if ((size_t)used < skip || total + used - skip > len)
			return -EMSGSIZE;
		/* All but the last are full (5.1.6.4.1), nothing behind the end */
		if (i + 1 < buffers && used != (int)nic->rx_bytes)
			return -EPROTO;
		if (!vhdb_all(p + used, nic->rx_bytes - used, 0xee))
			return -EOVERFLOW;
		memcpy((char *)frame + total, p + skip, used - skip);
		total += used - skip;
		q->busy[slot] = false;
	}
	i = vhdb_nic_give(nic, buffers);
	return i ? (int)i : (int)total;
}

bool vhdb_nic_quiet(struct vhdb_nic *nic)
{
	struct vhdb_vq *vq = &nic->c.q[VHDB_NIC_RX].vq;

	return !vq->ops->more_used(vq);
}

/* ---- transmit ---- */

int vhdb_nic_reap(struct vhdb_nic *nic)
{
	struct vhdb_vq *vq = &nic->c.q[VHDB_NIC_TX].vq;
	int ret = vhdb_vq_wait(vq);
	__u64 token;
	__u32 used;

	if (!ret)
		ret = vhdb_vq_get(vq, &token, &used);
	/* Nothing was written */
	return ret < 0 ? ret : ret != 1 ? -EAGAIN : used ? -EPROTO : 0;
}

int vhdb_nic_send_pieces(struct vhdb_nic *nic,
			 const struct virtio_net_hdr_mrg_rxbuf *hdr,
			 const void *frame, size_t len, unsigned int pieces,
			 size_t first)
{
	static const struct virtio_net_hdr_mrg_rxbuf plain;
	__u64 at = nic->tx_data, end = at + VHDB_NIC_HDR + len;
	char *p = vhdb_classic_ptr(&nic->c, at);
	struct vhdb_buf buf[VHDB_CLASSIC_NUM];
	unsigned int i;
	int ret;

	memcpy(p, hdr ? hdr : &plain, VHDB_NIC_HDR);
	memcpy(p + VHDB_NIC_HDR, frame, len);
	for (i = 0; i < pieces; i++) {
		__u64 n = i || !first ? (end - at) / (pieces - i) : first;

		buf[i] = VHDB_OUT(vhdb_classic_addr(&nic->c, at), n);
		at += n;
	}
	ret = vhdb_vq_add(&nic->c.q[VHDB_NIC_TX].vq, buf, pieces, 0,
			  VHDB_DIRECT);
	if (ret < 0)
		return ret;
	vhdb_vq_kick(&nic->c.q[VHDB_NIC_TX].vq);
	return vhdb_nic_reap(nic);
}

int vhdb_nic_send(struct vhdb_nic *nic,
		  const struct virtio_net_hdr_mrg_rxbuf *hdr, const void *frame,
		  size_t len)
{
	return vhdb_nic_send_pieces(nic, hdr, frame, len, 1, 0);
}

int vhdb_nic_queue(struct vhdb_nic *nic, unsigned int i, const void *frame,
		   size_t len)
{
	__u64 at = nic->tx_data + page_up(VHDB_NIC_FRAME_MAX + VHDB_NIC_HDR) +
		   i % VHDB_CLASSIC_NUM * TX_SLOT;
	struct vhdb_buf buf = VHDB_OUT(vhdb_classic_addr(&nic->c, at),
				       VHDB_NIC_HDR + len);
	char *p = vhdb_classic_ptr(&nic->c, at);
	int ret;

	memset(p, 0, VHDB_NIC_HDR);
	memcpy(p + VHDB_NIC_HDR, frame, len);
	ret = vhdb_vq_add(&nic->c.q[VHDB_NIC_TX].vq, &buf, 1, i, VHDB_DIRECT);
	return ret < 0 ? ret : 0;
}

/* What came is in nic->got: is it what was sent? */
static int check(const struct vhdb_nic *nic, int ret, unsigned int len,
		 __u32 seed)
{
	if (ret < 0)
		return ret;
	return ret == (int)len && vhdb_frame_right(nic->got, len, seed) ?
	       0 : -EILSEQ;
}

int vhdb_nic_to_guest(struct vhdb_nic *nic,
		      struct virtio_net_hdr_mrg_rxbuf *hdr, unsigned int len,
		      __u32 seed)
{
	int ret;

	vhdb_frame(nic->frame, len, seed);
	ret = vhdb_host_send(&nic->tap, nic->frame, len);
	if (ret)
		return ret;
	return check(nic, vhdb_nic_recv(nic, hdr, nic->got, VHDB_NIC_FRAME_MAX),
		     len, seed);
}

int vhdb_nic_to_host(struct vhdb_nic *nic, unsigned int len, __u32 seed,
		     unsigned int pieces, size_t first)
{
	int ret;

	vhdb_frame(nic->frame, len, seed);
	ret = vhdb_nic_send_pieces(nic, NULL, nic->frame, len, pieces, first);
	if (ret)
		return ret;
	return check(nic, vhdb_host_recv(&nic->tap, nic->got, VHDB_NIC_FRAME_MAX),
		     len, seed);
}

int vhdb_nic_both_ways(struct vhdb_nic *nic, unsigned int len, __u32 seed)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	int ret = vhdb_nic_to_guest(nic, &hdr, len, seed);

	return ret ? ret : vhdb_nic_to_host(nic, len, seed, 1, 0);
}
