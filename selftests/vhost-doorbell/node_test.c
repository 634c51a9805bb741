// SPDX-License-Identifier: GPL-2.0
/*
 * Named nodes: what opening one gives, that there is one opener at a time, that
 * what is in use does not go, who may, and all of that at once from many threads.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/virtio_ids.h>

#include "kselftest_harness.h"
#include "lib/vhdb_bell.h"
#include "lib/vhdb_copy.h"
#include "lib/vhdb_module.h"
#include "node_fixture.h"

#define NOBODY	65534
#define SOME	54321

#define ENABLE() \
	ASSERT_EQ(0, vhdb_node_enable(NODE, &self->attach))
#define SERVES(fd, opts) \
	EXPECT_EQ(0, serve_and_close(fd, opts))

static long number(const char *attr)
{
	char text[32];

	vhdb_node_get(NODE, attr, text, sizeof(text));
	return strtol(text, NULL, 10);
}

static long id_of(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return vhdb_file_value(path, "vhdb-id:\t", -1);
}

/* ---- one node ---- */

TEST_F(node, life)
{
	__u32 id = 0;
	int fd;

	EXPECT_FALSE(vhdb_node_exists(NODE));
	EXPECT_EQ(-ENOENT, vhdb_node_open(NODE));
	ENABLE();
	EXPECT_TRUE(vhdb_node_exists(NODE));

	fd = vhdb_node_open(NODE);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, __vhdb_get_device_id(fd, &id));
	EXPECT_EQ(VIRTIO_ID_BLOCK, id);
	EXPECT_EQ(-EBUSY, __vhdb_attach(fd, &self->attach));
	EXPECT_EQ(getpid(), number("opener"));
	SERVES(fd, NULL);
	EXPECT_EQ(0, number("opener"));

	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	EXPECT_FALSE(vhdb_node_exists(NODE));
	EXPECT_EQ(-ENOENT, vhdb_node_open(NODE));
	ENABLE();
	SERVES(vhdb_node_open(NODE), NULL);
	/* rmdir by itself disables it */
	EXPECT_EQ(0, vhdb_node_remove(NODE));
	EXPECT_FALSE(vhdb_node_exists(NODE));
	EXPECT_EQ(0, vhdb_node_make(NODE));
}

/* What was set is what the device has. */
TEST_F(node, as_attach)
{
	struct vhdb_opts opts = {
		.queues = 3, .queue_size = 64, .ro = true, .serial = "S/N 1",
		.lbs = 4096, .require = VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC),
	};
	struct virtio_blk_config config;
	__u64 named, plain;
	int fd, control;
	__u32 count;
	__u16 num;

	vhdb_attach_init(&self->attach, self->disk.fd, &opts);
	ENABLE();
	fd = vhdb_node_open(NODE);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, __vhdb_get_vqs_count(fd, &count));
	EXPECT_EQ(3, count);
	EXPECT_EQ(0, __vhdb_get_vring_num(fd, &num));
	EXPECT_EQ(64, num);
	EXPECT_EQ(0, __vhdb_get_config(fd, 0, sizeof(config), &config));
	EXPECT_EQ(4096, config.blk_size);
	EXPECT_EQ(DISK_SIZE / VHDB_SECTOR, config.capacity);
	/* The same device as by ATTACH offers the same. */
	control = vhdb_open();
	ASSERT_LE(0, control);
	EXPECT_EQ(0, __vhdb_attach(control, &self->attach));
	EXPECT_EQ(0, __vhdb_get_features(control, &plain));
	EXPECT_EQ(0, __vhdb_get_features(fd, &named));
	EXPECT_EQ(plain, named);
	EXPECT_TRUE(named & VHDB_BIT(VIRTIO_BLK_F_RO));
	close(control);
	close(fd);

	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	EXPECT_EQ(0, vhdb_node_set(NODE, "serial", "\n"));
	vhdb_attach_init(&self->attach, self->disk.fd, NULL);
}

