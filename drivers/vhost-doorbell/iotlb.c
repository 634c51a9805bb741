// SPDX-License-Identifier: GPL-2.0
/*
 * IOTLB messages: the owner tells what the driver's addresses (IOVAs) are, and
 * in the classic dialect is asked for those that it has not told.
 *
 * There, an address that is not mapped is no error yet. A queue that needs it
 * leaves a question (MISS), which the owner reads from the file, and goes on
 * when there is an answer: a mapping, or the word that there is none
 * (ACCESS_FAIL), which makes the request fail. Each queue has one question at a
 * time, so there is no more to be stored than that.
 */
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include <uapi/linux/vhost.h>
#include <uapi/linux/vhost_doorbell.h>

#include "device.h"

/* The two differ in what lies between type and message. */
static_assert(offsetof(struct vhost_msg, iotlb) ==
	      offsetof(struct vhost_msg_v2, iotlb));
static_assert(sizeof(struct vhost_msg) == sizeof(struct vhost_msg_v2));

/**
 * vhdb_miss_init() - a queue that has not asked for anything
 * @vq: the queue
 *
 * Context: process.
 */
void vhdb_miss_init(struct vhdb_vq *vq)
{
	vq->miss.state = VHDB_MISS_NONE;
	INIT_LIST_HEAD(&vq->miss.link);
}

/**
 * vhdb_miss_drop() - take a question back
 * @vq: the queue; whether it has asked for anything or not
 *
 * Context: process.
 */
void vhdb_miss_drop(struct vhdb_vq *vq)
{
	spin_lock(&vq->dev->msg_lock);
	vq->miss.state = VHDB_MISS_NONE;
	list_del_init(&vq->miss.link);
	spin_unlock(&vq->dev->msg_lock);
}

/**
 * vhdb_miss_ask() - ask for what is not mapped of a range
 * @vq: the queue that cannot go on without it
 * @iova: the range
 * @len: bytes, not 0
 * @perm: what is going to be done there
 *
 * Asking for the same again asks nothing new, unless the owner has read the
 * question: it may have had no answer then, and have one now.
 *
 * Context: process; @dev->memory.sem or the device's mutex is held.
 * Return: 0 if all of it is mapped, 1 if something was asked for, -EACCES if
 * the owner has said that it cannot be had; that is told once.
 */
int vhdb_miss_ask(struct vhdb_vq *vq, u64 iova, u64 len, u8 perm)
{
	struct vhdb_device *dev = vq->dev;
	struct vhdb_miss *miss = &vq->miss;
	bool news = false;
	int ret = 1;
	u64 hole;

	if (!vhdb_memory_find_hole(&dev->memory, iova, len, &hole))
		return 0;

	spin_lock(&dev->msg_lock);
	if (miss->state == VHDB_MISS_DENIED && miss->iova == hole) {
		miss->state = VHDB_MISS_NONE;
		ret = -EACCES;
	} else if (miss->state != VHDB_MISS_ASKED || miss->iova != hole ||
		   miss->perm != perm) {
		miss->iova = hole;
		miss->perm = perm;
		miss->state = VHDB_MISS_ASKED;
		list_move_tail(&miss->link, &dev->msgs);
		news = true;
	}
	spin_unlock(&dev->msg_lock);

	if (news)
		wake_up_interruptible_poll(&dev->msg_wait,
					   EPOLLIN | EPOLLRDNORM);
	return ret;
}

/* Is a question answered by the map as it is now, or by a refusal? */
static bool miss_answer(struct vhdb_vq *vq, const struct vhost_iotlb_msg *deny)
{
	struct vhdb_miss *miss = &vq->miss;
	bool answered = false;
	u64 hole;

	spin_lock(&vq->dev->msg_lock);
	if (miss->state == VHDB_MISS_ASKED || miss->state == VHDB_MISS_READ) {
		if (!deny)
			answered = !vhdb_memory_find_hole(&vq->dev->memory,
							  miss->iova, 1, &hole);
		else
			answered = miss->iova - deny->iova < deny->size;
		if (answered) {
			miss->state = deny ? VHDB_MISS_DENIED : VHDB_MISS_NONE;
			list_del_init(&miss->link);
		}
	}
	spin_unlock(&vq->dev->msg_lock);
	return answered;
}

