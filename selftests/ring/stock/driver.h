/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtio driver's half of a queue as Linux has it: virtio_ring.c of a
 * kernel's source, behind a contract of plain types, because its headers and
 * those of the tests cannot be read together. Either has bool, u32 and u64.
 */
#ifndef VHDB_STOCK_DRIVER_H
#define VHDB_STOCK_DRIVER_H

/* A piece of a buffer. Its address is what the ring will have, too. */
struct stock_seg {
	void *addr;
	u32 len;
};

/**
 * struct stock_dev - a device with one queue
 * @vq: the queue, as the kernel's code knows it
 * @desc: descriptor area
 * @driver: driver area
 * @device: device area
 * @num: queue size
 * @reset: told, while a queue is resized, that the device has to let go of it;
 *	each buffer that it has not given back is then given to @recycle
 * @recycle: see above
 * @data: first argument of both
 */
struct stock_dev {
	void *vq;
	void *desc;
	void *driver;
	void *device;
	u32 num;
	void (*reset)(void *data);
	void (*recycle)(void *data, void *token);
	void *data;
};

/* Of these features, those that this kernel's code knows. */
u64 stock_features(u64 features);
/* 0 or -errno. */
int stock_create(struct stock_dev *dev, u32 num, u64 features);
int stock_resize(struct stock_dev *dev, u32 num);
void stock_destroy(struct stock_dev *dev);

/* 0 or -errno; the device sees it at once. */
int stock_add(struct stock_dev *dev, const struct stock_seg *segs,
	      u32 nr_out, u32 nr_in, void *token);
/* Must the driver ring for what was added since the last call? */
bool stock_need_kick(struct stock_dev *dev);
/* A token, or NULL. */
void *stock_get(struct stock_dev *dev, u32 *len);
void stock_disable_cb(struct stock_dev *dev);
/* False if there is something to get, so that no signal may come for it. */
bool stock_enable_cb(struct stock_dev *dev);
/* The same, and a signal only when most buffers have come back. */
bool stock_enable_cb_delayed(struct stock_dev *dev);
/* The device has signalled. */
void stock_interrupt(struct stock_dev *dev);
/* The driver has found the device out. */
bool stock_broken(struct stock_dev *dev);

#endif /* VHDB_STOCK_DRIVER_H */
