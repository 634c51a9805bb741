// SPDX-License-Identifier: GPL-2.0
/*
 * What can be seen of a device from outside: fdinfo, and its folder in debugfs,
 * also while the device hangs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "lib/vhdb_bell.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "lib/vhdb_testdisk.h"
#include "blk_fixture.h"

#define DEBUGFS	"/sys/kernel/debug"
#define ROOT	DEBUGFS "/vhost-doorbell"

/* The device's number, or -1 */
static long id_of(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return vhdb_file_value(path, "vhdb-id:\t", -1);
}

static void read_file_of(long id, const char *name, char *text, size_t len)
{
	char path[128];

	snprintf(path, sizeof(path), ROOT "/%ld/%s", id, name);
	vhdb_read_file(path, text, len);
}

static bool has(const char *text, const char *what)
{
	if (strstr(text, what))
		return true;
	fprintf(stderr, "# no '%s' in:\n%s", what, text);
	return false;
}

FIXTURE(seen) {
	struct vhdb_disk disk;
	int fd;
	long id;
	char text[8192];
};

FIXTURE_SETUP(seen)
{
	struct vhdb_opts opts = { .queues = 2 };

	memset(&self->disk, 0, sizeof(self->disk));
	self->disk.dev.fd = -1;
	self->fd = vhdb_present() ? vhdb_testdisk_open() : -ENODEV;
	if (self->fd == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no test module");
	ASSERT_LE(0, self->fd);
	mount("none", DEBUGFS, "debugfs", 0, NULL);
	ASSERT_EQ(0, vhdb_disk_create(&self->disk, self->fd, &opts, ALL,
				      DATA_BYTES));
	self->id = id_of(self->disk.dev.fd);
	ASSERT_LE(0, self->id);
}

FIXTURE_TEARDOWN(seen)
{
	vhdb_testdisk_set("hold_op", VHDB_OP_NONE);
	vhdb_disk_destroy(&self->disk);
	EXPECT_EQ(0, vhdb_testdisk_close(self->fd));
}

#define LOOK(name) \
	read_file_of(self->id, name, self->text, sizeof(self->text))
#define HAS(what)	EXPECT_TRUE(has(self->text, what))

TEST_F(seen, device)
{
	char want[64];

	LOOK("device");
	HAS("backend:  blk\n");
	HAS("backing:  " VHDB_TESTDISK "\n");
	HAS("status:   0x00\n");
	snprintf(want, sizeof(want), "owner:    %d\n", getpid());
	HAS(want);

	ASSERT_EQ(0, vhdb_disk_start(&self->disk));
	LOOK("device");
	HAS("status:   0x0f\n");
	snprintf(want, sizeof(want), "features: 0x%016llx\n",
		 (unsigned long long)self->disk.dev.features);
	HAS(want);
	ASSERT_EQ(0, __vhdb_suspend(self->disk.dev.fd));
	LOOK("device");
	HAS("status:   0x0f suspended\n");
}

TEST_F(seen, queues)
{
	struct vhdb_disk *disk = &self->disk;

	LOOK("queues");
	HAS("    0   256    stopped");
	ASSERT_EQ(0, vhdb_disk_start(disk));
	ASSERT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, 0, disk->data, 512));
	LOOK("queues");
	HAS("    0   256     served      1      1          0        0\n");
	HAS("    1   256     served      0      0          0        0\n");
	ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
	LOOK("queues");
	HAS("    1   256  suspended");
	ASSERT_EQ(0, __vhdb_resume(disk->dev.fd));
	/* An entry that names no descriptor */
	disk->dev.vring[1].avail->ring[0] = 0xffff;
	disk->dev.vring[1].avail_idx++;
	vhdb_vq_ring(&disk->q[1].vq);
	ASSERT_TRUE(vhdb_wait_for(vhdb_status(disk->dev.fd) &
				  VIRTIO_CONFIG_S_NEEDS_RESET));
	LOOK("queues");
	HAS("    1   256     broken");
	HAS("    0   256     served");
}

