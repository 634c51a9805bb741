// SPDX-License-Identifier: GPL-2.0
/*
 * Packets for the guest: from the tap's ring to the driver's buffers, as user
 * memory, in one copy.
 *
 * A packet's length is known before the packet is taken, so the buffers for it are
 * gathered first. If there are too few, they stay in the ring, and the packet with
 * us, until there are more. A packet that has no place in what it may have, or in
 * all that the ring can hold, is dropped, and the buffers stay; but one that is not
 * mapped goes back, with nothing in it.
 */
#include <linux/if_tun.h>
#include <linux/ptr_ring.h>
#include <linux/skb_array.h>

#include <net/sock.h>

#include "net.h"

/* Takes packets from the tap, if none is left. The next one; NULL for none. */
static void *peek(struct net_queue *q)
{
	struct net_packets *p = &q->packets;

	if (p->first == p->end) {
		p->first = 0;
		p->end = ptr_ring_consume_batched(q->ring, p->ptr, NET_BATCH);
	}
	return p->first < p->end ? p->ptr[p->first] : NULL;
}

static u32 packet_len(void *ptr)
{
	if (tun_is_xdp_frame(ptr))
		return tun_ptr_to_xdp(ptr)->len;
	return __skb_array_len_with_tag(ptr);
}

/**
 * net_rx_pending() - is there a packet for the guest?
 * @q: the queue
 *
 * Context: the worker.
 * Return: true if there is.
 */
bool net_rx_pending(struct net_queue *q)
{
	if (!q->ring)
		return false;
	return q->packets.first < q->packets.end || !ptr_ring_empty(q->ring);
}

/**
 * net_rx_drop_all() - give the tap back what was taken from it
 * @q: the queue, not served
 *
 * Context: process.
 */
void net_rx_drop_all(struct net_queue *q)
{
	struct net_packets *p = &q->packets;

	if (p->first < p->end)
		ptr_ring_unconsume(q->ring, p->ptr + p->first,
				   p->end - p->first, tun_ptr_free);
	p->first = 0;
	p->end = 0;
}

static void drop(struct net_queue *q)
{
	tun_ptr_free(q->packets.ptr[q->packets.first++]);
}

/**
 * struct buffers - what was gathered for a packet
 * @heads: number of requests
 * @segs: number of pieces
 * @room: bytes
 * @too_small: there is no use in waiting for more
 * @bad: one of them is not to be used
 */
struct buffers {
	u32 heads;
	u32 segs;
	u32 room;
	bool too_small;
	bool bad;
};

/* One more request for a packet that needs @need bytes more. */
static void gather_one(struct net_queue *q, struct vhdb_request *rq,
		       struct buffers *b, u32 need)
{
	u32 len = min_t(u64, vhdb_vq_in_left(q->vq), need);
	int nr;

	q->heads[b->heads] = rq;
	q->lens[b->heads++] = len;
	/* 5.1.6.3: a buffer is for the device to write; an empty one is none. */
	if (!len || vhdb_vq_out_left(q->vq)) {
		vhdb_vq_break(q->vq, -ENOMSG);
		return;
	}
	nr = vhdb_vq_iov_in(q->vq, q->iov + b->segs, VHDB_SEGS_MAX - b->segs,
			    len);
	if (nr < 0) {
		b->too_small = true;
		b->bad = nr != -E2BIG;
		return;
	}
	b->segs += nr;
	b->room += len;
}

/* Gathers buffers for a packet of @need bytes, header included. */
static struct buffers gather(struct net_queue *q, u32 need)
{
	bool many = vhdb_vq_has_feature(q->vq, VIRTIO_NET_F_MRG_RXBUF);
	u32 max = many ? min(NET_HEADS_MAX, vhdb_vq_num(q->vq)) : 1;
	struct buffers b = {};

	while (b.room < need && !b.too_small) {
		struct vhdb_request *rq;

		if (b.heads == max) {
			b.too_small = true;
			break;
		}
		rq = vhdb_vq_next(q->vq);
		if (!rq)
			break;
		gather_one(q, rq, &b, need - b.room);
	}
	return b;
}

/* 5.1.6.4.1: how many buffers it takes, also where it is always one. */
static bool put_num_buffers(struct net_queue *q, const struct buffers *b)
{
	__virtio16 num = (__force __virtio16)cpu_to_le16(b->heads);
	struct iov_iter iter;

	iov_iter_init(&iter, READ, q->iov, b->segs, b->room);
	iov_iter_advance(&iter, offsetof(struct virtio_net_hdr_mrg_rxbuf,
					 num_buffers));
	return copy_to_iter(&num, sizeof(num), &iter) == sizeof(num);
}

/* The packet, into what was gathered for it. It is gone afterwards. */
static bool receive(struct net_queue *q, const struct buffers *b, u32 len)
{
	static const struct virtio_net_hdr_mrg_rxbuf plain;
	u32 want = len + (q->net->own_hdr ? 0 : NET_HDR);
	struct msghdr msg = {};
	bool ok = true;

	iov_iter_init(&msg.msg_iter, READ, q->iov, b->segs, b->room);
	if (q->net->own_hdr)
		ok = copy_to_iter(&plain, sizeof(plain), &msg.msg_iter) ==
		     sizeof(plain);
	if (!ok) {
		drop(q);
		return false;
	}
	msg.msg_control = q->packets.ptr[q->packets.first++];
	/* Another length: the tap's header is not of the size that it should be. */
	return q->sock->ops->recvmsg(q->sock, &msg, want,
				     MSG_DONTWAIT | MSG_TRUNC) == want &&
	       put_num_buffers(q, b);
}

/* A buffer that is nowhere would be in the way of all packets to come. */
static void refuse(struct net_queue *q, const struct buffers *b)
{
	u32 i;

	for (i = 0; i < b->heads; i++) {
		q->heads[i]->error = -EFAULT;
		vhdb_request_complete(q->heads[i], 0);
	}
}

/* One packet. False if the run is over. */
static bool rx_one(struct net_queue *q, u32 len)
{
	struct buffers b = gather(q, len + NET_HDR);
	u32 i;

	if (b.room < len + NET_HDR) {
		if (!b.too_small) {
			vhdb_vq_too_few(q->vq, q->heads, b.heads);
			return false;
		}
		drop(q);
		if (b.bad)
			refuse(q, &b);
		else
			vhdb_vq_put_back(q->vq, q->heads, b.heads);
		return true;
	}
	vhdb_vq_charge_requests(q->vq, 1);
	vhdb_vq_charge(q->vq, len);
	if (!receive(q, &b, len)) {
		vhdb_vq_put_back(q->vq, q->heads, b.heads);
		return true;
	}
	q->heads[0]->bytes_read = len;
	for (i = 0; i < b.heads; i++)
		vhdb_request_complete(q->heads[i], q->lens[i]);
	q->used += b.heads;
	if (q->used >= NET_BATCH) {
		/* The driver has something to do, and makes new ones of them. */
		vhdb_vq_give_back(q->vq);
		q->used = 0;
	}
	return true;
}

/**
 * net_rx_run() - serve the receive queue
 * @q: the queue
 *
 * Context: the worker.
 */
void net_rx_run(struct net_queue *q)
{
	void *ptr;

	if (!q->sock) {
		vhdb_vq_idle(q->vq);
		return;
	}
	q->used = 0;
	for (;;) {
		ptr = peek(q);
		if (!ptr) {
			vhdb_vq_idle(q->vq);
			return;
		}
		if (vhdb_vq_throttled(q->vq) || !rx_one(q, packet_len(ptr)))
			return;
	}
}
