// SPDX-License-Identifier: GPL-2.0
/*
 * Every ioctl, and the IOTLB write, in every state of the file: before its
 * turn, while running, from another process, and of the other dialect (which
 * classic_test has as its own, and what decides between them). One table says
 * what is issued, the other what comes back. After each the device is brought
 * up from scratch and serves a read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"

#define DISK_SIZE	0x100000

/* Not to be compared: neither answer is promised */
#define ANY		1
/* It would make the device one of the other dialect */
#define DECIDES		2

enum state {
	NEW,			/* open */
	ATTACHED,		/* without an owner */
	OWNED,			/* status 0 */
	READY,			/* FEATURES_OK, rings set up and enabled */
	RUNNING,
	SUSPENDED,
	RESET,			/* was running, is owned */
	FOREIGN,		/* READY, and another process asks */
	FOREIGN_RUNNING,
	AUTO,			/* OWNED, with the dialect left open */
	NR_STATES,
};

/* Ioctls that behave alike */
enum class {
	ANYONE,			/* about the driver, not the device */
	ATTACH,
	QUERY,
	TAKE,			/* SET_OWNER */
	FEATURES,
	BACKEND_FEATURES,
	UNOWNED_OR_OWNER,
	DRIVER_OK,
	OWNER,
	OWNER_STOPPED,		/* not while running */
	OWNER_NEVER,		/* not offered */
	SUSPEND,
	RESUME,
	CLASSIC,		/* of the other dialect */
	OTHERS,		/* of another back end */
	UNKNOWN,
};

static const int expected[][NR_STATES] = {
	[ANYONE] = {},
	[ATTACH] = {
		0, -EBUSY, -EBUSY, -EBUSY, -EBUSY, -EBUSY, -EBUSY,
		-EBUSY, -EBUSY, -EBUSY,
	},
	[QUERY] = {
		-ENODEV,
	},
	[TAKE] = {
		-ENODEV, 0, -EBUSY, -EBUSY, -EBUSY, -EBUSY, -EBUSY,
		-EBUSY, -EBUSY, -EBUSY,
	},
	[FEATURES] = {
		-ENODEV, 0, 0, -EBUSY, -EBUSY, -EBUSY, 0,
		-EPERM, -EPERM, 0,
	},
	/* QEMU sets them after FEATURES_OK */
	[BACKEND_FEATURES] = {
		-ENODEV, 0, 0, 0, ANY, ANY, 0,
		-EPERM, -EPERM, 0,
	},
	[UNOWNED_OR_OWNER] = {
		-ENODEV, 0, 0, 0, 0, 0, 0,
		-EPERM, -EPERM, 0,
	},
	/* Without features FEATURES_OK does not come, hence no DRIVER_OK */
	[DRIVER_OK] = {
		-ENODEV, -EPERM, -EINVAL, 0, 0, 0, -EINVAL,
		-EPERM, -EPERM, -EINVAL,
	},
	[OWNER] = {
		-ENODEV, -EPERM, 0, 0, 0, 0, 0,
		-EPERM, -EPERM, 0,
	},
	[OWNER_STOPPED] = {
		-ENODEV, -EPERM, 0, 0, -EBUSY, ANY, 0,
		-EPERM, -EPERM, 0,
	},
	[OWNER_NEVER] = {
		-ENODEV, -EPERM, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP,
		-EOPNOTSUPP, -EOPNOTSUPP, -EPERM, -EPERM, -EOPNOTSUPP,
	},
	[SUSPEND] = {
		-ENODEV, -EPERM, 0, 0, 0, 0, 0,
		-EPERM, -EPERM, 0,
	},
	[RESUME] = {
		-ENODEV, -EPERM, 0, 0, 0, 0, 0,
		-EPERM, -EPERM, 0,
	},
	[CLASSIC] = {
		-ENODEV, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP,
		-EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP,
		DECIDES,
	},
	[OTHERS] = {
		-ENODEV, -ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY,
		-ENOTTY, -ENOTTY, -ENOTTY,
	},
	[UNKNOWN] = {
		-ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY,
		-ENOTTY, -ENOTTY, -ENOTTY,
	},
};