TEST_F(seen, memory_and_statistics)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhost_doorbell_stats s;
	char want[80];

	LOOK("memory");
	snprintf(want, sizeof(want), "%016llx %016llx %016lx rw\n",
		 (unsigned long long)disk->mem.iova,
		 (unsigned long long)(disk->mem.iova + disk->mem.size - 1),
		 (unsigned long)disk->mem.hva);
	HAS(want);

	ASSERT_EQ(0, vhdb_disk_start(disk));
	ASSERT_EQ(OK(4097), vhdb_disk_io(disk, 1, T_IN, 0, disk->data, 4096));
	ASSERT_EQ(UNSUPP, vhdb_disk_io(disk, 1, 99, 0, 0, 0));
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 1, &s));
	LOOK("statistics");
	memmove(self->text, strstr(self->text, "queue 1\n"),
		strlen(strstr(self->text, "queue 1\n")) + 1);
	HAS("  requests            2\n");
	HAS("  completions         2\n");
	HAS("  bytes_read          4096\n");
	HAS("  poll_hits           0\n");
	HAS("  errors              1\n");
	HAS("  unsupported         1\n");
	snprintf(want, sizeof(want), "  wakeups             %llu\n",
		 (unsigned long long)s.wakeups);
	HAS(want);
}

static void *suspend(void *arg)
{
	struct vhdb_disk *disk = arg;

	return (void *)(long)__vhdb_suspend(disk->dev.fd);
}

/* The storage hangs, and with it an ioctl: one sees which request it is. */
TEST_F(seen, while_it_hangs)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhdb_buf data = VHDB_IN(disk->data, 512);
	const char *in_flight = "served      1      0          1        0\n";
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, vhdb_disk_start(disk));
	ASSERT_EQ(0, vhdb_testdisk_set("hold_op", VHDB_OP_READ));
	ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0, &data, 1, 0));
	vhdb_vq_kick(&disk->q[0].vq);
	ASSERT_TRUE(vhdb_wait_for((LOOK("queues"),
				   strstr(self->text, in_flight))));
	ASSERT_EQ(0, pthread_create(&thread, NULL, suspend, disk));
	ASSERT_TRUE(vhdb_wait_for((LOOK("device"),
				   strstr(self->text, "suspended"))));
	LOOK("queues");
	HAS("    0   256  suspended      1      0          1        0\n");
	LOOK("memory");
	HAS(" rw\n");
	LOOK("statistics");
	HAS("  requests            1\n");
	EXPECT_EQ(self->id, id_of(disk->dev.fd));

	ASSERT_EQ(0, vhdb_testdisk_set("hold_op", VHDB_OP_NONE));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(OK(513), vhdb_disk_reap(disk, 0, NULL));
}

/* ---- what comes and goes ---- */

struct looker {
	bool stop;
	unsigned long looks;
};

/* Reads whatever is there, of any device. */
static void *keep_looking(void *arg)
{
	struct looker *l = arg;

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		l->looks++;
		if (system("cat " ROOT "/*/* >/dev/null 2>&1") < 0)
			break;
	}
	return NULL;
}

TEST(numbers_and_folders_go_with_their_devices)
{
	struct looker l = { .stop = false };
	struct vhdb_backing b;
	long id, last = -1;
	pthread_t thread;
	char path[64];
	int fd, i;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	mount("none", DEBUGFS, "debugfs", 0, NULL);
	ASSERT_EQ(0, vhdb_backing_memfd(&b, 1 << 20));
	ASSERT_EQ(0, pthread_create(&thread, NULL, keep_looking, &l));
	for (i = 0; i < 100; i++) {
		fd = vhdb_open();
		ASSERT_LE(0, fd);
		/* Not attached yet: it has none. */
		ASSERT_EQ(-1, id_of(fd));
		ASSERT_EQ(0, vhdb_attach_blk(fd, b.fd, NULL));
		id = id_of(fd);
		/* Never one that has been */
		ASSERT_LT(last, id);
		last = id;
		snprintf(path, sizeof(path), ROOT "/%ld/queues", id);
		ASSERT_EQ(0, access(path, F_OK));
		close(fd);
		/* The thread's fork may have the file for a moment more. */
		ASSERT_TRUE(vhdb_wait_for(access(path, F_OK)));
	}
	__atomic_store_n(&l.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_LT(0, l.looks);
	vhdb_backing_free(&b);
}

TEST(a_bell_has_no_queues)
{
	int fd = vhdb_bell_open();
	char path[64], text[256];
	long id;

	if (fd < 0)
		SKIP(return, "no " VHDB_PATH);
	mount("none", DEBUGFS, "debugfs", 0, NULL);
	id = id_of(fd);
	ASSERT_LE(0, id);
	read_file_of(id, "device", text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "backend:  bell\n"));
	EXPECT_EQ(NULL, strstr(text, "backing:"));
	snprintf(path, sizeof(path), ROOT "/%ld/queues", id);
	EXPECT_EQ(-1, access(path, F_OK));
	close(fd);
}

TEST_HARNESS_MAIN
