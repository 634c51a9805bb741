// SPDX-License-Identifier: GPL-2.0
/*
 * The back end "bell"; see vhdb_bell.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vhdb_bell.h"
#include "vhdb_dev.h"
#include "vhdb_module.h"

void vhdb_bell_attach_init(struct vhost_doorbell_attach *attach)
{
	memset(attach, 0, sizeof(*attach));
	attach->size = sizeof(*attach);
	memcpy(attach->backend, "bell", sizeof("bell"));
	attach->fd = -1;
}

int vhdb_bell_open(void)
{
	struct vhost_doorbell_attach attach;
	int fd, ret;

	/* A test that unloads it may have failed */
	if (!vhdb_module_loaded(VHDB_MODULE_BELL))
		vhdb_module_load(VHDB_MODULE_BELL);
	fd = vhdb_open();
	if (fd < 0)
		return fd;
	vhdb_bell_attach_init(&attach);
	ret = __vhdb_attach(fd, &attach);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

int __vhdb_bell_hook(int fd, int eventfd)
{
	struct vhost_doorbell_bell_hook hook = { .fd = eventfd };

	return __vhdb_ioctl(fd, VHOST_DOORBELL_BELL_HOOK, &hook);
}

int __vhdb_bell_ring(int fd)
{
	return __vhdb_ioctl(fd, VHOST_DOORBELL_BELL_RING, NULL);
}

int __vhdb_bell_call(int fd, int eventfd, __u32 every)
{
	struct vhost_doorbell_bell_call call = { .fd = eventfd, .every = every };

	return __vhdb_ioctl(fd, VHOST_DOORBELL_BELL_CALL, &call);
}

int vhdb_bell_count(int fd, bool reset, struct vhost_doorbell_bell_count *count)
{
	memset(count, 0xff, sizeof(*count));
	count->flags = reset ? VHOST_DOORBELL_BELL_COUNT_RESET : 0;
	count->reserved = 0;
	return __vhdb_ioctl(fd, VHOST_DOORBELL_BELL_COUNT, count);
}

int vhdb_bell_expect(int fd, __u64 eventfd, __u64 ioctl, __u64 kernel)
{
	struct vhost_doorbell_bell_count count;
	int ret = vhdb_bell_count(fd, false, &count);

	if (ret)
		return ret;
	if (count.eventfd == eventfd && count.ioctl == ioctl &&
	    count.kernel == kernel)
		return 0;
	printf("# rings %llu %llu %llu where %llu %llu %llu were made\n",
	       count.eventfd, count.ioctl, count.kernel, eventfd, ioctl, kernel);
	return -EILSEQ;
}

__u64 vhdb_bell_calls(int fd, int call)
{
	return __vhdb_bell_call(fd, -1, 0) ? ~0ULL : vhdb_eventfd_take(call);
}

int vhdb_eventfd_add(int eventfd, __u64 n)
{
	return write(eventfd, &n, sizeof(n)) == sizeof(n) ? 0 : -errno;
}

int vhdb_bell_mod_open(void)
{
	int fd, ret;

	if (!vhdb_module_at_hand(VHDB_MODULE_BELL_TEST))
		return -ENOENT;
	if (!vhdb_module_loaded(VHDB_MODULE_BELL))
		vhdb_module_load(VHDB_MODULE_BELL);
	ret = vhdb_module_load(VHDB_MODULE_BELL_TEST);
	if (ret && ret != -EEXIST)
		return ret == -ENOENT ? -ENOEXEC : ret;
	if (!vhdb_wait_for(!access(BELL_TEST_PATH, F_OK)))
		return -ENODEV;
	fd = open(BELL_TEST_PATH, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vhdb_bell_mod_get(int mod, int fd)
{
	return __vhdb_ioctl(mod, BELL_TEST_GET, &fd);
}

int vhdb_bell_mod_put(int mod)
{
	return __vhdb_ioctl(mod, BELL_TEST_PUT, NULL);
}

int vhdb_bell_mod_ring(int mod, __u32 rings, enum bell_test_context context)
{
	struct bell_test_ring arg = { rings, context };

	return __vhdb_ioctl(mod, BELL_TEST_RING, &arg);
}