/* The map has changed, or a mapping is refused: who has waited for that? */
static void answer(struct vhdb_device *dev, const struct vhost_iotlb_msg *deny)
{
	u16 i;

	for (i = 0; i < dev->nvqs; i++) {
		struct vhdb_vq *vq = &dev->vqs[i];

		if (!miss_answer(vq, deny))
			continue;
		if (deny && vhdb_vq_paused(vq)) {
			/* A queue without a ring has no request to fail. */
			vhdb_miss_drop(vq);
			vhdb_call_signal(&vq->err);
			continue;
		}
		vhdb_vq_serve(vq);
	}
}

/* After something was taken away: nobody uses it any more. */
static int invalidate(struct vhdb_device *dev, u64 iova, u64 size)
{
	bool wait;
	int err = vhdb_memory_invalidate(&dev->memory, iova, size, &wait);

	/* Within a batch, nothing has changed yet. */
	if (err || dev->memory.shadow)
		return err;
	return vhdb_device_map_changed(dev, wait);
}

/*
 * In the classic dialect a mapping replaces what is in its place, as two
 * queues may have asked for the same, and the oldest of a full map.
 */
static int update_classic(struct vhdb_device *dev,
			  const struct vhost_iotlb_msg *msg)
{
	struct vhdb_memory *memory = &dev->memory;
	u64 iova, size;
	int err;

	for (;;) {
		err = vhdb_memory_update(memory, msg->iova, msg->size,
					 msg->uaddr, msg->perm);
		if (err == -EEXIST) {
			if (vhdb_memory_has(memory, msg->iova, msg->size,
					    msg->uaddr, msg->perm))
				return 0;
			err = invalidate(dev, msg->iova, msg->size);
		} else if (err == -ENOSPC &&
			   vhdb_memory_oldest(memory, &iova, &size)) {
			err = invalidate(dev, iova, size);
		} else {
			return err;
		}
		if (err)
			return err;
	}
}

static int update(struct vhdb_device *dev, const struct vhost_iotlb_msg *msg)
{
	int err;

	if (vhdb_device_is_classic(dev))
		err = update_classic(dev, msg);
	else
		err = vhdb_memory_update(&dev->memory, msg->iova, msg->size,
					 msg->uaddr, msg->perm);
	if (err || dev->memory.shadow)
		return err;
	return vhdb_device_map_changed(dev, false);
}

static int batch_end(struct vhdb_device *dev)
{
	int err = vhdb_memory_batch_end(&dev->memory);

	return err ?: vhdb_device_map_changed(dev, true);
}

/* One message; see vhdb_memory_*() for the errors. */
static int iotlb_msg(struct vhdb_device *dev, const struct vhost_iotlb_msg *msg)
{
	int err;

	switch (msg->type) {
	case VHOST_IOTLB_UPDATE:
		err = update(dev, msg);
		break;
	case VHOST_IOTLB_INVALIDATE:
		return invalidate(dev, msg->iova, msg->size);
	case VHOST_IOTLB_BATCH_BEGIN:
		return vhdb_memory_batch_begin(&dev->memory);
	case VHOST_IOTLB_BATCH_END:
		err = batch_end(dev);
		break;
	case VHOST_IOTLB_ACCESS_FAIL:
		if (!vhdb_device_is_classic(dev) || !msg->size)
			return -EINVAL;
		answer(dev, msg);
		return 0;
	default:
		return -EINVAL;
	}
	if (!err && !dev->memory.shadow && vhdb_device_is_classic(dev))
		answer(dev, NULL);
	return err;
}

/* May the caller send and read messages of this device? */
static int check_msgs(const struct vhdb_device *dev)
{
	if (!dev->backend)
		return -ENODEV;
	if (!dev->nvqs)
		return -EOPNOTSUPP;
	return vhdb_device_owned_by_us(dev) ? 0 : -EPERM;
}

/**
 * vhdb_iotlb_write() - an IOTLB message
 * @dev: the device
 * @from: struct vhost_msg or struct vhost_msg_v2
 *
 * Context: process, under @dev->mutex.
 * Return: bytes taken; -EINVAL for what is no whole message, -ENODEV,
 * -EOPNOTSUPP, -EPERM, the errors of vhdb_memory_update() and its like, -EINTR.
 */