TEST_F(node, other_back_ends)
{
	struct vhost_doorbell_attach attach;
	int fd, other;
	__u32 id = 0;

	vhdb_bell_attach_init(&attach);
	ASSERT_EQ(0, vhdb_node_enable(NODE, &attach));
	fd = vhdb_node_open(NODE);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, __vhdb_bell_ring(fd));
	EXPECT_EQ(0, vhdb_bell_expect(fd, 0, 1, 0));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_set_owner(fd));
	/* Kernel modules take it for what it is, too. */
	other = vhdb_bell_mod_open();
	EXPECT_LE(0, other);
	EXPECT_EQ(0, vhdb_bell_mod_get(other, fd));
	EXPECT_EQ(0, vhdb_bell_mod_put(other));
	close(other);
	EXPECT_EQ(0, vhdb_module_delete(VHDB_MODULE_BELL_TEST));
	close(fd);
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));

	attach = self->attach;
	memcpy(attach.backend, "copy", sizeof("copy"));
	attach.fd = -1;
	ASSERT_EQ(0, vhdb_node_enable(NODE, &attach));
	fd = vhdb_node_open(NODE);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, __vhdb_get_device_id(fd, &id));
	EXPECT_EQ(VHOST_DOORBELL_COPY_DEVICE_ID, id);
	close(fd);
}

/* ---- one opener at a time ---- */

TEST_F(node, open_twice)
{
	long first, second;
	int fd, copy;

	ENABLE();
	fd = vhdb_node_open(NODE);
	ASSERT_LE(0, fd);
	first = id_of(fd);
	EXPECT_EQ(-EBUSY, vhdb_node_open(NODE));
	EXPECT_EQ(0, __vhdb_set_owner(fd));

	/* It is in use as long as anyone has the file. */
	copy = dup(fd);
	ASSERT_LE(0, copy);
	close(fd);
	EXPECT_EQ(-EBUSY, vhdb_node_open(NODE));
	EXPECT_EQ(getpid(), number("opener"));
	close(copy);

	/* A new device: no owner, another number. */
	fd = vhdb_node_open(NODE);
	ASSERT_LE(0, fd);
	second = id_of(fd);
	EXPECT_LT(first, second);
	EXPECT_EQ(0, vhdb_status(fd));
	SERVES(fd, NULL);
}

TEST_F(node, in_use)
{
	char before[16], after[16];
	struct vhdb_dev dev;
	int fd;

	vhdb_read_file("/sys/module/vhost_doorbell/refcnt", before,
		       sizeof(before));
	ENABLE();
	fd = vhdb_node_open(NODE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, __vhdb_set_owner(fd));
	ASSERT_EQ(0, vhdb_dev_adopt(&dev, fd, NULL));
	ASSERT_EQ(0, vhdb_dev_start(&dev));

	EXPECT_EQ(-EBUSY, vhdb_node_remove(NODE));
	EXPECT_EQ(-EBUSY, vhdb_node_set(NODE, "enable", "0"));
	EXPECT_EQ(-EBUSY, vhdb_node_set(NODE, "enable", "1"));
	EXPECT_EQ(1, number("enable"));
	EXPECT_TRUE(vhdb_node_exists(NODE));
	EXPECT_EQ(0, vhdb_dev_read(&dev, 0, 7));
	vhdb_dev_destroy(&dev);

	EXPECT_EQ(0, vhdb_node_remove(NODE));
	EXPECT_EQ(0, vhdb_node_make(NODE));
	vhdb_read_file("/sys/module/vhost_doorbell/refcnt", after,
		       sizeof(after));
	EXPECT_STREQ(before, after);
}

/* A node holds the driver, and an enabled one its back end. */
TEST_F(node, modules)
{
	if (!vhdb_module_at_hand(VHDB_MODULE_BLK))
		SKIP(return, "it is not known where the modules are");
	ENABLE();
	EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(VHDB_MODULE_BLK)));
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	EXPECT_TRUE(vhdb_wait_for(!vhdb_module_users(VHDB_MODULE_BLK)));
	/* A node that is off is a user, too; it stands on no back end. */
	EXPECT_LT(0, vhdb_module_users(VHDB_MODULE_CORE));
	EXPECT_EQ(0, vhdb_module_delete_holders(VHDB_MODULE_CORE));
	EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(VHDB_MODULE_CORE)));
	EXPECT_EQ(0, vhdb_module_load(VHDB_MODULE_BLK));
	EXPECT_EQ(0, vhdb_module_load(VHDB_MODULE_BELL));
	EXPECT_EQ(0, vhdb_module_load(VHDB_MODULE_COPY));
	EXPECT_EQ(0, vhdb_module_load(VHDB_MODULE_NET));
	ENABLE();
	SERVES(vhdb_node_open(NODE), NULL);
}