enum arg {
	NONE,
	OUT,			/* a buffer for the answer */
	VALUE,			/* .value, in as many bytes as the ioctl has */
	VRING,			/* vhost_vring_state { 0, .value } */
	EVENTFD,		/* vhost_vring_file { 0, kick } */
	ADDR,
	CONFIG,
	SIZED,			/* a struct of ours that carries its size */
	ATTACH_ARG,
	MSG,			/* not an ioctl: write() */
};

struct row {
	const char *name;
	unsigned long request;
	enum class class;
	enum arg arg;
	__u64 value;
};

#define ROW(nr, class, arg, value)	{ #nr, nr, class, arg, value }

static const struct row rows[] = {
	ROW(VHOST_DOORBELL_GET_INFO, ANYONE, SIZED, 0),
	ROW(VHOST_DOORBELL_ATTACH, ATTACH, ATTACH_ARG, 0),
	ROW(VHOST_DOORBELL_GET_STATS, QUERY, SIZED, 0),
	ROW(VHOST_DOORBELL_UPDATE, QUERY, SIZED, 0),
	ROW(VHOST_GET_FEATURES, QUERY, OUT, 0),
	ROW(VHOST_GET_BACKEND_FEATURES, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_DEVICE_ID, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_STATUS, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_CONFIG, QUERY, CONFIG, 0),
	ROW(VHOST_VDPA_GET_CONFIG_SIZE, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_VRING_NUM, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_VQS_COUNT, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_IOVA_RANGE, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_GROUP_NUM, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_AS_NUM, QUERY, OUT, 0),
	ROW(VHOST_VDPA_GET_VRING_GROUP, QUERY, VRING, 0),
	ROW(VHOST_VDPA_GET_VRING_SIZE, QUERY, VRING, 0),
	ROW(VHOST_SET_OWNER, TAKE, NONE, 0),
	ROW(VHOST_SET_FEATURES, FEATURES, VALUE, VHDB_F_REQUIRED),
	ROW(VHOST_SET_BACKEND_FEATURES, BACKEND_FEATURES, VALUE,
	    VHDB_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2)),
	ROW(VHOST_VDPA_SET_STATUS, UNOWNED_OR_OWNER, VALUE, 0),
	ROW(VHOST_VDPA_SET_STATUS, DRIVER_OK, VALUE, VHDB_S_DRIVER_OK),
	ROW(VHOST_VDPA_SET_CONFIG, UNOWNED_OR_OWNER, CONFIG, 0),
	ROW(VHOST_VDPA_SET_CONFIG_CALL, OWNER, VALUE, (__u64)-1),
	ROW(VHOST_SET_VRING_CALL, OWNER, EVENTFD, 0),
	ROW(VHOST_SET_VRING_ERR, OWNER, EVENTFD, 0),
	ROW(VHOST_SET_VRING_KICK, OWNER, EVENTFD, 0),
	ROW(VHOST_SET_VRING_NUM, OWNER_STOPPED, VRING, VHDB_QUEUE_SIZE),
	ROW(VHOST_SET_VRING_ADDR, OWNER_STOPPED, ADDR, 0),
	ROW(VHOST_SET_VRING_BASE, OWNER_STOPPED, VRING, 0),
	ROW(VHOST_GET_VRING_BASE, OWNER, VRING, 0),
	ROW(VHOST_VDPA_SET_VRING_ENABLE, OWNER, VRING, 1),
	ROW(VHOST_VDPA_SET_VRING_ENABLE, OWNER, VRING, 0),
	ROW(VHOST_VDPA_SET_GROUP_ASID, OWNER_NEVER, VRING, 0),
	ROW(VHOST_VDPA_SUSPEND, SUSPEND, NONE, 0),
	ROW(VHOST_VDPA_RESUME, RESUME, NONE, 0),
	{ "IOTLB write", 0, OWNER, MSG, 0 },

	ROW(VHOST_RESET_OWNER, CLASSIC, NONE, 0),
	ROW(VHOST_SET_MEM_TABLE, CLASSIC, OUT, 0),
	ROW(VHOST_SET_LOG_BASE, CLASSIC, VALUE, 0),
	ROW(VHOST_SET_LOG_FD, CLASSIC, VALUE, (__u64)-1),
	ROW(VHOST_NEW_WORKER, CLASSIC, OUT, 0),
	ROW(VHOST_FREE_WORKER, CLASSIC, VALUE, 0),
	ROW(VHOST_ATTACH_VRING_WORKER, CLASSIC, VRING, 0),
	ROW(VHOST_GET_VRING_WORKER, CLASSIC, VRING, 0),
	ROW(VHOST_SET_VRING_ENDIAN, CLASSIC, VRING, 0),
	ROW(VHOST_GET_VRING_ENDIAN, CLASSIC, VRING, 0),
	ROW(VHOST_SET_VRING_BUSYLOOP_TIMEOUT, CLASSIC, VRING, 0),
	ROW(VHOST_GET_VRING_BUSYLOOP_TIMEOUT, CLASSIC, VRING, 0),
	ROW(VHOST_NET_SET_BACKEND, CLASSIC, EVENTFD, 0),
	ROW(VHOST_DOORBELL_START, CLASSIC, NONE, 0),
	ROW(VHOST_DOORBELL_STOP, CLASSIC, NONE, 0),

	{ "unknown vhost number", _IO(VHOST_VIRTIO, 0xf0), UNKNOWN, NONE, 0 },
	{ "unknown own number", _IO(VHOST_DOORBELL_IOCTL, 0x3f), UNKNOWN,
	  NONE, 0 },
	ROW(VHOST_DOORBELL_BELL_RING, OTHERS, NONE, 0),
	{ "unknown number of a back end", _IO(VHOST_DOORBELL_IOCTL, 0x7f),
	  OTHERS, NONE, 0 },
	{ "another type", _IO('T', 0x01), UNKNOWN, NONE, 0 },
	/* A known number with another size or direction is unknown */
	{ "GET_INFO by size", _IOWR(VHOST_DOORBELL_IOCTL, 0x00, __u32),
	  UNKNOWN, SIZED, 0 },
	{ "GET_STATUS by direction", _IOW(VHOST_VIRTIO, 0x71, __u8), UNKNOWN,
	  OUT, 0 },
};

