// SPDX-License-Identifier: GPL-2.0
/*
 * Packets of the guest, to the tap.
 *
 * Those of up to a page are copied to memory of ours that becomes the skb's own, and
 * handed over many at a time; others the tap copies from the guest's memory. A
 * packet that was copied is complete: what the tap makes of it is of no concern to
 * the driver.
 */
#include <linux/if_tun.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/virtio_byteorder.h>

#include <net/sock.h>

#include "net.h"

/* In front of a packet, as the kernel's own drivers have it. */
#define TX_PAD		(NET_IP_ALIGN + NET_SKB_PAD)

/* Without a limit on what is under way, there is no need to count it. */
static bool can_batch(const struct net_queue *q)
{
	return READ_ONCE(q->sock->sk->sk_sndbuf) == INT_MAX;
}

/**
 * net_tx_pending() - does the tap take a packet?
 * @q: the queue
 *
 * Context: the worker. After net_sock_listen(), who makes room wakes the queue if
 * there is none now.
 * Return: true if it does.
 */
bool net_tx_pending(struct net_queue *q)
{
	/* No interface is no reason to wait: then packets are dropped. */
	return q->sock && (can_batch(q) ||
			   (vfs_poll(q->file, NULL) & (EPOLLOUT | EPOLLERR)));
}

/* Hands the tap what was gathered for it. */
static void flush(struct net_queue *q)
{
	struct tun_msg_ctl ctl = {
		.type = TUN_MSG_PTR,
		.num = q->nr_xdp,
		.ptr = q->xdp,
	};
	struct msghdr msg = {
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
		.msg_flags = MSG_DONTWAIT,
	};
	u32 i;

	if (!q->nr_xdp)
		return;
	/* It fails as a whole, for want of an interface, or not at all. */
	if (q->sock->ops->sendmsg(q->sock, &msg, 0) < 0)
		for (i = 0; i < q->nr_xdp; i++)
			put_page(virt_to_head_page(q->xdp[i].data));
	q->nr_xdp = 0;
}

/**
 * net_tx_free() - what a queue has kept for packets
 * @q: the queue; it is not served any more
 *
 * Context: process.
 */
void net_tx_free(struct net_queue *q)
{
	if (q->frag.page)
		put_page(q->frag.page);
	q->frag.page = NULL;
}

static u16 get16(__virtio16 val)
{
	return __virtio16_to_cpu(true, val);
}

/*
 * 5.1.6.2: the header of a packet of @len bytes. Its length need not be right for
 * a checksum; to who takes the packet it has to be.
 */
static int fix_hdr(struct virtio_net_hdr *hdr, u32 len)
{
	u32 end;

	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return 0;
	end = (u32)get16(hdr->csum_start) + get16(hdr->csum_offset) + 2;
	if (end <= get16(hdr->hdr_len))
		return 0;
	if (end > len)
		return -EINVAL;
	hdr->hdr_len = __cpu_to_virtio16(true, end);
	return 0;
}

/*
 * Copies the present request's packet of @len bytes to @buf, with the header in
 * front of it: one piece in the guest's memory is one copy.
 */
static int fill(struct net_queue *q, void *buf, u32 pad, u32 len)
{
	struct virtio_net_hdr_mrg_rxbuf *hdr = buf + pad - NET_HDR;
	struct tun_xdp_hdr *xdp_hdr = buf;
	int err = vhdb_vq_copy_from(q->vq, hdr, NET_HDR + len);

	if (err)
		return err;
	if (q->net->own_hdr)
		memset(hdr, 0, sizeof(*hdr));
	err = fix_hdr(&hdr->hdr, len);
	if (!err)
		xdp_hdr->gso = hdr->hdr;
	return err;
}

/* Adds the present request's packet of @len bytes to the batch. -ENOSPC: large */
static int add(struct net_queue *q, u32 len)
{
	u32 headroom = sock_flag(q->sock->sk, SOCK_XDP) ? XDP_PACKET_HEADROOM :
							  0;
	u32 pad = SKB_DATA_ALIGN(TX_PAD + headroom + NET_HDR);
	u32 buflen = SKB_DATA_ALIGN(sizeof(struct skb_shared_info)) +
		     SKB_DATA_ALIGN(len + pad);
	struct page_frag *frag = &q->frag;
	struct tun_xdp_hdr *hdr;
	struct xdp_buff *xdp;
	void *buf;
	int err;

	if (buflen > PAGE_SIZE)
		return -ENOSPC;
	frag->offset = ALIGN(frag->offset, SMP_CACHE_BYTES);
	if (!skb_page_frag_refill(buflen, frag, GFP_KERNEL))
		return -ENOMEM;
	buf = page_address(frag->page) + frag->offset;
	err = fill(q, buf, pad, len);
	if (err)
		return err;

	hdr = buf;
	hdr->buflen = buflen;
	xdp = &q->xdp[q->nr_xdp++];
	xdp_init_buff(xdp, buflen, NULL);
	xdp_prepare_buff(xdp, buf, pad, len, true);
	get_page(frag->page);
	frag->offset += buflen;
	return 0;
}

/* A packet of @len bytes on its own, from where it is. */
static int send_one(struct net_queue *q, u32 len)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	u32 total = len + NET_HDR;
	int nr;

	/* In their order. */
	flush(q);
	nr = vhdb_vq_iov_out(q->vq, q->iov, VHDB_SEGS_MAX, total);
	if (nr < 0)
		return nr;
	iov_iter_init(&msg.msg_iter, WRITE, q->iov, nr, total);
	if (q->net->own_hdr) {
		iov_iter_advance(&msg.msg_iter, NET_HDR);
		total -= NET_HDR;
	}
	nr = q->sock->ops->sendmsg(q->sock, &msg, total);
	return min(nr, 0);
}

static int send_packet(struct net_queue *q, u64 total)
{
	int err = -ENOSPC;
	u32 len;

	if (total < NET_HDR || total - NET_HDR > NET_LEN_MAX) {
		vhdb_vq_charge_packet(q->vq, 0);
		return -EINVAL;
	}
	len = total - NET_HDR;
	vhdb_vq_charge_packet(q->vq, len);
	if (can_batch(q))
		err = add(q, len);
	return err == -ENOSPC ? send_one(q, len) : err;
}

/* One packet; its bytes. */
static u64 tx_one(struct net_queue *q, struct vhdb_request *rq)
{
	u64 total = vhdb_vq_out_left(q->vq);

	/* 5.1.6.2: nothing for the device to write */
	if (vhdb_vq_in_left(q->vq)) {
		vhdb_vq_break(q->vq, -ENOMSG);
		rq->error = -EIO;
	} else {
		rq->error = send_packet(q, total);
		if (!rq->error)
			rq->bytes_written = total - NET_HDR;
	}
	vhdb_request_complete(rq, 0);
	return total;
}

/**
 * net_tx_run() - serve the transmit queue
 * @q: the queue
 *
 * Context: the worker.
 */
void net_tx_run(struct net_queue *q)
{
	struct vhdb_request *rq;
	u64 bytes = 0;
	u32 nr = 0;

	for (;;) {
		if (!net_tx_pending(q)) {
			vhdb_vq_idle(q->vq);
			break;
		}
		rq = vhdb_vq_next(q->vq);
		if (!rq)
			break;
		bytes += tx_one(q, rq);
		if (++nr < NET_BATCH && bytes < NET_BATCH_BYTES)
			continue;
		/* The driver makes new ones of them, while we deal with others. */
		flush(q);
		vhdb_vq_give_back(q->vq);
		bytes = 0;
		nr = 0;
	}
	if (q->sock)
		flush(q);
}