/* What may be opened is what it was when it was enabled. */
TEST_F(node, path_that_changes)
{
	char path[128], other[128];
	int fd, second;

	snprintf(path, sizeof(path), "%s/node-image", vhdb_tmpdir());
	snprintf(other, sizeof(other), "%s/node-other", vhdb_tmpdir());
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vhdb_backing_fill(fd, DISK_SIZE));
	close(fd);
	second = open(other, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, ftruncate(second, DISK_SIZE));

	ASSERT_EQ(0, vhdb_node_set(NODE, "path", path));
	self->attach.fd = -1;
	ENABLE();
	SERVES(vhdb_node_open(NODE), NULL);
	ASSERT_EQ(0, rename(other, path));
	SERVES(vhdb_node_open(NODE), NULL);
	/* Enabled anew it is the other one, which is empty. */
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "1"));
	EXPECT_EQ(-EILSEQ, serve_and_close(vhdb_node_open(NODE), NULL));
	unlink(path);
	SERVES(vhdb_backing_fill(second, DISK_SIZE) ? -EIO :
	       vhdb_node_open(NODE), NULL);
	close(second);
	self->attach.fd = self->disk.fd;
}

TEST_F(node, block_device_is_claimed)
{
	struct vhdb_backing ram;
	int fd;

	if (vhdb_backing_ram(&ram, 0))
		SKIP(return, "no RAM disk");
	ASSERT_EQ(0, vhdb_backing_fill(ram.fd, DISK_SIZE));
	ASSERT_EQ(0, fsync(ram.fd));
	ASSERT_EQ(0, vhdb_node_set(NODE, "path", ram.path));
	self->attach.fd = -1;
	fd = open(ram.path, O_RDONLY | O_EXCL | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, vhdb_node_enable(NODE, &self->attach));
	close(fd);
	ENABLE();
	EXPECT_EQ(-1, open(ram.path, O_RDONLY | O_EXCL | O_CLOEXEC));
	EXPECT_EQ(EBUSY, errno);
	SERVES(vhdb_node_open(NODE), NULL);
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	fd = open(ram.path, O_RDONLY | O_EXCL | O_CLOEXEC);
	EXPECT_LE(0, fd);
	close(fd);
	vhdb_backing_free(&ram);
	self->attach.fd = self->disk.fd;
}

/* ---- who may ---- */

/* As another one: what @fn makes of it, its status 0 or an errno */
static int as(uid_t uid, gid_t gid, int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
			_exit(EINVAL);
		_exit(-fn(arg));
	}
	if (child < 0 || waitpid(child, &status, 0) != child ||
	    !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

static int open_and_serve(void *unused)
{
	return serve_and_close(vhdb_node_open(NODE), NULL);
}

static int open_control(void *unused)
{
	int fd = vhdb_open();

	return fd < 0 ? fd : 0;
}

static struct stat look(void)
{
	struct stat st = { };

	stat(VHDB_NODE_DIR "/" NODE, &st);
	return st;
}

TEST_F(node, owner_and_mode)
{
	ENABLE();
	EXPECT_EQ(0, look().st_uid);
	EXPECT_EQ(0, look().st_gid);
	EXPECT_EQ(0600, look().st_mode & 07777);
	EXPECT_EQ(-EACCES, as(NOBODY, SOME, open_and_serve, NULL));
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));

	EXPECT_EQ(0, vhdb_node_set(NODE, "gid", "54321"));
	EXPECT_EQ(0, vhdb_node_set(NODE, "mode", "0660"));
	ENABLE();
	EXPECT_EQ(0, look().st_uid);
	EXPECT_EQ(SOME, look().st_gid);
	EXPECT_EQ(0660, look().st_mode & 07777);
	EXPECT_EQ(0, as(NOBODY, SOME, open_and_serve, NULL));
	EXPECT_EQ(-EACCES, as(NOBODY, NOBODY, open_and_serve, NULL));
	EXPECT_EQ(-EACCES, as(NOBODY, SOME, open_control, NULL));
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));

	EXPECT_EQ(0, vhdb_node_set(NODE, "uid", "65534"));
	EXPECT_EQ(0, vhdb_node_set(NODE, "gid", "0"));
	EXPECT_EQ(0, vhdb_node_set(NODE, "mode", "0600"));
	ENABLE();
	EXPECT_EQ(NOBODY, look().st_uid);
	EXPECT_EQ(0, as(NOBODY, NOBODY, open_and_serve, NULL));
	EXPECT_EQ(-EACCES, as(SOME, NOBODY, open_and_serve, NULL));
	EXPECT_EQ(0, as(0, 0, open_and_serve, NULL));
}

