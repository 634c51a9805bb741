// SPDX-License-Identifier: GPL-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "vhdb_dev.h"
#include "vhdb_node.h"

#define CONFIGFS	"/sys/kernel/config"

bool vhdb_nodes_present(void)
{
	if (!vhdb_present())
		return false;
	if (access(VHDB_NODES, F_OK))
		mount("configfs", CONFIGFS, "configfs", 0, NULL);
	return !access(VHDB_NODES, F_OK);
}

static void node_path(char *path, size_t len, const char *name,
		      const char *attr)
{
	snprintf(path, len, VHDB_NODES "/%s%s%s", name, *attr ? "/" : "", attr);
}

int vhdb_node_make(const char *name)
{
	char path[512];

	node_path(path, sizeof(path), name, "");
	return mkdir(path, 0755) ? -errno : 0;
}

int vhdb_node_remove(const char *name)
{
	char path[512];

	node_path(path, sizeof(path), name, "");
	return rmdir(path) ? -errno : 0;
}

int vhdb_node_write(const char *name, const char *attr, const void *data,
		    size_t len)
{
	char path[512];
	ssize_t n;
	int fd, ret;

	node_path(path, sizeof(path), name, attr);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, data, len);
	ret = n < 0 ? -errno : n == (ssize_t)len ? 0 : -EIO;
	close(fd);
	return ret;
}

int vhdb_node_set(const char *name, const char *attr, const char *text)
{
	return vhdb_node_write(name, attr, text, strlen(text));
}

void vhdb_node_get(const char *name, const char *attr, char *text, size_t len)
{
	char path[512];

	node_path(path, sizeof(path), name, attr);
	vhdb_read_file(path, text, len);
	text[strcspn(text, "\n")] = '\0';
}

static int set_number(const char *name, const char *attr,
		      unsigned long long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", number);
	return vhdb_node_set(name, attr, text);
}

int vhdb_node_set_attach(const char *name,
			 const struct vhost_doorbell_attach *attach)
{
	static const char *const dialects[] = { "auto", "vdpa", "classic" };
	const struct {
		const char *attr;
		unsigned long long value;
	} numbers[] = {
		{ "queues", attach->queues },
		{ "queue_size", attach->queue_size },
		{ "logical_block_size", attach->logical_block_size },
		{ "poll_us", attach->poll_us },
		{ "features_allow", attach->features_allow },
		{ "features_require", attach->features_require },
		{ "rate_bytes", attach->rate_bytes },
		{ "burst_bytes", attach->burst_bytes },
		{ "rate_requests", attach->rate_requests },
		{ "burst_requests", attach->burst_requests },
		{ "ro", !!(attach->flags & VHOST_DOORBELL_ATTACH_RO) },
		{ "complete_worker",
		  !!(attach->flags & VHOST_DOORBELL_ATTACH_COMPLETE_WORKER) },
		{ "worker_per_queue",
		  !!(attach->flags & VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE) },
	};
	char fd[16];
	size_t i;
	int ret;

	snprintf(fd, sizeof(fd), "%d", attach->fd);
	ret = vhdb_node_set(name, "backend", attach->backend);
	ret = ret ? ret : vhdb_node_set(name, "fd", fd);
	ret = ret ? ret : vhdb_node_set(name, "dialect",
					dialects[attach->dialect]);
	if (!ret && attach->serial[0])
		ret = vhdb_node_write(name, "serial", attach->serial,
				      strnlen(attach->serial,
					      sizeof(attach->serial)));
	for (i = 0; !ret && i < ARRAY_SIZE(numbers); i++)
		ret = set_number(name, numbers[i].attr, numbers[i].value);
	return ret;
}

int vhdb_node_enable(const char *name,
		     const struct vhost_doorbell_attach *attach)
{
	int ret = vhdb_node_set_attach(name, attach);

	return ret ? ret : vhdb_node_set(name, "enable", "1");
}

bool vhdb_node_exists(const char *name)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), VHDB_NODE_DIR "/%s", name);
	return !stat(path, &st) && S_ISCHR(st.st_mode);
}

int vhdb_node_open(const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), VHDB_NODE_DIR "/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
