// SPDX-License-Identifier: GPL-2.0
/* A --blk: read its options, and attach a device to its image. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "vhdb.h"

#define BACKEND		"blk"
#define WHAT		"--blk"

/* One of two words: the second one sets it. */
static int parse_choice(const char *key, const char *value, const char *first,
			const char *second, bool *is_second)
{
	if (!strcmp(value, first) || !strcmp(value, second)) {
		*is_second = !strcmp(value, second);
		return 0;
	}
	vhdb_error("--blk: '%s' is %s or %s, not '%s'", key, first, second, value);
	return -1;
}

static int parse_switch(const char *key, const char *value, bool *on)
{
	return parse_choice(key, value, "off", "on", on);
}

static int parse_serial(struct vhdb_blk *blk, const char *value)
{
	if (strlen(value) > VHOST_DOORBELL_SERIAL_MAX) {
		vhdb_error("--blk: the serial '%s' is longer than %d bytes", value,
			   VHOST_DOORBELL_SERIAL_MAX);
		return -1;
	}
	free(blk->serial);
	blk->serial = vhdb_strdup(value);
	return 0;
}

static int parse_option(struct vhdb_blk *blk, char *option)
{
	char *value = strchr(option, '=');
	bool on;

	if (!value) {
		if (!strcmp(option, "ro")) {
			blk->read_only = true;
			return 0;
		}
		vhdb_error("--blk: unknown option '%s' (a comma in a path is written ',,')",
			   option);
		return -1;
	}

	*value++ = '\0';
	if (!strcmp(option, "ro"))
		return parse_switch(option, value, &blk->read_only);
	if (!strcmp(option, "share"))
		return parse_switch(option, value, &blk->share);
	if (!strcmp(option, "packed"))
		return parse_switch(option, value, &blk->packed);
	if (!strcmp(option, "discard")) {
		if (parse_switch(option, value, &on) < 0)
			return -1;
		blk->no_discard = !on;
		return 0;
	}
	if (!strcmp(option, "iops"))
		return vhdb_option_number(WHAT, option, value, &blk->rate_requests);
	if (!strcmp(option, "iops-burst"))
		return vhdb_option_number(WHAT, option, value, &blk->burst_requests);
	if (!strcmp(option, "bps"))
		return vhdb_option_bytes(WHAT, option, value, &blk->rate_bytes);
	if (!strcmp(option, "bps-burst"))
		return vhdb_option_bytes(WHAT, option, value, &blk->burst_bytes);
	if (!strcmp(option, "poll"))
		return vhdb_option_number(WHAT, option, value, &blk->poll_us);
	if (!strcmp(option, "completion"))
		return parse_choice(option, value, "end_io", "worker",
				    &blk->complete_worker);
	if (!strcmp(option, "workers"))
		return parse_choice(option, value, "shared", "queue",
				    &blk->worker_per_queue);
	if (!strcmp(option, "direct")) {
		if (parse_switch(option, value, &on) < 0)
			return -1;
		blk->direct = on;
		return 0;
	}
	if (!strcmp(option, "queues"))
		return vhdb_option_number(WHAT, option, value, &blk->h.queues);
	if (!strcmp(option, "queue-size"))
		return vhdb_option_number(WHAT, option, value, &blk->queue_size);
	if (!strcmp(option, "bs"))
		return vhdb_option_number(WHAT, option, value, &blk->block_size);
	if (!strcmp(option, "serial"))
		return parse_serial(blk, value);
	if (!strcmp(option, "id"))
		return vhdb_option_id(WHAT, &blk->h, value);

	vhdb_error("--blk: unknown option '%s'", option);
	return -1;
}

/**
 * vhdb_blk_parse() - read the text of a --blk
 * @blk: filled; @blk->h.id is the default already
 * @spec: PATH[,ro][,key=value]...
 *
 * Return: 0; -1 after a message.
 */