static int write_enable(void *fd)
{
	return write(*(int *)fd, "1", 1) == 1 ? 0 : -errno;
}

/* The path is opened with the rights of who writes, not of who opened enable. */
TEST_F(node, writers_rights)
{
	char path[128];
	int fd, enable;

	snprintf(path, sizeof(path), "%s/node-secret", vhdb_tmpdir());
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vhdb_backing_fill(fd, DISK_SIZE));
	self->attach.fd = -1;
	ASSERT_EQ(0, vhdb_node_set(NODE, "path", path));
	ASSERT_EQ(0, vhdb_node_set_attach(NODE, &self->attach));
	enable = open(VHDB_NODES "/" NODE "/enable", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, enable);

	EXPECT_EQ(-EACCES, as(NOBODY, NOBODY, write_enable, &enable));
	EXPECT_EQ(0, number("enable"));
	EXPECT_EQ(0, fchmod(fd, 0666));
	EXPECT_EQ(0, as(NOBODY, NOBODY, write_enable, &enable));
	EXPECT_EQ(0, fchmod(fd, 0600));
	/* Nor are its rights asked for again. */
	SERVES(vhdb_node_open(NODE), NULL);
	close(enable);
	close(fd);
	unlink(path);
	self->attach.fd = self->disk.fd;
}

/* ---- an opener that dies ---- */

TEST_F(node, killed_opener)
{
	unsigned int i;
	int ready[2];
	pid_t child;
	char c;

	ENABLE();
	for (i = 0; i < vhdb_rounds(20); i++) {
		ASSERT_EQ(0, pipe(ready));
		child = fork();
		if (child == 0) {
			struct vhdb_dev dev;
			int fd = vhdb_node_open(NODE);

			if (fd >= 0 && !__vhdb_set_owner(fd) &&
			    !vhdb_dev_adopt(&dev, fd, NULL) &&
			    !vhdb_dev_start(&dev) &&
			    write(ready[1], "", 1) == 1)
				for (;;)
					vhdb_dev_read(&dev, 0, 0);
			_exit(1);
		}
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &c, 1));
		close(ready[0]);
		EXPECT_EQ(child, number("opener"));
		EXPECT_EQ(-EBUSY, vhdb_node_open(NODE));
		EXPECT_EQ(-EBUSY, vhdb_node_remove(NODE));
		EXPECT_EQ(0, kill(child, SIGKILL));
		EXPECT_EQ(child, waitpid(child, NULL, 0));
		/* The last of it may be a thread of the driver's, on its way out. */
		EXPECT_TRUE(vhdb_wait_for(!number("opener")));
		SERVES(vhdb_node_open(NODE), NULL);
	}
}

/* ---- all at once ---- */

#define RACED	"raced"
/* How often each thing is to be done */
#define RACE_ROUNDS	vhdb_rounds(8)

struct race {
	struct vhost_doorbell_attach attach;
	char node[64];			/* a device node that stays */
	atomic_bool stop;
	atomic_int inside;		/* openers */
	atomic_uint made, enabled, opened, refused, disabled, removed;
	atomic_int wrong;		/* an answer that there should not be */
};

/* One of three answers is right; 0 counts. */
static void answer(struct race *race, atomic_uint *count, int ret, int a, int b)
{
	if (ret >= 0)
		(*count)++;
	else if (ret != a && ret != b)
		race->wrong = ret;
}

static void *make(void *arg)
{
	struct race *race = arg;

	while (!race->stop) {
		int ret = vhdb_node_make(RACED);

		answer(race, &race->made, ret, -EEXIST, -EEXIST);
		/* What it lacks when it has just been made again: no back end */
		ret = vhdb_node_set_attach(RACED, &race->attach);
		if (!ret || ret == -EBUSY)
			ret = vhdb_node_set(RACED, "enable", "1");
		if (ret == -EBUSY)
			ret = -ENOENT;
		answer(race, &race->enabled, ret, -ENOENT, -EBADF);
	}
	return NULL;
}