/* The argument of an ioctl; the longest is that of ATTACH */
union arg_buf {
	__u8 bytes[256];
	__u64 value;
	__u32 size;
	struct vhost_vring_state state;
	struct vhost_vring_file file;
	struct vhost_vring_addr addr;
	struct vhost_vdpa_config config;
	struct vhost_doorbell_attach attach;
	struct vhost_msg_v2 msg;
};

/* A place in the IOTLB that no test uses */
#define FAR_IOVA	0x7000000000ULL

static void fill_arg(union arg_buf *arg, const struct row *row,
		     const struct vhdb_dev *dev, int disk)
{
	const struct vhdb_vring *vr = &dev->vring[0];

	memset(arg, 0, sizeof(*arg));
	switch (row->arg) {
	case NONE:
	case OUT:
		break;
	case VALUE:
		/* Little-endian or of all-equal bytes, as far as it matters */
		if (_IOC_SIZE(row->request) == sizeof(__u8))
			arg->bytes[0] = row->value;
		else if (_IOC_SIZE(row->request) == sizeof(__u32))
			arg->size = row->value;
		else
			arg->value = row->value;
		break;
	case VRING:
		arg->state.num = row->value;
		break;
	case EVENTFD:
		arg->file.fd = dev->nr_vrings ? vr->kick : -1;
		break;
	case ADDR:
		arg->addr.desc_user_addr = vr->desc_iova;
		arg->addr.avail_user_addr = vr->avail_iova;
		arg->addr.used_user_addr = vr->used_iova;
		break;
	case CONFIG:
		arg->config.len = 1;
		break;
	case SIZED:
		arg->size = _IOC_SIZE(row->request);
		break;
	case ATTACH_ARG:
		vhdb_attach_init(&arg->attach, disk, NULL);
		break;
	case MSG:
		arg->msg.type = VHOST_IOTLB_MSG_V2;
		arg->msg.iotlb.type = VHOST_IOTLB_INVALIDATE;
		arg->msg.iotlb.iova = FAR_IOVA;
		arg->msg.iotlb.size = 4096;
		break;
	}
}