ssize_t vhdb_iotlb_write(struct vhdb_device *dev, struct iov_iter *from)
{
	size_t len = iov_iter_count(from);
	struct vhost_msg_v2 msg;
	int err = check_msgs(dev);

	if (err)
		return err;
	/* Without an IOTLB, the memory table is what there is. */
	if (vhdb_device_is_classic(dev) && !vhdb_device_has_iotlb(dev))
		return -EOPNOTSUPP;
	if (len < sizeof(msg))
		return -EINVAL;
	if (!copy_from_iter_full(&msg, sizeof(msg), from))
		return -EFAULT;
	if (msg.type == VHOST_IOTLB_MSG_V2 ? msg.asid != 0 :
					     msg.type != VHOST_IOTLB_MSG)
		return -EINVAL;
	err = iotlb_msg(dev, &msg.iotlb);
	return err ?: sizeof(msg);
}

/* Takes the oldest question; NULL if there is none. */
static struct vhdb_miss *take_msg(struct vhdb_device *dev,
				  struct vhost_iotlb_msg *msg)
{
	struct vhdb_miss *miss;

	spin_lock(&dev->msg_lock);
	miss = list_first_entry_or_null(&dev->msgs, struct vhdb_miss, link);
	if (miss) {
		list_del_init(&miss->link);
		miss->state = VHDB_MISS_READ;
		msg->type = VHOST_IOTLB_MISS;
		msg->iova = miss->iova;
		msg->perm = miss->perm;
	}
	spin_unlock(&dev->msg_lock);
	return miss;
}

/* It was not read after all. Meanwhile it may have been answered, or dropped. */
static void put_back_msg(struct vhdb_device *dev, struct vhdb_miss *miss)
{
	spin_lock(&dev->msg_lock);
	if (miss->state == VHDB_MISS_READ) {
		miss->state = VHDB_MISS_ASKED;
		list_add(&miss->link, &dev->msgs);
	}
	spin_unlock(&dev->msg_lock);
	wake_up_interruptible_poll(&dev->msg_wait, EPOLLIN | EPOLLRDNORM);
}

/**
 * vhdb_iotlb_read() - what a queue asks for
 * @dev: the device
 * @to: room for struct vhost_msg, or struct vhost_msg_v2 if
 *	VHOST_BACKEND_F_IOTLB_MSG_V2 was set
 * @nonblock: do not wait for it
 *
 * Context: process, without @dev->mutex: it sleeps until there is a message.
 * Return: bytes of the message; 0 if there is not room for one; -EAGAIN if
 * there is none and @nonblock, -EBADFD if there is no IOTLB to ask for,
 * -ERESTARTSYS, -EFAULT, -ENODEV, -EOPNOTSUPP, -EPERM.
 */
ssize_t vhdb_iotlb_read(struct vhdb_device *dev, struct iov_iter *to,
			bool nonblock)
{
	struct vhost_msg_v2 msg = {};
	struct vhdb_miss *miss;
	bool v2;
	int err;

	if (mutex_lock_killable(&dev->mutex))
		return -EINTR;
	err = check_msgs(dev);
	if (!err && dev->dialect == VHOST_DOORBELL_DIALECT_VDPA)
		err = -EOPNOTSUPP;
	v2 = dev->backend_features & BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2);
	mutex_unlock(&dev->mutex);
	if (err)
		return err;

	if (iov_iter_count(to) < sizeof(msg))
		return 0;
	while (!(miss = take_msg(dev, &msg.iotlb))) {
		if (nonblock)
			return -EAGAIN;
		/* Changed with no lock of ours held: a look, as for the list. */
		if (!vhdb_device_has_iotlb(dev))
			return -EBADFD;
		if (wait_event_interruptible(dev->msg_wait,
					     !list_empty(&dev->msgs) ||
					     !vhdb_device_has_iotlb(dev)))
			return -ERESTARTSYS;
	}
	msg.type = v2 ? VHOST_IOTLB_MSG_V2 : VHOST_IOTLB_MSG;
	if (copy_to_iter(&msg, sizeof(msg), to) != sizeof(msg)) {
		put_back_msg(dev, miss);
		return -EFAULT;
	}
	return sizeof(msg);
}

/**
 * vhdb_iotlb_poll() - is there a message to be read?
 * @dev: the device
 * @file: its file
 * @pt: who waits
 *
 * Context: process.
 * Return: EPOLLIN if there is one.
 */
__poll_t vhdb_iotlb_poll(struct vhdb_device *dev, struct file *file,
			 poll_table *pt)
{
	poll_wait(file, &dev->msg_wait, pt);
	return list_empty(&dev->msgs) ? 0 : EPOLLIN | EPOLLRDNORM;
}
