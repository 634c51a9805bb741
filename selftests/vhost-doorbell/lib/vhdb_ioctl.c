// SPDX-License-Identifier: GPL-2.0
/* See vhdb_dev.h: one system call each. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "vhdb_dev.h"

int __vhdb_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int __vhdb_ioctl_ul(int fd, unsigned long request, unsigned long arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int __vhdb_get_info(int fd, struct vhost_doorbell_info *info)
{
	return __vhdb_ioctl(fd, VHOST_DOORBELL_GET_INFO, info);
}

int __vhdb_backend_info(int fd, struct vhost_doorbell_backend_info *info)
{
	return __vhdb_ioctl(fd, VHOST_DOORBELL_BACKEND_INFO, info);
}

int vhdb_backend_find(int fd, const char *name,
		      struct vhost_doorbell_backend_info *info)
{
	__u32 i;
	int ret;

	for (i = 0;; i++) {
		/* All of it is to be the kernel's. */
		memset(info, 0xff, sizeof(*info));
		info->size = sizeof(*info);
		info->index = i;
		ret = __vhdb_backend_info(fd, info);
		if (ret || !strncmp(info->name, name, sizeof(info->name)))
			return ret;
	}
}

int __vhdb_attach(int fd, const struct vhost_doorbell_attach *attach)
{
	return __vhdb_ioctl(fd, VHOST_DOORBELL_ATTACH, (void *)attach);
}

int __vhdb_get_stats(int fd, struct vhost_doorbell_stats *stats)
{
	return __vhdb_ioctl(fd, VHOST_DOORBELL_GET_STATS, stats);
}

int __vhdb_set_owner(int fd)
{
	return __vhdb_ioctl(fd, VHOST_SET_OWNER, NULL);
}

int __vhdb_get_features(int fd, __u64 *features)
{
	return __vhdb_ioctl(fd, VHOST_GET_FEATURES, features);
}

int __vhdb_set_features(int fd, __u64 features)
{
	return __vhdb_ioctl(fd, VHOST_SET_FEATURES, &features);
}

int __vhdb_get_backend_features(int fd, __u64 *features)
{
	return __vhdb_ioctl(fd, VHOST_GET_BACKEND_FEATURES, features);
}

int __vhdb_set_backend_features(int fd, __u64 features)
{
	return __vhdb_ioctl(fd, VHOST_SET_BACKEND_FEATURES, &features);
}

int __vhdb_get_device_id(int fd, __u32 *id)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_GET_DEVICE_ID, id);
}

int __vhdb_get_status(int fd, __u8 *status)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_GET_STATUS, status);
}

int __vhdb_set_status(int fd, __u8 status)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_SET_STATUS, &status);
}

static struct vhost_vdpa_config *config_alloc(__u32 off, __u32 len)
{
	struct vhost_vdpa_config *config = calloc(1, sizeof(*config) + len);

	if (config) {
		config->off = off;
		config->len = len;
	}
	return config;
}

int __vhdb_get_config(int fd, __u32 off, __u32 len, void *buf)
{
	struct vhost_vdpa_config *config = config_alloc(off, len);
	int ret;

	if (!config)
		return -ENOMEM;
	ret = __vhdb_ioctl(fd, VHOST_VDPA_GET_CONFIG, config);
	if (!ret)
		memcpy(buf, config->buf, len);
	free(config);
	return ret;
}

int __vhdb_set_config(int fd, __u32 off, __u32 len, const void *buf)
{
	struct vhost_vdpa_config *config = config_alloc(off, len);
	int ret;

	if (!config)
		return -ENOMEM;
	memcpy(config->buf, buf, len);
	ret = __vhdb_ioctl(fd, VHOST_VDPA_SET_CONFIG, config);
	free(config);
	return ret;
}

int __vhdb_get_config_size(int fd, __u32 *size)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_GET_CONFIG_SIZE, size);
}

int __vhdb_set_config_call(int fd, int eventfd)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_SET_CONFIG_CALL, &eventfd);
}

int __vhdb_get_vring_num(int fd, __u16 *num)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_GET_VRING_NUM, num);
}

int __vhdb_get_vqs_count(int fd, __u32 *count)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_GET_VQS_COUNT, count);
}

int __vhdb_get_iova_range(int fd, struct vhost_vdpa_iova_range *range)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_GET_IOVA_RANGE, range);
}

int __vhdb_get_group_num(int fd, __u32 *num)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_GET_GROUP_NUM, num);
}

int __vhdb_get_as_num(int fd, __u32 *num)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_GET_AS_NUM, num);
}

/* The ioctls that take an index and answer in num */
static int vring_state_get(int fd, unsigned long request, unsigned int index,
			   unsigned int *num)
{
	struct vhost_vring_state state = { .index = index };
	int ret = __vhdb_ioctl(fd, request, &state);

	if (!ret)
		*num = state.num;
	return ret;
}