int vhdb_blk_parse(struct vhdb_blk *blk, const char *spec)
{
	char *text = vhdb_strdup(spec), *rest = text, *option;
	int err = 0;

	blk->direct = -1;
	blk->path = vhdb_strdup(vhdb_option_next(&rest));
	if (!*blk->path) {
		vhdb_error("--blk: no path in '%s'", spec);
		err = -1;
	}

	while (!err) {
		option = vhdb_option_next(&rest);
		if (!option)
			break;
		err = parse_option(blk, option);
	}
	free(text);
	return err;
}

/* Say what is out of the driver's limits before it answers with an errno. */
static int check_limits(const struct vhdb_blk *blk, int fd,
			const struct vhost_doorbell_info *info)
{
	struct vhost_doorbell_backend_info backend;
	unsigned int queues_max = info->queues_max;

	if (!(info->capabilities & VHOST_DOORBELL_CAP_VDPA)) {
		vhdb_error("this driver lacks the vdpa dialect that QEMU needs");
		return -1;
	}

	if (!vhdb_backend_find(fd, info, BACKEND, &backend) &&
	    backend.queues_max < queues_max)
		queues_max = backend.queues_max;
	if (blk->h.queues > queues_max) {
		vhdb_error("'%s': %u queues asked for, the driver has %u at most",
			   blk->path, blk->h.queues, queues_max);
		return -1;
	}

	if (blk->queue_size & (blk->queue_size - 1)) {
		vhdb_error("'%s': the queue size %u is not a power of two",
			   blk->path, blk->queue_size);
		return -1;
	}
	if (blk->queue_size > info->queue_size_max) {
		vhdb_error("'%s': queue size %u asked for, the driver has %u at most",
			   blk->path, blk->queue_size, info->queue_size_max);
		return -1;
	}
	if (blk->poll_us > info->poll_us_max) {
		vhdb_error("'%s': poll=%u asked for, the driver has %u at most",
			   blk->path, blk->poll_us, info->poll_us_max);
		return -1;
	}
	return 0;
}

/* What gives space back, or might. */
#define DISCARD_FEATURES	(1ULL << VIRTIO_BLK_F_DISCARD |		\
				 1ULL << VIRTIO_BLK_F_WRITE_ZEROES |	\
				 1ULL << VIRTIO_BLK_F_SECURE_ERASE)

/*
 * All that is safe with stock clients, but for what the user does not want, and
 * packed rings if he does: they are offered if they are named. The other
 * features that are offered on request only stay out.
 */
static int allow_features(const struct vhdb_blk *blk,
			  const struct vhost_doorbell_info *info,
			  struct vhost_doorbell_attach *attach)
{
	struct vhost_doorbell_backend_info backend;

	if (!blk->packed && !blk->no_discard)
		return 0;
	if (vhdb_backend_find(blk->h.device_fd, info, BACKEND, &backend)) {
		vhdb_error("'%s': cannot attach: the back end is not loaded",
			   blk->path);
		vhdb_hint("run `modprobe vhost_doorbell_blk` as root");
		return -1;
	}
	if (blk->packed && !(backend.features & 1ULL << VIRTIO_F_RING_PACKED)) {
		vhdb_error("'%s': this driver has no packed rings", blk->path);
		return -1;
	}
	attach->features_allow = backend.features;
	attach->features_allow &= ~(1ULL << VIRTIO_F_IN_ORDER);
	attach->features_allow &= ~(1ULL << VIRTIO_F_RING_RESET);
	attach->features_allow &= ~(1ULL << VIRTIO_BLK_F_CONFIG_WCE);
	if (!blk->packed)
		attach->features_allow &= ~(1ULL << VIRTIO_F_RING_PACKED);
	if (blk->no_discard)
		attach->features_allow &= ~DISCARD_FEATURES;
	return 0;
}

/**
 * vhdb_blk_explain() - why a disk could not be attached, and what to do
 * @blk: the disk
 * @err: what ATTACH said
 */