/* Between two openers, while one tries to have it */
static int disable_or_remove(struct race *race, bool disable)
{
	int ret = -EBUSY;

	while (ret == -EBUSY && !race->stop) {
		ret = disable ? vhdb_node_set(RACED, "enable", "0") :
				vhdb_node_remove(RACED);
		vhdb_relax();
	}
	return ret;
}

static void *take_away(void *arg)
{
	struct race *race = arg;
	unsigned int i, before = 0;

	for (i = 0; !race->stop; i++) {
		/* At any moment, but mostly not before it was opened again */
		while ((i & 7) && race->opened == before && !race->stop)
			vhdb_relax();
		before = race->opened;
		answer(race, i & 1 ? &race->disabled : &race->removed,
		       disable_or_remove(race, i & 1), -ENOENT, -EBUSY);
	}
	return NULL;
}

/* Through devtmpfs's node, and through one that is there all the time */
static void *use(void *arg)
{
	struct race *race = arg;
	unsigned int i;
	__u32 id;

	for (i = 0; !race->stop; i++) {
		int fd = i & 1 ? open(race->node, O_RDWR | O_CLOEXEC) :
				 vhdb_node_open(RACED);

		if (i & 1 && fd < 0)
			fd = -errno;
		if (fd == -EBUSY)
			race->refused++;
		else if (fd < 0)
			answer(race, &race->opened, fd, -ENOENT, -ENXIO);
		if (fd < 0) {
			/* The others are to have a turn. */
			vhdb_relax();
			continue;
		}
		if (race->inside++)
			race->wrong = 1;
		race->opened++;
		/* Whatever goes on around it, it is a whole device. */
		if (__vhdb_get_device_id(fd, &id) || id != VIRTIO_ID_BLOCK ||
		    vhdb_node_remove(RACED) != -EBUSY)
			race->wrong = 2;
		race->inside--;
		close(fd);
		/* Now and then it is to be free. */
		usleep(5000);
	}
	return NULL;
}

static void *(*const racers[])(void *arg) = {
	make, make, take_away, use, use, use,
};

TEST_F(node, race)
{
	static struct race race;
	pthread_t threads[ARRAY_SIZE(racers)];
	struct stat st;
	size_t i;

	/* Its number is the first that is free, each time anew. */
	ASSERT_EQ(0, vhdb_node_make(RACED));
	ASSERT_EQ(0, vhdb_node_enable(RACED, &self->attach));
	ASSERT_EQ(0, stat(VHDB_NODE_DIR "/" RACED, &st));
	snprintf(race.node, sizeof(race.node), VHDB_NODE_DIR "/raced-node");
	unlink(race.node);
	ASSERT_EQ(0, mknod(race.node, S_IFCHR | 0600, st.st_rdev));
	race.attach = self->attach;

	for (i = 0; i < ARRAY_SIZE(racers); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, racers[i],
					    &race));
	/* Until each thing was done often enough to have met the others. */
	EXPECT_TRUE(vhdb_wait_for(race.wrong ||
				  (race.made > RACE_ROUNDS &&
				   race.enabled > RACE_ROUNDS &&
				   race.opened > RACE_ROUNDS &&
				   race.removed > RACE_ROUNDS &&
				   race.disabled > 2)));
	race.stop = true;
	for (i = 0; i < ARRAY_SIZE(racers); i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_EQ(0, race.wrong);
	TH_LOG("made %u enabled %u opened %u refused %u disabled %u removed %u",
	       race.made, race.enabled, race.opened, race.refused,
	       race.disabled, race.removed);

	vhdb_node_make(RACED);
	EXPECT_EQ(0, vhdb_node_set(RACED, "enable", "0"));
	EXPECT_EQ(-ENXIO, open(race.node, O_RDWR) < 0 ? -errno : 0);
	EXPECT_EQ(0, vhdb_node_remove(RACED));
	EXPECT_EQ(-ENXIO, open(race.node, O_RDWR) < 0 ? -errno : 0);
	unlink(race.node);
}

TEST_HARNESS_MAIN
