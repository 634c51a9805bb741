/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_NET_H
#define VHDB_NET_H

#include <linux/mm_types_task.h>
#include <linux/net.h>
#include <linux/sizes.h>
#include <linux/uio.h>
#include <linux/vhost_doorbell.h>
#include <linux/wait.h>

#include <net/xdp.h>

#include <uapi/linux/virtio_net.h>

struct net_dev;
struct net_device;
struct ptr_ring;

/* 5.1.2: which queue is which. */
#define NET_RX		0
#define NET_TX		1
#define NET_QUEUES	2

/*
 * Packets that go to the tap, or come from it, at once, and after which the driver
 * gets its buffers back; those of the guest's also after so many bytes.
 */
#define NET_BATCH	64
#define NET_BATCH_BYTES	SZ_128K

/*
 * Largest queue of /dev/vhost-doorbell-net, whose clients do not ask: whatever a
 * ring can have. What a queue takes is reckoned by the size that it is given.
 */
#define NET_NODE_QUEUE_SIZE	32768

/*
 * Buffers that one packet for the guest may take: half of a run's requests, so
 * that one which a run has not enough left for is got by the next.
 */
#define NET_HEADS_MAX	128U

/* 5.1.6.1: the header in front of each packet. */
#define NET_HDR		((u32)sizeof(struct virtio_net_hdr_mrg_rxbuf))

/* The longest packet of a guest: 64 KiB of payload and headers in front of them. */
#define NET_LEN_MAX	(65536 + 256)

/**
 * struct net_packets - packets that were taken from a tap in one go
 * @ptr: as the tap's ring has them: skbs, or tagged xdp_frames
 * @first: first one that is still there
 * @end: behind the last one
 */
struct net_packets {
	void *ptr[NET_BATCH];
	u32 first;
	u32 end;
};

/**
 * struct net_queue - a queue
 * @vq: the core's part; NULL until it was started once
 * @net: its device
 * @file: the tap, held; NULL for none
 * @sock: its socket
 * @ring: where it has packets for us
 * @wait: in the socket's wait queue while the queue is idle; takes itself off
 * @iov: room for the pieces of one packet
 * @packets: receive queue: what is to go to the guest
 * @heads: receive queue: buffers of one packet
 * @lens: receive queue: what is written to each of them
 * @buffers: receive queue: what was gathered for one packet
 * @faults: receive queue: packets in a row that could not be written
 * @used: receive queue: buffers since the driver got some back
 * @xdp: transmit queue: packets for the tap
 * @nr_xdp: how many
 * @frag: transmit queue: where those are
 *
 * @file, @sock and @ring change while the queue is not served; the rest is its
 * run()'s.
 */
struct net_queue {
	struct vhdb_vq *vq;
	struct net_dev *net;
	struct file *file;
	struct socket *sock;
	struct ptr_ring *ring;
	wait_queue_entry_t wait;
	struct iovec iov[VHDB_SEGS_MAX];
	union {
		struct {
			struct net_packets packets;
			struct vhdb_request *heads[NET_HEADS_MAX];
			u32 lens[NET_HEADS_MAX];
			struct vhdb_buffers buffers;
			u32 faults;
			u32 used;
		};
		struct {
			struct xdp_buff xdp[NET_BATCH];
			u32 nr_xdp;
			struct page_frag frag;
		};
	};
};

/**
 * struct net_dev - a device
 * @dev: the core's part
 * @classic: the classic dialect: the client sees to the tap's offloads
 * @uso: the tap knows USO
 * @own_hdr: the header ends, or begins, with us: the tap has none. Changes while
 *	no queue is served.
 * @mac: for config space
 * @has_mac: it is there
 * @has_link: config space tells of an interface
 * @chosen: there is a driver that has chosen features. Under RTNL.
 * @link: in the list of those that follow an interface. Under RTNL.
 * @ifdev: the interface; NULL when it has gone. Under RTNL.
 * @status: VIRTIO_NET_S_*. Any context.
 * @mtu: what the driver is told. Any context.
 * @next_mtu: what it is told after a reset. Under RTNL.
 * @queues: the queues
 */
struct net_dev {
	struct vhdb_device *dev;
	bool classic;
	bool uso;
	bool own_hdr;
	u8 mac[6];
	bool has_mac;
	bool has_link;
	bool chosen;
	struct list_head link;
	struct net_device *ifdev;
	u16 status;
	u16 mtu;
	u16 next_mtu;
	struct net_queue queues[NET_QUEUES];
};

/* net_sock.c */
int net_sock_check(struct file *file);
void net_sock_set(struct net_queue *q, struct file *file);
void net_sock_init(struct net_queue *q);
void net_sock_listen(struct net_queue *q);
void net_sock_unlisten(struct net_queue *q);

/* net_link.c */
int net_link_follow(struct net_dev *net, u32 ifindex);
void net_link_forget(struct net_dev *net);
void net_link_chosen(struct net_dev *net, bool chosen);
int net_link_init(void);
void net_link_exit(void);

/* net_rx.c */
void net_rx_init(struct net_queue *q);
void net_rx_run(struct net_queue *q);
bool net_rx_pending(struct net_queue *q);
void net_rx_drop_all(struct net_queue *q);

/* net_tx.c */
void net_tx_run(struct net_queue *q);
bool net_tx_pending(struct net_queue *q);
void net_tx_free(struct net_queue *q);

#endif /* VHDB_NET_H */