static int vring_state_set(int fd, unsigned long request, unsigned int index,
			   unsigned int num)
{
	struct vhost_vring_state state = { .index = index, .num = num };

	return __vhdb_ioctl(fd, request, &state);
}

static int vring_file_set(int fd, unsigned long request, unsigned int index,
			  int eventfd)
{
	struct vhost_vring_file file = { .index = index, .fd = eventfd };

	return __vhdb_ioctl(fd, request, &file);
}

int __vhdb_get_vring_group(int fd, unsigned int index, unsigned int *group)
{
	return vring_state_get(fd, VHOST_VDPA_GET_VRING_GROUP, index, group);
}

int __vhdb_get_vring_size(int fd, unsigned int index, unsigned int *size)
{
	return vring_state_get(fd, VHOST_VDPA_GET_VRING_SIZE, index, size);
}

int __vhdb_set_group_asid(int fd, unsigned int group, unsigned int asid)
{
	return vring_state_set(fd, VHOST_VDPA_SET_GROUP_ASID, group, asid);
}

int __vhdb_suspend(int fd)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_SUSPEND, NULL);
}

int __vhdb_resume(int fd)
{
	return __vhdb_ioctl(fd, VHOST_VDPA_RESUME, NULL);
}

int __vhdb_set_vring_num(int fd, unsigned int index, unsigned int num)
{
	return vring_state_set(fd, VHOST_SET_VRING_NUM, index, num);
}

int __vhdb_set_vring_base(int fd, unsigned int index, unsigned int base)
{
	return vring_state_set(fd, VHOST_SET_VRING_BASE, index, base);
}

int __vhdb_get_vring_base(int fd, unsigned int index, unsigned int *base)
{
	return vring_state_get(fd, VHOST_GET_VRING_BASE, index, base);
}

int __vhdb_set_vring_addr(int fd, unsigned int index, __u64 desc, __u64 avail,
			  __u64 used)
{
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = desc,
		.avail_user_addr = avail,
		.used_user_addr = used,
	};

	return __vhdb_ioctl(fd, VHOST_SET_VRING_ADDR, &addr);
}

int __vhdb_set_vring_kick(int fd, unsigned int index, int eventfd)
{
	return vring_file_set(fd, VHOST_SET_VRING_KICK, index, eventfd);
}

int __vhdb_set_vring_call(int fd, unsigned int index, int eventfd)
{
	return vring_file_set(fd, VHOST_SET_VRING_CALL, index, eventfd);
}

int __vhdb_set_vring_err(int fd, unsigned int index, int eventfd)
{
	return vring_file_set(fd, VHOST_SET_VRING_ERR, index, eventfd);
}

int __vhdb_set_vring_enable(int fd, unsigned int index, unsigned int on)
{
	return vring_state_set(fd, VHOST_VDPA_SET_VRING_ENABLE, index, on);
}

static int msg_write(int fd, const void *msg, size_t len)
{
	ssize_t ret = write(fd, msg, len);

	if (ret < 0)
		return -errno;
	return (size_t)ret == len ? 0 : -EIO;
}

int __vhdb_msg_v2(int fd, const struct vhost_msg_v2 *msg)
{
	return msg_write(fd, msg, sizeof(*msg));
}

int __vhdb_msg_v1(int fd, const struct vhost_msg *msg)
{
	return msg_write(fd, msg, sizeof(*msg));
}

/* ---- IOTLB ---- */

static int iotlb_msg(int fd, __u8 type, __u64 iova, __u64 size,
		     const void *uaddr, __u8 perm)
{
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = {
			.iova = iova,
			.size = size,
			.uaddr = (uintptr_t)uaddr,
			.perm = perm,
			.type = type,
		},
	};

	return __vhdb_msg_v2(fd, &msg);
}

int vhdb_iotlb_update(int fd, __u64 iova, __u64 size, const void *uaddr,
		      __u8 perm)
{
	return iotlb_msg(fd, VHOST_IOTLB_UPDATE, iova, size, uaddr, perm);
}

int vhdb_iotlb_invalidate(int fd, __u64 iova, __u64 size)
{
	return iotlb_msg(fd, VHOST_IOTLB_INVALIDATE, iova, size, NULL, 0);
}

int vhdb_iotlb_batch_begin(int fd)
{
	return iotlb_msg(fd, VHOST_IOTLB_BATCH_BEGIN, 0, 0, NULL, 0);
}

int vhdb_iotlb_batch_end(int fd)
{
	return iotlb_msg(fd, VHOST_IOTLB_BATCH_END, 0, 0, NULL, 0);
}
