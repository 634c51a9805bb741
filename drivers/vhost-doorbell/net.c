// SPDX-License-Identifier: GPL-2.0
/*
 * The 'net' back end: a virtio network device (virtio 1.3, 5.1) of one queue pair
 * on a tap or macvtap. What is said of it in both dialects stands in the uapi
 * header.
 *
 * A queue is served when the driver kicks it or, once it has nothing to do for the
 * driver's buffers, when the tap's socket wakes it: a packet for the guest, or room
 * for one of the guest's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/etherdevice.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <uapi/linux/vhost.h>
#include <uapi/linux/vhost_doorbell.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_ids.h>

#include "net.h"

/* Linux 6.2, commit 860b7f27b8f7 ("linux/virtio_net.h: Support USO offload ...") */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4	54
#define VIRTIO_NET_F_GUEST_USO6	55
#define VIRTIO_NET_F_HOST_USO	56
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

#define USO_FEATURES	(BIT_ULL(VIRTIO_NET_F_GUEST_USO4) |	\
			 BIT_ULL(VIRTIO_NET_F_GUEST_USO6) |	\
			 BIT_ULL(VIRTIO_NET_F_HOST_USO))

/* What passes through: the header of a packet tells the other side. */
#define OFFLOADS	(BIT_ULL(VIRTIO_NET_F_CSUM) |		\
			 BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) |	\
			 BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) |	\
			 BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) |	\
			 BIT_ULL(VIRTIO_NET_F_GUEST_ECN) |	\
			 BIT_ULL(VIRTIO_NET_F_HOST_TSO4) |	\
			 BIT_ULL(VIRTIO_NET_F_HOST_TSO6) |	\
			 BIT_ULL(VIRTIO_NET_F_HOST_ECN))

#define LINK_FEATURES	(BIT_ULL(VIRTIO_NET_F_STATUS) |	\
			 BIT_ULL(VIRTIO_NET_F_MTU))

/* Of one that was started. */
static struct net_queue *queue_of(struct vhdb_vq *vq)
{
	struct net_dev *net = vhdb_vq_priv(vq);

	return &net->queues[net->queues[NET_RX].vq == vq ? NET_RX : NET_TX];
}

static bool is_rx(const struct net_queue *q)
{
	return q == &q->net->queues[NET_RX];
}

static void net_run(struct vhdb_vq *vq)
{
	struct net_queue *q = queue_of(vq);

	if (is_rx(q))
		net_rx_run(q);
	else
		net_tx_run(q);
}

static bool net_pending(struct vhdb_vq *vq)
{
	struct net_queue *q = queue_of(vq);

	return is_rx(q) ? net_rx_pending(q) : net_tx_pending(q);
}

static bool net_arm(struct vhdb_vq *vq)
{
	struct net_queue *q = queue_of(vq);

	/* Without a tap it waits for one. */
	if (!q->sock)
		return false;
	net_sock_listen(q);
	return net_pending(vq);
}

static void net_start(struct vhdb_vq *vq)
{
	struct net_dev *net = vhdb_vq_priv(vq);

	net->queues[vhdb_vq_index(vq)].vq = vq;
}

static void quiet(struct net_queue *q)
{
	net_sock_unlisten(q);
	if (is_rx(q))
		net_rx_drop_all(q);
}

static void net_stop(struct vhdb_vq *vq)
{
	struct net_dev *net = vhdb_vq_priv(vq);

	quiet(&net->queues[vhdb_vq_index(vq)]);
}

static int net_set_file(void *priv, u16 queue, struct file *file)
{
	struct net_dev *net = priv;
	struct net_queue *q = &net->queues[queue];
	int err = file ? net_sock_check(file) : 0;

	if (!err && file != q->file) {
		quiet(q);
		net_sock_set(q, file);
	}
	return err;
}

/* --- features and config space --- */

static unsigned long tun_offloads(u64 features)
{
	static const struct {
		u8 bit;
		unsigned int flag;
	} map[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
		{ VIRTIO_NET_F_GUEST_USO4, TUN_F_USO4 },
		{ VIRTIO_NET_F_GUEST_USO6, TUN_F_USO6 },
	};
	unsigned long flags = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map); i++)
		if (features & BIT_ULL(map[i].bit))
			flags |= map[i].flag;
	/* 5.1.3.1: the others need it; the tap would refuse them. */
	if (!(flags & TUN_F_CSUM))
		flags = 0;
	if (!(flags & (TUN_F_TSO4 | TUN_F_TSO6)))
		flags &= ~TUN_F_TSO_ECN;
	/* It has both or none. */
	if ((flags & (TUN_F_USO4 | TUN_F_USO6)) != (TUN_F_USO4 | TUN_F_USO6))
		flags &= ~(TUN_F_USO4 | TUN_F_USO6);
	return flags;
}

/* What the tap may send that a guest has to complete. */
static long set_offloads(struct net_dev *net, unsigned long flags)
{
	/* Its argument is a number, no address. */
	return vfs_ioctl(net->queues[NET_RX].file, TUNSETOFFLOAD, flags);
}

static void net_negotiated(void *priv, u64 features)
{
	struct net_dev *net = priv;

	if (net->classic) {
		net->own_hdr = features & BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR);
		return;
	}
	/* It may have lost its interface; then there is nothing to send. */
	set_offloads(net, tun_offloads(features));
	net_link_chosen(net, features);
}

static u64 net_device_features(void *priv)
{
	const struct net_dev *net = priv;
	u64 features = BIT_ULL(VIRTIO_NET_F_MRG_RXBUF);

	if (net->classic)
		return features | BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR);
	features |= OFFLOADS;
	if (net->uso)
		features |= USO_FEATURES;
	if (net->has_link)
		features |= LINK_FEATURES;
	if (net->has_mac)
		features |= BIT_ULL(VIRTIO_NET_F_MAC);
	return features;
}

