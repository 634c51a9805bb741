// SPDX-License-Identifier: GPL-2.0
/* The driver's device file: open it, and ask what it can do. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vhdb.h"

static void explain_open(int err)
{
	vhdb_error("cannot open " VHDB_DEVICE ": %s", strerror(err));
	switch (err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		vhdb_hint("the driver is not loaded: run `modprobe vhost_doorbell` as root");
		break;
	case EACCES:
	case EPERM:
		vhdb_hint("run vhdb as root, or give yourself access: `setfacl -m u:$USER:rw "
			  VHDB_DEVICE "` as root");
		break;
	}
}

/**
 * vhdb_device_open() - open the driver's device file
 * @info: what the driver says of itself
 *
 * The file stays open across an exec: QEMU is to have it.
 *
 * Return: the file descriptor, never 0, 1 or 2; -1 after a message.
 */
int vhdb_device_open(struct vhost_doorbell_info *info)
{
	int opened, fd, err;

	opened = open(VHDB_DEVICE, O_RDWR | O_CLOEXEC);
	if (opened < 0) {
		explain_open(errno);
		return -1;
	}

	/* QEMU takes no standard stream as a set's file, should one be closed */
	fd = fcntl(opened, F_DUPFD, STDERR_FILENO + 1);
	err = errno;
	close(opened);
	if (fd < 0) {
		explain_open(err);
		return -1;
	}

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (ioctl(fd, VHOST_DOORBELL_GET_INFO, info) < 0) {
		vhdb_error(VHDB_DEVICE " does not tell its version: %s",
			   strerror(errno));
		vhdb_hint("another driver, or one too old: load the vhost_doorbell of this vhdb");
		close(fd);
		return -1;
	}

	if (info->abi_version < 1) {
		vhdb_error("the driver speaks version %u of its interface, vhdb needs 1",
			   info->abi_version);
		vhdb_hint("load the vhost_doorbell of this vhdb");
		close(fd);
		return -1;
	}
	return fd;
}

/**
 * vhdb_backend_find() - look a back end up by its name
 * @fd: the driver's device file
 * @info: what vhdb_device_open() gave
 * @name: name of the back end
 * @backend: what the driver says of it
 *
 * Return: 0, or -1 if it is not registered (which ATTACH can mend by loading
 * its module).
 */
int vhdb_backend_find(int fd, const struct vhost_doorbell_info *info,
		      const char *name,
		      struct vhost_doorbell_backend_info *backend)
{
	__u32 i;

	for (i = 0; i < info->backends; i++) {
		memset(backend, 0, sizeof(*backend));
		backend->size = sizeof(*backend);
		backend->index = i;
		if (ioctl(fd, VHOST_DOORBELL_BACKEND_INFO, backend) < 0)
			break;
		backend->name[sizeof(backend->name) - 1] = '\0';
		if (!strcmp(backend->name, name))
			return 0;
	}
	return -1;
}
