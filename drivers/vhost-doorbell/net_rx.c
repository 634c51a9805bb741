// SPDX-License-Identifier: GPL-2.0
/*
 * Packets for the guest: from the tap's ring to the driver's buffers, as user
 * memory, in one copy.
 *
 * A packet's length is known before the packet is taken, so the buffers for it are
 * gathered first. If there are too few, they stay in the ring, and the packet with
 * us, until there are more. A packet that has no place in what it may have, or in
 * all that the ring can hold, is dropped, and the buffers stay; but a buffer that is
 * not mapped, or cannot be written, goes back, with nothing in it.
 */
#include <linux/if_tun.h>
#include <linux/ptr_ring.h>
#include <linux/skb_array.h>

#include <net/sock.h>

#include "net.h"

/**
 * net_rx_init() - a queue that has received nothing yet
 * @q: the queue, zeroed
 *
 * Context: process.
 */
void net_rx_init(struct net_queue *q)
{
	q->buffers.rqs = q->heads;
	q->buffers.lens = q->lens;
	q->buffers.iov = q->iov;
}

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

/*
 * How many buffers are going to be used, if the next ones are as the last one was:
 * those of the packets that are here.
 */
static u32 expected(const struct net_queue *q, u32 need)
{
	u32 nr = q->packets.end - q->packets.first, last = q->buffers.last;

	return need <= last || !last ? nr : nr - 1 + DIV_ROUND_UP(need, last);
}

/* Gathers buffers for a packet of @need bytes, header included. */
static int gather(struct net_queue *q, u32 need)
{
	bool many = vhdb_vq_has_feature(q->vq, VIRTIO_NET_F_MRG_RXBUF);

	q->buffers.max = many ? min(NET_HEADS_MAX, vhdb_vq_num(q->vq)) : 1;
	vhdb_vq_expect(q->vq, expected(q, need));
	/* 5.1.6.3: a buffer is for the device to write. */
	return vhdb_vq_gather_in(q->vq, &q->buffers, need);
}

/* 5.1.6.4.1: how many buffers it takes, also where it is always one. */
static bool put_num_buffers(struct net_queue *q)
{
	const size_t off = offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers);
	__virtio16 num = (__force __virtio16)cpu_to_le16(q->buffers.nr);
	struct iov_iter iter;

	if (likely(q->iov->iov_len >= NET_HDR))
		return !copy_to_user(q->iov->iov_base + off, &num, sizeof(num));
	iov_iter_init(&iter, READ, q->iov, q->buffers.segs, q->buffers.room);
	iov_iter_advance(&iter, off);
	return copy_to_iter(&num, sizeof(num), &iter) == sizeof(num);
}

/*
 * The packet, into what was gathered for it. It is gone afterwards. -EFAULT: there it
 * cannot be written; -EINVAL: it is not as it should be.
 */
static int receive(struct net_queue *q, u32 len)
{
	static const struct virtio_net_hdr_mrg_rxbuf plain;
	u32 want = len + (q->net->own_hdr ? 0 : NET_HDR);
	void *ptr = q->packets.ptr[q->packets.first];
	struct msghdr msg = {};
	int ret;

	iov_iter_init(&msg.msg_iter, READ, q->iov, q->buffers.segs,
		      q->buffers.room);
	if (q->net->own_hdr &&
	    copy_to_iter(&plain, sizeof(plain), &msg.msg_iter) != sizeof(plain)) {
		drop(q);
		return -EFAULT;
	}
	msg.msg_control = ptr;
	q->packets.first++;
	ret = q->sock->ops->recvmsg(q->sock, &msg, want,
				    MSG_DONTWAIT | MSG_TRUNC);
	/*
	 * A tun tells of no copy that failed, but of an xdp_frame's. Otherwise,
	 * another length: the tap's header is not of the size that it should be.
	 */
	if (ret == want || (ret > 0 && tun_is_xdp_frame(ptr)))
		return iov_iter_count(&msg.msg_iter) || !put_num_buffers(q) ?
		       -EFAULT : 0;
	return ret == -EFAULT ? ret : -EINVAL;
}

/* A buffer that is nowhere would be in the way of all packets to come. */
static void refuse(struct net_queue *q)
{
	u32 i;

	for (i = 0; i < q->buffers.nr; i++) {
		q->heads[i]->error = -EFAULT;
		q->lens[i] = 0;
	}
	vhdb_buffers_complete(q->vq, &q->buffers);
}

/* One packet. False if the run is over. */
static bool rx_one(struct net_queue *q, u32 len)
{
	switch (gather(q, len + NET_HDR)) {
	case 0:
		break;
	case -EAGAIN:
	case -ENOMSG:
		vhdb_vq_too_few(q->vq, q->heads, q->buffers.nr);
		return false;
	case -E2BIG:
	case -ENOMEM:
		/* It is the packet that goes. */
		drop(q);
		vhdb_vq_put_back(q->vq, q->heads, q->buffers.nr);
		return true;
	default:
		drop(q);
		refuse(q);
		return true;
	}
	vhdb_vq_charge_packet(q->vq, len);
	switch (receive(q, len)) {
	case 0:
		q->faults = 0;
		break;
	case -EFAULT:
		/* It may have been for want of memory; but not for ever. */
		if (q->faults++) {
			refuse(q);
			return true;
		}
		fallthrough;
	default:
		vhdb_vq_put_back(q->vq, q->heads, q->buffers.nr);
		return true;
	}
	q->heads[0]->bytes_read = len;
	vhdb_buffers_complete(q->vq, &q->buffers);
	q->used += q->buffers.nr;
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
		if (!rx_one(q, packet_len(ptr)))
			return;
	}
}