static void net_get_config(void *priv, void *config)
{
	const struct net_dev *net = priv;
	struct virtio_net_config *c = config;

	memcpy(c->mac, net->mac, sizeof(c->mac));
	c->status = __cpu_to_virtio16(true, READ_ONCE(net->status));
	c->max_virtqueue_pairs = __cpu_to_virtio16(true, 1);
	c->mtu = __cpu_to_virtio16(true, READ_ONCE(net->mtu));
	/* 5.1.4: unknown */
	c->speed = cpu_to_le32(U32_MAX);
	c->duplex = U8_MAX;
}

/* --- life --- */

/* A tap for vhost-vdpa, where we see to its offloads: what does it know? */
static int probe_tap(struct net_dev *net)
{
	long err = set_offloads(net, TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6);

	net->uso = !err;
	if (err == -EINVAL)
		err = 0;
	return err ?: set_offloads(net, 0);
}

static void forget_taps(struct net_dev *net)
{
	u16 i;

	for (i = 0; i < NET_QUEUES; i++) {
		quiet(&net->queues[i]);
		net_sock_set(&net->queues[i], NULL);
	}
	net_tx_free(&net->queues[NET_TX]);
}

static int take_tap(struct net_dev *net, struct file *file)
{
	int err = net_sock_check(file);
	u16 i;

	if (err)
		return err;
	for (i = 0; i < NET_QUEUES; i++)
		net_sock_set(&net->queues[i], file);
	return net->classic ? 0 : probe_tap(net);
}

static void *net_attach(const struct vhdb_attach *attach)
{
	struct net_dev *net;
	int err;
	u16 i;

	if (attach->readonly || attach->logical_block_size ||
	    memchr_inv(attach->serial, 0, sizeof(attach->serial)))
		return ERR_PTR(-EINVAL);
	/* Only one of the dialects has a config space, and only one SET_BACKEND. */
	if (attach->classic &&
	    (attach->ifindex || !is_zero_ether_addr(attach->mac)))
		return ERR_PTR(-EINVAL);
	if (!attach->classic && !attach->file)
		return ERR_PTR(-EBADF);
	if (is_multicast_ether_addr(attach->mac))
		return ERR_PTR(-EINVAL);

	net = kvzalloc(sizeof(*net), GFP_KERNEL_ACCOUNT);
	if (!net)
		return ERR_PTR(-ENOMEM);
	net->dev = attach->dev;
	net->classic = attach->classic;
	memcpy(net->mac, attach->mac, sizeof(net->mac));
	net->has_mac = !is_zero_ether_addr(net->mac);
	for (i = 0; i < NET_QUEUES; i++) {
		net->queues[i].net = net;
		net_sock_init(&net->queues[i]);
	}
	net_rx_init(&net->queues[NET_RX]);
	err = attach->file ? take_tap(net, attach->file) : 0;
	if (!err && attach->ifindex)
		err = net_link_follow(net, attach->ifindex);
	if (err) {
		forget_taps(net);
		kvfree(net);
		return ERR_PTR(err);
	}
	return net;
}

static void net_detach(void *priv)
{
	struct net_dev *net = priv;

	net_link_forget(net);
	forget_taps(net);
	kvfree(net);
}

static const struct vhdb_backend net_backend = {
	.name = "net",
	.owner = THIS_MODULE,
	.may_have_no_file = true,
	.is_net = true,
	.own_rate = true,
	.device_id = VIRTIO_ID_NET,
	.queues_max = NET_QUEUES,
	.queues_step = NET_QUEUES,
	.features = OFFLOADS | USO_FEATURES | LINK_FEATURES |
		    BIT_ULL(VIRTIO_NET_F_MAC) |
		    BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) |
		    BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR),
	.config_size = sizeof(struct virtio_net_config),
	.request_size = sizeof(struct vhdb_request),
	.attach = net_attach,
	.detach = net_detach,
	.device_features = net_device_features,
	.negotiated = net_negotiated,
	.get_config = net_get_config,
	.run = net_run,
	.set_file = net_set_file,
	.start = net_start,
	.stop = net_stop,
	.pending = net_pending,
	.arm = net_arm,
};

/* --- the node for vhost-net's clients --- */

static int node_open(struct inode *inode, struct file *file)
{
	static const struct vhost_doorbell_attach attach = {
		.size = sizeof(attach),
		.backend = "net",
		.fd = -1,
		.dialect = VHOST_DOORBELL_DIALECT_CLASSIC,
		.queue_size = NET_NODE_QUEUE_SIZE,
	};

	return vhdb_open_attached(inode, file, &attach);
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
	.llseek = noop_llseek,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vhost-doorbell-net",
	.fops = &node_fops,
	.mode = 0600,
};

static int __init net_init(void)
{
	int err = net_link_init();

	if (err)
		return err;
	err = vhdb_register_backend(&net_backend);
	if (err)
		goto err_link;
	err = misc_register(&node);
	if (err)
		goto err_backend;
	return 0;

err_backend:
	vhdb_unregister_backend(&net_backend);
err_link:
	net_link_exit();
	return err;
}
module_init(net_init);

static void __exit net_exit(void)
{
	misc_deregister(&node);
	vhdb_unregister_backend(&net_backend);
	net_link_exit();
}
module_exit(net_exit);

MODULE_DESCRIPTION("vhost-doorbell: virtio network devices");
MODULE_ALIAS("vhost-doorbell-net");
MODULE_LICENSE("GPL");