void vhdb_blk_explain(const struct vhdb_blk *blk, int err)
{
	vhdb_error("cannot attach '%s': %s", blk->path, strerror(err));
	switch (err) {
	case ENOENT:
		vhdb_hint("the back end is not loaded: run `modprobe vhost_doorbell_blk` as root");
		break;
	case EINVAL:
		if (blk->block_size)
			vhdb_hint("bs=%u: 512, 1024, 2048 or 4096, and not below the device's own",
				  blk->block_size);
		else
			vhdb_hint("is it the driver that belongs to this vhdb? See `vhdb info`");
		break;
	case E2BIG:
		vhdb_hint("the driver is older than this vhdb: load its own");
		break;
	case EOPNOTSUPP:
		vhdb_hint("the driver cannot serve this kind of device (zoned storage, for one)");
		break;
	case ERANGE:
		vhdb_hint("queues= or queue-size= is beyond the limits that `vhdb info` shows,");
		vhdb_hint("or a burst is of more than a minute, or it has no rate");
		break;
	case EBUSY:
		vhdb_hint("it is mounted, or otherwise in use through the page cache: unmount it");
		break;
	case EROFS:
		vhdb_hint("it can only be read: add ',ro'");
		break;
	case ENOTBLK:
	case EISDIR:
		vhdb_hint("give a block device or a raw image");
		break;
	}
}

/**
 * vhdb_blk_prepare() - open the driver and the image, and say what is wanted
 * @blk: the disk; @blk->h.device_fd is set, and stays open across an exec
 * @attach: out: for ATTACH; @attach->fd is the image, open
 *
 * Return: 0; -1 after a message, and nothing is open.
 */
int vhdb_blk_prepare(struct vhdb_blk *blk, struct vhost_doorbell_attach *attach)
{
	struct vhost_doorbell_info info;

	*attach = (struct vhost_doorbell_attach){
		.size = sizeof(*attach),
		.backend = BACKEND,
		.dialect = VHOST_DOORBELL_DIALECT_VDPA,
	};
	blk->h.device_fd = vhdb_device_open(&info);
	if (blk->h.device_fd < 0)
		return -1;
	if (check_limits(blk, blk->h.device_fd, &info) < 0)
		goto err_close_device;
	if (allow_features(blk, &info, attach) < 0)
		goto err_close_device;

	attach->fd = vhdb_image_open(blk);
	if (attach->fd < 0)
		goto err_close_device;

	if (blk->read_only)
		attach->flags |= VHOST_DOORBELL_ATTACH_RO;
	if (blk->complete_worker)
		attach->flags |= VHOST_DOORBELL_ATTACH_COMPLETE_WORKER;
	if (blk->worker_per_queue)
		attach->flags |= VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE;
	attach->poll_us = blk->poll_us;
	attach->queues = blk->h.queues;
	attach->queue_size = blk->queue_size;
	attach->logical_block_size = blk->block_size;
	attach->rate_requests = blk->rate_requests;
	attach->burst_requests = blk->burst_requests;
	attach->rate_bytes = blk->rate_bytes;
	attach->burst_bytes = blk->burst_bytes;
	if (blk->serial)
		memcpy(attach->serial, blk->serial, strlen(blk->serial));
	return 0;

err_close_device:
	close(blk->h.device_fd);
	blk->h.device_fd = -1;
	return -1;
}

/**
 * vhdb_blk_attach() - open the driver and the image, and put them together
 * @blk: the disk; @blk->h.device_fd is set, and stays open across an exec
 *
 * Return: 0; -1 after a message.
 */
int vhdb_blk_attach(struct vhdb_blk *blk)
{
	struct vhost_doorbell_attach attach;
	int err;

	if (vhdb_blk_prepare(blk, &attach) < 0)
		return -1;
	err = ioctl(blk->h.device_fd, VHOST_DOORBELL_ATTACH, &attach) < 0 ? errno : 0;
	/* the driver has a reference of its own */
	close(attach.fd);
	if (!err)
		return 0;
	vhdb_blk_explain(blk, err);
	close(blk->h.device_fd);
	blk->h.device_fd = -1;
	return -1;
}
