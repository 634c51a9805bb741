// SPDX-License-Identifier: GPL-2.0
/*
 * What has to wait for storage that does not answer, and waits no longer than
 * it: SUSPEND, a reset, close, the end of a killed owner.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "lib/vhdb_module.h"
#include "storage_fixture.h"

FIXTURE(stalled) {
	struct storage_rig rig;
	pthread_t thread;
};

FIXTURE_VARIANT(stalled) {
	bool file;
	int flags;
};

FIXTURE_VARIANT_ADD(stalled, device_mapper) { .file = false };
FIXTURE_VARIANT_ADD(stalled, file) { .file = true };
FIXTURE_VARIANT_ADD(stalled, file_direct) { .file = true, .flags = O_DIRECT };

FIXTURE_SETUP(stalled)
{
	struct storage_rig *rig = &self->rig;
	int ret;

	storage_init(rig);
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	if (variant->file)
		ret = ext4_dir[0] ? vhdb_backing_file(&rig->backing, ext4_dir,
						      1 << 20, 0) : -ENODEV;
	else
		ret = dm_on_ram(rig);
	if (ret)
		SKIP(return, "no ext4, or no device-mapper");
}

FIXTURE_TEARDOWN(stalled)
{
	storage_free(&self->rig);
}

/* A disk whose storage stalls, then MANY writes in flight on it */
static int begin(struct storage_rig *rig, int flags)
{
	int ret = disk_on(rig, rig->dm[0] ? rig->dm_path : rig->backing.path,
			  flags, NULL, ALL);

	if (!ret)
		ret = storage_stall(rig);
	if (!ret)
		ret = submit_many(&rig->disk, T_OUT, 0, MANY, 1);
	return ret ? ret : taken(&rig->disk, MANY);
}

static void *goes_on_soon(void *rig)
{
	usleep(200000);
	storage_goes_on(rig);
	return NULL;
}

/* Behind the back of who waits for it */
#define GOES_ON_SOON() \
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, goes_on_soon, \
				    &self->rig))
#define WENT_ON() \
	ASSERT_EQ(0, pthread_join(self->thread, NULL))

/* All of them are on the storage, with @seed. */
static int all_written(struct storage_rig *rig, __u32 seed)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < MANY && !ret; i++)
		ret = vhdb_peek_check(rig->peek, i * 8, 4096, seed + i);
	return ret;
}

TEST_F(stalled, suspend_waits)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	__u64 seen = 0, token;
	unsigned int i;

	ASSERT_EQ(0, begin(rig, variant->flags));
	EXPECT_EQ(-EAGAIN, vhdb_disk_poll(disk, 0, NULL));
	GOES_ON_SOON();
	ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(OK(1), vhdb_disk_poll(disk, 0, &token));
		seen |= 1ULL << token;
	}
	EXPECT_EQ(ALL_OF(MANY), seen);
	WENT_ON();
	ASSERT_EQ(0, __vhdb_resume(disk->dev.fd));
	EXPECT_EQ(OK(4097), io(disk, T_IN, 0, 4096));
	EXPECT_EQ(0, all_written(rig, 1));
}

TEST_F(stalled, reset_waits)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct tally t;

	ASSERT_EQ(0, begin(rig, variant->flags));
	GOES_ON_SOON();
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	WENT_ON();
	/* The old ones are done: they do not come after the new. */
	EXPECT_EQ(0, all_written(rig, 1));
	ASSERT_EQ(0, submit_many(disk, T_OUT, 0, MANY, 100));
	ASSERT_EQ(0, reap_many(disk, MANY, &t));
	EXPECT_EQ(ALL_OF(MANY), t.ok);
	EXPECT_EQ(0, all_written(rig, 100));
}

TEST_F(stalled, close_waits)
{
	struct storage_rig *rig = &self->rig;

	ASSERT_EQ(0, begin(rig, variant->flags));
	GOES_ON_SOON();
	vhdb_disk_destroy(&rig->disk);
	rig->has_disk = false;
	WENT_ON();
	EXPECT_EQ(0, all_written(rig, 1));
}

/* A disk elsewhere, from beginning to end */
static int bystander(void)
{
	struct vhdb_backing memfd;
	struct vhdb_dev dev;
	int ret = vhdb_backing_memfd(&memfd, 1 << 20);

	if (ret)
		return ret;
	ret = vhdb_dev_create(&dev, memfd.fd, NULL);
	if (!ret) {
		ret = vhdb_dev_check(&dev);
		vhdb_dev_destroy(&dev);
	}
	vhdb_backing_free(&memfd);
	return ret;
}

static void owner(struct storage_rig *rig, int flags, int ready)
{
	char c = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!begin(rig, flags) && write(ready, &c, 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

/*
 * Killed, the owner of the disk is gone as soon as the storage has answered;
 * until then it is in the way of nobody else.
 */
TEST_F(stalled, killed_owner_goes)
{
	struct storage_rig *rig = &self->rig;
	int ready[2], status = 0;
	struct tally t;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		owner(rig, variant->flags, ready[1]);
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	close(ready[0]);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(0, bystander());
	storage_goes_on(rig);
	ASSERT_TRUE(vhdb_wait_for(waitpid(pid, &status, WNOHANG) == pid));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_TRUE(vhdb_wait_for(!vhdb_module_users(VHDB_MODULE_BLK)));

	ASSERT_EQ(0, disk_on(rig, rig->dm[0] ? rig->dm_path : rig->backing.path,
			     variant->flags, NULL, ALL));
	EXPECT_EQ(0, all_written(rig, 1));
	ASSERT_EQ(0, submit_many(&rig->disk, T_OUT, 0, MANY, 100));
	ASSERT_EQ(0, reap_many(&rig->disk, MANY, &t));
	EXPECT_EQ(ALL_OF(MANY), t.ok);
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
