// SPDX-License-Identifier: GPL-2.0
/*
 * virtio_ring.c of a kernel's source behind the contract of driver.h. It is
 * included, so that what the kernel's headers of userspace don't declare is
 * declared by its definition.
 */
#include STOCK_VIRTIO_RING

#include "driver.h"

/* Pieces of a buffer at the most. */
#define SEGS_MAX	1024

/* So that a pointer to vdev leads to the rest. */
struct transport {
	struct virtio_device vdev;
	struct virtio_config_ops ops;
	struct stock_dev *dev;
	struct scatterlist sg[SEGS_MAX];
};

/* Defined by whoever links with the kernel's shims of userspace. */
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;

static struct transport *to_transport(struct stock_dev *dev)
{
	struct virtqueue *vq = dev->vq;

	return container_of(vq->vdev, struct transport, vdev);
}

static void areas_set(struct stock_dev *dev)
{
	struct virtqueue *vq = dev->vq;

	dev->desc = phys_to_virt(virtqueue_get_desc_addr(vq));
	dev->driver = phys_to_virt(virtqueue_get_avail_addr(vq));
	dev->device = phys_to_virt(virtqueue_get_used_addr(vq));
	dev->num = virtqueue_get_vring_size(vq);
}

static int reset_disable(struct virtqueue *vq)
{
	struct transport *t = container_of(vq->vdev, struct transport, vdev);

	t->dev->reset(t->dev->data);
	return 0;
}

static int reset_enable(struct virtqueue *vq)
{
	return 0;
}

static void recycle(struct virtqueue *vq, void *token)
{
	struct transport *t = container_of(vq->vdev, struct transport, vdev);

	t->dev->recycle(t->dev->data, token);
}

/* Nobody is notified: the test asks, and does what is due. */
static bool notify_none(struct virtqueue *vq)
{
	return true;
}

static void callback_none(struct virtqueue *vq)
{
}

u64 stock_features(u64 features)
{
	struct virtio_device vdev = { .features = features };

	vring_transport_features(&vdev);
	return vdev.features;
}

int stock_create(struct stock_dev *dev, u32 num, u64 features)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->dev = dev;
	t->ops.disable_vq_and_reset = reset_disable;
	t->ops.enable_vq_after_reset = reset_enable;
	t->vdev.features = features;
	t->vdev.config = &t->ops;
	INIT_LIST_HEAD(&t->vdev.vqs);
	spin_lock_init(&t->vdev.vqs_list_lock);
	dev->vq = vring_create_virtqueue(0, num, PAGE_SIZE, &t->vdev, true,
					 false, false, notify_none,
					 callback_none, "stock");
	if (!dev->vq) {
		free(t);
		return -ENOMEM;
	}
	((struct virtqueue *)dev->vq)->num_max = num;
	areas_set(dev);
	return 0;
}

int stock_resize(struct stock_dev *dev, u32 num)
{
	int err;

#ifdef STOCK_RECYCLE_DONE
	err = virtqueue_resize(dev->vq, num, recycle, NULL);
#else
	err = virtqueue_resize(dev->vq, num, recycle);
#endif
	areas_set(dev);
	return err;
}

void stock_destroy(struct stock_dev *dev)
{
	struct transport *t = to_transport(dev);

	vring_del_virtqueue(dev->vq);
	free(t);
}

int stock_add(struct stock_dev *dev, const struct stock_seg *segs,
	      u32 nr_out, u32 nr_in, void *token)
{
	struct transport *t = to_transport(dev);
	u32 nr = nr_out + nr_in, i;
	struct scatterlist *sgs[2];
	u32 out = 0;

	sg_init_table(t->sg, nr);
	for (i = 0; i < nr; i++)
		sg_set_buf(&t->sg[i], segs[i].addr, segs[i].len);
	if (nr_out) {
		sg_mark_end(&t->sg[nr_out - 1]);
		sgs[out++] = t->sg;
	}
	if (nr_in)
		sgs[out] = t->sg + nr_out;
	return virtqueue_add_sgs(dev->vq, sgs, out, nr_in ? 1 : 0, token,
				 GFP_ATOMIC);
}

bool stock_need_kick(struct stock_dev *dev)
{
	return virtqueue_kick_prepare(dev->vq);
}

void *stock_get(struct stock_dev *dev, u32 *len)
{
	return virtqueue_get_buf(dev->vq, len);
}

void stock_disable_cb(struct stock_dev *dev)
{
	virtqueue_disable_cb(dev->vq);
}

bool stock_enable_cb(struct stock_dev *dev)
{
	return virtqueue_enable_cb(dev->vq);
}

bool stock_enable_cb_delayed(struct stock_dev *dev)
{
	return virtqueue_enable_cb_delayed(dev->vq);
}

void stock_interrupt(struct stock_dev *dev)
{
	vring_interrupt(0, dev->vq);
}

bool stock_broken(struct stock_dev *dev)
{
	return virtqueue_is_broken(dev->vq);
}
