// SPDX-License-Identifier: GPL-2.0
/*
 * disk_config PID: config space of each disk that the driver serves for a process,
 * as the driver has it, whatever the process tells its guest: the size in sectors
 * and whether writes are cached.
 */
#include <dirent.h>
#include <endian.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/vhost_doorbell.h>
#include <linux/vhost_types.h>
#include <linux/virtio_blk.h>

static void show(int fd)
{
	const size_t len = offsetof(struct virtio_blk_config, wce) + 1;
	struct virtio_blk_config config;
	struct vhost_vdpa_config *arg;

	arg = calloc(1, sizeof(*arg) + len);
	if (!arg)
		return;
	arg->len = len;
	if (ioctl(fd, VHOST_DOORBELL_GET_CONFIG, arg) == 0) {
		memcpy(&config, arg->buf, len);
		printf("%llu %d\n", (unsigned long long)le64toh(config.capacity),
		       config.wce);
	}
	free(arg);
}

int main(int argc, char **argv)
{
	char path[64], target[256];
	struct dirent *entry;
	int process, fd;
	DIR *dir;

	if (argc != 2)
		return 2;
	snprintf(path, sizeof(path), "/proc/%s/fd", argv[1]);
	dir = opendir(path);
	process = syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	if (!dir || process < 0) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target,
					 sizeof(target) - 1);

		if (len < 0)
			continue;
		target[len] = '\0';
		if (strcmp(target, "/dev/vhost-doorbell/control"))
			continue;
		fd = syscall(SYS_pidfd_getfd, process, atoi(entry->d_name), 0);
		if (fd < 0) {
			perror("pidfd_getfd");
			return 1;
		}
		show(fd);
		close(fd);
	}
	closedir(dir);
	return 0;
}