static int issue(int fd, const struct row *row, void *arg)
{
	if (row->arg == MSG)
		return __vhdb_msg_v2(fd, arg);
	return __vhdb_ioctl(fd, row->request, row->arg == NONE ? NULL : arg);
}

/* The same from a process that only has the file */
static int issue_foreign(int fd, const struct row *row, void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -EAGAIN;
	if (!pid)
		_exit(-issue(fd, row, arg) & 0xff);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

FIXTURE(state)
{
	struct vhdb_backing disk;
	struct vhdb_dev dev;
};

FIXTURE_VARIANT(state)
{
	enum state state;
};

FIXTURE_VARIANT_ADD(state, before_attach)
{
	.state = NEW,
};

FIXTURE_VARIANT_ADD(state, before_set_owner)
{
	.state = ATTACHED,
};

FIXTURE_VARIANT_ADD(state, owned)
{
	.state = OWNED,
};

FIXTURE_VARIANT_ADD(state, set_up)
{
	.state = READY,
};

FIXTURE_VARIANT_ADD(state, running)
{
	.state = RUNNING,
};

FIXTURE_VARIANT_ADD(state, suspended)
{
	.state = SUSPENDED,
};

FIXTURE_VARIANT_ADD(state, after_reset)
{
	.state = RESET,
};

FIXTURE_VARIANT_ADD(state, foreign_mm)
{
	.state = FOREIGN,
};

FIXTURE_VARIANT_ADD(state, foreign_mm_running)
{
	.state = FOREIGN_RUNNING,
};

FIXTURE_VARIANT_ADD(state, auto_dialect)
{
	.state = AUTO,
};

FIXTURE_SETUP(state)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
}

FIXTURE_TEARDOWN(state)
{
	vhdb_backing_free(&self->disk);
}

/* A fresh device in @state */
static int enter(struct vhdb_dev *dev, enum state state, int disk)
{
	struct vhdb_opts opts = {
		.dialect = state == AUTO ? VHDB_DIALECT_AUTO : 0,
	};
	int ret;

	memset(dev, 0, sizeof(*dev));
	if (state == NEW || state == ATTACHED) {
		dev->fd = vhdb_open();
		if (dev->fd < 0 || state == NEW)
			return dev->fd < 0 ? dev->fd : 0;
		return vhdb_attach_blk(dev->fd, disk, NULL);
	}

	ret = vhdb_dev_create(dev, disk, &opts);
	if (ret || state == OWNED || state == AUTO)
		return ret;
	ret = vhdb_dev_prepare(dev);
	if (ret || state == READY || state == FOREIGN)
		return ret;
	ret = vhdb_driver_ok(dev->fd);
	if (!ret && state == SUSPENDED)
		ret = __vhdb_suspend(dev->fd);
	if (!ret && state == RESET)
		ret = vhdb_reset(dev->fd);
	return ret;
}

/* Whatever was asked of it: the device can be brought to serve a disk */
static int prove(struct vhdb_dev *dev, enum state state, int disk)
{
	int ret, fd = dev->fd;

	if (state == NEW || state == ATTACHED) {
		/* Either may have been what was tried out */
		ret = vhdb_attach_blk(fd, disk, NULL);
		if (ret && ret != -EBUSY)
			return ret;
		ret = __vhdb_set_owner(fd);
		if (ret && ret != -EBUSY)
			return ret;
		ret = vhdb_dev_adopt(dev, fd, NULL);
		if (ret)
			return ret;
	}
	return vhdb_dev_check(dev);
}

