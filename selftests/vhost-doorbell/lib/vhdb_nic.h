/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A network device of ours on a real tap, the driver of its two queues, and the
 * host at the tap's other side, who sends and gets frames through a packet socket.
 * Each tap is in a network namespace of the test's own, and goes with it.
 */
#ifndef VHDB_NIC_H
#define VHDB_NIC_H

#include <linux/virtio_net.h>

#include "vhdb_classic.h"

#define VHDB_NET_PATH		"/dev/vhost-doorbell-net"

#define VHDB_NIC_RX		0
#define VHDB_NIC_TX		1
#define VHDB_NIC_HDR		sizeof(struct virtio_net_hdr_mrg_rxbuf)
/* Frames that are ours, among what else may go over a wire */
#define VHDB_NIC_ETHERTYPE	0x88b5
#define VHDB_NIC_FRAME_MAX	65535
#define VHDB_NIC_HEAD		14	/* bytes of an Ethernet header */

struct vhdb_tap {
	char name[16];
	unsigned int ifindex;
	int fd;				/* the tap's file */
	int host;			/* a packet socket at its other side */
};

/* A new namespace with a tap, up, with the MTU @mtu; @flags besides IFF_TAP */
int vhdb_netns(void);
int vhdb_tap_create(struct vhdb_tap *tap, unsigned int flags, unsigned int mtu);
/* A macvtap instead, on a pair of interfaces; -ENODEV: this kernel has none */
int vhdb_macvtap_create(struct vhdb_tap *tap, unsigned int flags);
/* Another queue of either, which IFF_MULTI_QUEUE was for, in place of the first */
int vhdb_tap_other_queue(struct vhdb_tap *tap);
int vhdb_tap_up(const struct vhdb_tap *tap, bool up);
int vhdb_tap_mtu(const struct vhdb_tap *tap, unsigned int mtu);
int vhdb_tap_carrier(const struct vhdb_tap *tap, bool on);
/* "ip link del" */
int vhdb_tap_remove(const struct vhdb_tap *tap);
void vhdb_tap_destroy(struct vhdb_tap *tap);

/* The host sends or gets a frame: bytes, or -errno; -EAGAIN after the timeout */
int vhdb_host_send(const struct vhdb_tap *tap, const void *frame, size_t len);
int vhdb_host_recv(const struct vhdb_tap *tap, void *frame, size_t len);
/* The same with a header in front, which is struct virtio_net_hdr's */
int vhdb_host_send_gso(const struct vhdb_tap *tap,
		       const struct virtio_net_hdr *hdr, const void *frame,
		       size_t len);
int vhdb_host_recv_gso(const struct vhdb_tap *tap, struct virtio_net_hdr *hdr,
		       void *frame, size_t len);
/* Is there none? */
bool vhdb_host_quiet(const struct vhdb_tap *tap);

/* A frame of @len bytes, 14 at the least, that @seed tells from others */
void vhdb_frame(void *frame, size_t len, __u32 seed);
bool vhdb_frame_right(const void *frame, size_t len, __u32 seed);

struct vhdb_nic {
	struct vhdb_classic c;
	struct vhdb_tap tap;
	__u64 rx_bytes;			/* of each receive buffer */
	unsigned int rx_pieces;		/* descriptors of each */
	bool attached;			/* to the tap, at ATTACH */
	const char *node;		/* or else of this one, if it is not ours */
	__u64 rx_data;			/* GPA */
	__u64 tx_data;
	char *frame, *got;		/* VHDB_NIC_FRAME_MAX each */
};

int __vhdb_net_set_backend(int fd, unsigned int queue, int tap);
/* A namespace, a tap in it, and a device on that, set up, both queues with it */
int vhdb_nic_create(struct vhdb_nic *nic, __u64 features, size_t rx_bytes);
/* On nic->tap; by ATTACH, or else by SET_BACKEND of nic->node, opened */
int vhdb_nic_create_on(struct vhdb_nic *nic, __u64 features, size_t rx_bytes,
		       bool attach);
/* Of an open file, or with -1 of none yet: memory, rings, frames */
int vhdb_nic_init(struct vhdb_nic *nic, int fd, __u64 features, size_t rx_bytes);
/* ATTACH, in the classic dialect */
int vhdb_nic_attach(int fd, int tap);
int vhdb_nic_start(struct vhdb_nic *nic);
void vhdb_nic_destroy(struct vhdb_nic *nic);

/* Give the device @nr receive buffers; kick */
int vhdb_nic_give(struct vhdb_nic *nic, unsigned int nr);
/*
 * A packet for the guest, waited for: its length, or -errno. The header goes to
 * @hdr; the buffers are given to the device again.
 */
int vhdb_nic_recv(struct vhdb_nic *nic, struct virtio_net_hdr_mrg_rxbuf *hdr,
		  void *frame, size_t len);
/* No buffer is used */
bool vhdb_nic_quiet(struct vhdb_nic *nic);
/*
 * The guest sends; @hdr may be NULL. In @pieces descriptors, the first of which has
 * @first bytes (0: an even share). Waits for the answer.
 */
int vhdb_nic_send(struct vhdb_nic *nic,
		  const struct virtio_net_hdr_mrg_rxbuf *hdr, const void *frame,
		  size_t len);
int vhdb_nic_send_pieces(struct vhdb_nic *nic,
			 const struct virtio_net_hdr_mrg_rxbuf *hdr,
			 const void *frame, size_t len, unsigned int pieces,
			 size_t first);
/*
 * A frame of @len bytes that is made in nic->frame and got in nic->got: 0 or -errno.
 * To the guest, with the header that came; to the host, as vhdb_nic_send_pieces();
 * both.
 */
int vhdb_nic_to_guest(struct vhdb_nic *nic,
		      struct virtio_net_hdr_mrg_rxbuf *hdr, unsigned int len,
		      __u32 seed);
int vhdb_nic_to_host(struct vhdb_nic *nic, unsigned int len, __u32 seed,
		     unsigned int pieces, size_t first);
int vhdb_nic_both_ways(struct vhdb_nic *nic, unsigned int len, __u32 seed);
/* Not waited for, nor kicked: slot @i of 64, 2 KiB each at the most */
int vhdb_nic_queue(struct vhdb_nic *nic, unsigned int i, const void *frame,
		   size_t len);
int vhdb_nic_reap(struct vhdb_nic *nic);

#endif /* VHDB_NIC_H */