TEST_F(state, every_ioctl)
{
	bool foreign = variant->state == FOREIGN ||
		       variant->state == FOREIGN_RUNNING;
	union arg_buf arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		int want = expected[row->class][variant->state];
		int got;

		if (want == DECIDES)
			continue;
		ASSERT_EQ(0, enter(&self->dev, variant->state, self->disk.fd)) {
			TH_LOG("before %s", row->name);
		}
		fill_arg(&arg, row, &self->dev, self->disk.fd);
		got = foreign ? issue_foreign(self->dev.fd, row, &arg) :
				issue(self->dev.fd, row, &arg);
		if (want != ANY) {
			EXPECT_EQ(want, got) {
				TH_LOG("%s (row %zu)", row->name, i);
			}
		}
		EXPECT_EQ(0, prove(&self->dev, variant->state, self->disk.fd)) {
			TH_LOG("after %s (row %zu) = %d", row->name, i, got);
		}
		vhdb_dev_destroy(&self->dev);
	}
}

/* The state is left as it was by all that was refused, one after the other */
TEST_F(state, refusals_change_nothing)
{
	bool foreign = variant->state == FOREIGN ||
		       variant->state == FOREIGN_RUNNING;
	int status, config = -ENODEV;
	union arg_buf arg;
	size_t i;

	ASSERT_EQ(0, enter(&self->dev, variant->state, self->disk.fd));
	status = vhdb_status(self->dev.fd);
	if (variant->state != NEW)
		config = 0;
	EXPECT_EQ(config, status < 0 ? status : 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		int want = expected[row->class][variant->state];

		if (want >= 0)
			continue;
		fill_arg(&arg, row, &self->dev, self->disk.fd);
		EXPECT_EQ(want, foreign ?
			  issue_foreign(self->dev.fd, row, &arg) :
			  issue(self->dev.fd, row, &arg)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
		EXPECT_EQ(status, vhdb_status(self->dev.fd)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
	}
	/* What was running still is */
	if (variant->state == RUNNING || variant->state == FOREIGN_RUNNING) {
		struct vhdb_scratch scratch = vhdb_dev_scratch(&self->dev, 0);

		EXPECT_EQ(0, vhdb_blk_check_read(&self->dev.vring[0], &scratch,
						 2));
	}
	EXPECT_EQ(0, prove(&self->dev, variant->state, self->disk.fd));
	vhdb_dev_destroy(&self->dev);
}

/* ---- arguments that cannot be read or written, or name no queue ---- */

FIXTURE(argument)
{
	struct vhdb_backing disk;
	struct vhdb_dev dev;
	void *page;		/* followed by one that may not be touched */
	size_t page_size;
};

FIXTURE_SETUP(argument)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	self->page_size = sysconf(_SC_PAGESIZE);
	self->page = mmap(NULL, 2 * self->page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_EQ(0, mprotect(self->page + self->page_size, self->page_size,
			      PROT_NONE));
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, vhdb_dev_create(&self->dev, self->disk.fd, NULL));
}

FIXTURE_TEARDOWN(argument)
{
	vhdb_dev_destroy(&self->dev);
	vhdb_backing_free(&self->disk);
	munmap(self->page, 2 * self->page_size);
}

/* Bytes that the kernel must be able to read and to write for @row */
static size_t arg_size(const struct row *row)
{
	if (row->arg == MSG)
		return sizeof(struct vhost_msg_v2);
	/* One byte of the config behind its header */
	if (row->arg == CONFIG)
		return sizeof(struct vhost_vdpa_config) + 1;
	return _IOC_SIZE(row->request);
}

static bool takes_pointer(const struct row *row)
{
	return row->arg != NONE && row->class != CLASSIC &&
	       row->class != UNKNOWN && row->class != ATTACH &&
	       row->class != OWNER_NEVER;
}

static bool names_queue(const struct row *row)
{
	return row->arg == VRING || row->arg == EVENTFD || row->arg == ADDR;
}

TEST_F(argument, no_memory_behind_the_pointer)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		void *wild = self->page + self->page_size;

		if (!takes_pointer(row))
			continue;
		EXPECT_EQ(-EFAULT, issue(self->dev.fd, row, NULL)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
		EXPECT_EQ(-EFAULT, issue(self->dev.fd, row, wild)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
	}
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

/* All of the argument but its last byte is there */
TEST_F(argument, cut_off)
{
	union arg_buf arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		size_t size = arg_size(row);
		void *cut = self->page + self->page_size - (size - 1);

		if (!takes_pointer(row) || size < 2)
			continue;
		fill_arg(&arg, row, &self->dev, self->disk.fd);
		memcpy(cut, &arg, size - 1);
		EXPECT_EQ(-EFAULT, issue(self->dev.fd, row, cut)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
	}
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

TEST_F(argument, answer_not_writable)
{
	union arg_buf arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		if (!takes_pointer(row) ||
		    !(_IOC_DIR(row->request) & _IOC_READ))
			continue;
		fill_arg(&arg, row, &self->dev, self->disk.fd);
		ASSERT_EQ(0, mprotect(self->page, self->page_size,
				      PROT_READ | PROT_WRITE));
		memcpy(self->page, &arg, sizeof(arg));
		ASSERT_EQ(0, mprotect(self->page, self->page_size, PROT_READ));
		EXPECT_EQ(-EFAULT, issue(self->dev.fd, row, self->page)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
	}
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

TEST_F(argument, no_such_queue)
{
	static const unsigned int index[] = {
		1, 0x100, 0x10000, 0x7fffffff, 0xffffffff,
	};
	union arg_buf arg;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		if (!takes_pointer(row) || !names_queue(row))
			continue;
		for (j = 0; j < ARRAY_SIZE(index); j++) {
			fill_arg(&arg, row, &self->dev, self->disk.fd);
			/* First in all three structs */
			arg.state.index = index[j];
			EXPECT_EQ(-ENOBUFS, issue(self->dev.fd, row, &arg)) {
				TH_LOG("%s (row %zu), queue %u", row->name, i,
				       index[j]);
			}
		}
	}
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

/* What the queries answer when all is well */
TEST_F(argument, answers_of_the_queries)
{
	struct vhost_vdpa_iova_range range;
	unsigned int value;
	__u64 features;
	__u32 n;

	EXPECT_EQ(0, __vhdb_get_group_num(self->dev.fd, &n));
	EXPECT_EQ(1, n);
	EXPECT_EQ(0, __vhdb_get_as_num(self->dev.fd, &n));
	EXPECT_EQ(1, n);
	EXPECT_EQ(0, __vhdb_get_vring_group(self->dev.fd, 0, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(0, __vhdb_get_vring_size(self->dev.fd, 0, &value));
	EXPECT_EQ(VHDB_QUEUE_SIZE, value);
	ASSERT_EQ(0, __vhdb_get_iova_range(self->dev.fd, &range));
	EXPECT_LT(range.first, range.last);
	/* Guests have RAM at 0 and may have some of it very high */
	EXPECT_EQ(0, range.first);
	EXPECT_LE(VHDB_BIT(52) - 1, range.last);
	ASSERT_EQ(0, __vhdb_get_backend_features(self->dev.fd, &features));
	EXPECT_TRUE(features & VHDB_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	EXPECT_TRUE(features & VHDB_BIT(VHOST_BACKEND_F_IOTLB_BATCH));
	EXPECT_TRUE(features & VHDB_BIT(VHOST_BACKEND_F_SUSPEND));
	EXPECT_TRUE(features & VHDB_BIT(VHOST_BACKEND_F_RESUME));
}

TEST_F(argument, backend_features_not_offered)
{
	__u64 features;

	ASSERT_EQ(0, __vhdb_get_backend_features(self->dev.fd, &features));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_set_backend_features(self->dev.fd,
							   VHDB_BIT(63)));
	EXPECT_EQ(-EOPNOTSUPP,
		  __vhdb_set_backend_features(self->dev.fd, features |
				VHDB_BIT(VHOST_BACKEND_F_IOTLB_ASID)));
	EXPECT_EQ(0, __vhdb_set_backend_features(self->dev.fd, features));
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

/* No misses to read, and nothing to map: QEMU tries the latter */
TEST_F(argument, no_read_no_mmap)
{
	char buf[sizeof(struct vhost_msg_v2)];

	ASSERT_EQ(0, fcntl(self->dev.fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-1, read(self->dev.fd, buf, sizeof(buf)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page_size, PROT_WRITE,
				   MAP_SHARED, self->dev.fd, 0));
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

TEST_HARNESS_MAIN
