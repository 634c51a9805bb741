// SPDX-License-Identifier: GPL-2.0
/*
 * The classic dialect: every ioctl in every state of the file, and what its
 * arguments may be. After each, the device is brought up from scratch and
 * serves requests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/vhdb_classic.h"

#define PAGE		VHDB_CLASSIC_PAGE
#define DATA		(16 * PAGE)
#define F_VERSION_1	VHDB_BIT(VIRTIO_F_VERSION_1)
#define F_PLATFORM	VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM)
#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_LOG		VHDB_BIT(VHOST_F_LOG_ALL)

/* Not to be compared: it is not told beforehand */
#define ANY		1

enum state {
	NEW,			/* open */
	ATTACHED,		/* without an owner */
	OWNED,
	READY,			/* set up, not started */
	RUNNING,
	STOPPED,
	DISOWNED,		/* after RESET_OWNER */
	FOREIGN,		/* RUNNING, and another process asks */
	NR_STATES,
};

/* Ioctls that behave alike */
enum class {
	QUERY,
	TAKE,			/* SET_OWNER */
	CHANGE,			/* anyone's before there is an owner */
	FEATURES,		/* likewise, and not while it runs */
	OWNER,
	OWNER_IDLE,		/* not while it runs */
	START,
	ENDIAN_BIG,
	NEVER,			/* not offered */
	OTHER,			/* vdpa's */
	MESSAGE,
};

static const int expected[][NR_STATES] = {
	[QUERY] = { -ENODEV },
	[TAKE] = {
		-ENODEV, 0, -EBUSY, -EBUSY, -EBUSY, -EBUSY, 0, -EBUSY,
	},
	[CHANGE] = { -ENODEV, 0, 0, 0, 0, 0, 0, -EPERM },
	[FEATURES] = { -ENODEV, 0, 0, 0, -EBUSY, 0, 0, -EPERM },
	[OWNER] = { -ENODEV, -EPERM, 0, 0, 0, 0, -EPERM, -EPERM },
	[OWNER_IDLE] = { -ENODEV, -EPERM, 0, 0, -EBUSY, 0, -EPERM, -EPERM },
	/* Without VERSION_1 it does not start */
	[START] = { -ENODEV, -EPERM, -EPROTO, 0, 0, 0, -EPERM, -EPERM },
	[ENDIAN_BIG] = {
		-ENODEV, -EPERM, -EPROTONOSUPPORT, -EPROTONOSUPPORT, -EBUSY,
		-EPROTONOSUPPORT, -EPERM, -EPERM,
	},
	[NEVER] = {
		-ENODEV, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP,
		-EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP,
	},
	[OTHER] = {
		-ENODEV, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP,
		-EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP,
	},
	/* There is no IOTLB */
	[MESSAGE] = {
		-ENODEV, -EPERM, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP,
		-EOPNOTSUPP, -EPERM, -EPERM,
	},
};

enum arg {
	NONE,
	OUT,			/* a buffer for the answer */
	VALUE,			/* .value, in as many bytes as the ioctl has */
	STATE,			/* struct vhost_vring_state { 0, .value } */
	EVENTFD,		/* struct vhost_vring_file { 0, .value } */
	ADDR,
	TABLE,
	CONFIG,			/* struct vhost_vdpa_config, one byte */
	ARRAY,			/* struct vhost_features_array { 1, { .value } } */
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
	ROW(VHOST_GET_FEATURES, QUERY, OUT, 0),
	ROW(VHOST_GET_FEATURES_ARRAY, QUERY, ARRAY, 0),
	ROW(VHOST_GET_BACKEND_FEATURES, QUERY, OUT, 0),
	ROW(VHOST_SET_OWNER, TAKE, NONE, 0),
	ROW(VHOST_SET_FEATURES, FEATURES, VALUE, 0),
	ROW(VHOST_SET_FEATURES_ARRAY, FEATURES, ARRAY, 0),
	ROW(VHOST_SET_BACKEND_FEATURES, CHANGE, VALUE,
	    VHDB_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2)),
	ROW(VHOST_RESET_OWNER, OWNER, NONE, 0),
	ROW(VHOST_SET_MEM_TABLE, OWNER, TABLE, 0),
	ROW(VHOST_SET_LOG_BASE, OWNER, VALUE, 0x10000),
	ROW(VHOST_SET_LOG_FD, OWNER, VALUE, (__u64)-1),
	ROW(VHOST_SET_VRING_NUM, OWNER_IDLE, STATE, VHDB_CLASSIC_NUM),
	ROW(VHOST_SET_VRING_BASE, OWNER_IDLE, STATE, 0),
	ROW(VHOST_SET_VRING_ADDR, OWNER, ADDR, 0),
	ROW(VHOST_GET_VRING_BASE, OWNER, STATE, 0),
	ROW(VHOST_SET_VRING_KICK, OWNER, EVENTFD, (__u64)-1),
	ROW(VHOST_SET_VRING_CALL, OWNER, EVENTFD, (__u64)-1),
	ROW(VHOST_SET_VRING_ERR, OWNER, EVENTFD, (__u64)-1),
	ROW(VHOST_SET_VRING_ENDIAN, OWNER_IDLE, STATE,
	    VHOST_VRING_LITTLE_ENDIAN),
	ROW(VHOST_SET_VRING_ENDIAN, ENDIAN_BIG, STATE, VHOST_VRING_BIG_ENDIAN),
	ROW(VHOST_GET_VRING_ENDIAN, OWNER, STATE, 0),
	ROW(VHOST_SET_VRING_BUSYLOOP_TIMEOUT, OWNER, STATE, 50),
	ROW(VHOST_GET_VRING_BUSYLOOP_TIMEOUT, OWNER, STATE, 0),
	ROW(VHOST_NEW_WORKER, OWNER, OUT, 0),
	ROW(VHOST_ATTACH_VRING_WORKER, OWNER, STATE, 0),
	ROW(VHOST_GET_VRING_WORKER, OWNER, STATE, 0),
	ROW(VHOST_DOORBELL_START, START, NONE, 0),
	ROW(VHOST_DOORBELL_STOP, OWNER, NONE, 0),
	ROW(VHOST_DOORBELL_GET_CONFIG, QUERY, CONFIG, 0),
	ROW(VHOST_DOORBELL_SET_CONFIG, CHANGE, CONFIG, 0),
	ROW(VHOST_DOORBELL_SET_CONFIG_CALL, OWNER, VALUE, (__u64)-1),
	ROW(VHOST_NET_SET_BACKEND, NEVER, EVENTFD, 0),
	{ "IOTLB write", 0, MESSAGE, MSG, 0 },

	ROW(VHOST_VDPA_GET_DEVICE_ID, OTHER, OUT, 0),
	ROW(VHOST_VDPA_GET_STATUS, OTHER, OUT, 0),
	ROW(VHOST_VDPA_SET_STATUS, OTHER, VALUE, 0),
	ROW(VHOST_VDPA_GET_CONFIG, OTHER, OUT, 0),
	ROW(VHOST_VDPA_SET_CONFIG, OTHER, OUT, 0),
	ROW(VHOST_VDPA_GET_CONFIG_SIZE, OTHER, OUT, 0),
	ROW(VHOST_VDPA_SET_CONFIG_CALL, OTHER, VALUE, (__u64)-1),
	ROW(VHOST_VDPA_SET_VRING_ENABLE, OTHER, STATE, 1),
	ROW(VHOST_VDPA_GET_VRING_NUM, OTHER, OUT, 0),
	ROW(VHOST_VDPA_GET_VRING_SIZE, OTHER, STATE, 0),
	ROW(VHOST_VDPA_GET_IOVA_RANGE, OTHER, OUT, 0),
	ROW(VHOST_VDPA_GET_VQS_COUNT, OTHER, OUT, 0),
	ROW(VHOST_VDPA_GET_GROUP_NUM, OTHER, OUT, 0),
	ROW(VHOST_VDPA_GET_AS_NUM, OTHER, OUT, 0),
	ROW(VHOST_VDPA_GET_VRING_GROUP, OTHER, STATE, 0),
	ROW(VHOST_VDPA_SET_GROUP_ASID, OTHER, STATE, 0),
	ROW(VHOST_VDPA_SUSPEND, OTHER, NONE, 0),
	ROW(VHOST_VDPA_RESUME, OTHER, NONE, 0),
};

union arg_buf {
	__u8 bytes[256];
	__u64 value;
	__u32 word;
	struct vhost_vring_state state;
	struct vhost_vring_file file;
	struct vhost_vring_addr addr;
	struct vhost_memory memory;
	struct vhost_vdpa_config config;
	struct vhost_msg_v2 msg;
};

static void fill_arg(union arg_buf *arg, const struct row *row,
		     const struct vhdb_classic *c)
{
	const struct vhdb_vring *vr = &c->q[0].vring;
	struct vhost_features_array *array = (void *)arg->bytes;

	memset(arg, 0, sizeof(*arg));
	switch (row->arg) {
	case NONE:
	case OUT:
		break;
	case VALUE:
		if (_IOC_SIZE(row->request) == sizeof(__u32))
			arg->word = row->value;
		else
			arg->value = row->value;
		break;
	case STATE:
		arg->state.num = row->value;
		break;
	case EVENTFD:
		arg->file.fd = row->value;
		break;
	case ADDR:
		arg->addr.desc_user_addr = (uintptr_t)vr->desc;
		arg->addr.avail_user_addr = (uintptr_t)vr->avail;
		arg->addr.used_user_addr = (uintptr_t)vr->used;
		break;
	case TABLE:
		arg->memory.nregions = 1;
		arg->memory.regions[0].guest_phys_addr = c->mem.iova;
		arg->memory.regions[0].memory_size = PAGE;
		arg->memory.regions[0].userspace_addr = (uintptr_t)c->mem.hva;
		break;
	case CONFIG:
		arg->config.len = 1;
		break;
	case ARRAY:
		array->count = 1;
		array->features[0] = row->value;
		break;
	case MSG:
		arg->msg.type = VHOST_IOTLB_MSG_V2;
		arg->msg.iotlb.type = VHOST_IOTLB_INVALIDATE;
		arg->msg.iotlb.iova = 0x7000000000ULL;
		arg->msg.iotlb.size = PAGE;
		break;
	}
}

static int issue(int fd, const struct row *row, void *arg)
{
	if (row->arg == MSG)
		return __vhdb_msg_v2(fd, arg);
	return __vhdb_ioctl(fd, row->request, row->arg == NONE ? NULL : arg);
}

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

/*
 * The proof that a device is still usable, and with what: from RESET_OWNER on
 * all is set up anew, and two requests are right.
 */
static int prove(struct vhdb_classic *c)
{
	int ret, i;

	ret = __vhdb_ioctl(c->fd, VHOST_RESET_OWNER, NULL);
	if (ret && ret != -EPERM)
		return ret;
	ret = __vhdb_set_owner(c->fd);
	if (!ret)
		ret = vhdb_classic_table(c);
	if (!ret)
		ret = vhdb_classic_start(c);
	for (i = 0; !ret && i < 2; i++)
		ret = vhdb_classic_do(c, 0, c->data + i * PAGE + 100, PAGE,
				      i + 1);
	return ret;
}

static int enter(struct vhdb_classic *c, enum state state)
{
	int ret;

	/* What is not to be there yet is undone; its memory is not */
	ret = vhdb_classic_create(c, -1, 1, 0, DATA);
	if (ret || state == OWNED)
		return ret;
	if (state == NEW || state == ATTACHED) {
		const struct vhdb_opts opts = {
			.dialect = VHOST_DOORBELL_DIALECT_CLASSIC,
		};
		struct vhost_doorbell_attach arg;

		close(c->fd);
		c->fd = vhdb_open();
		if (c->fd < 0 || state == NEW)
			return c->fd < 0 ? c->fd : 0;
		vhdb_attach_init(&arg, -1, &opts);
		memcpy(arg.backend, "copy", sizeof("copy"));
		return __vhdb_attach(c->fd, &arg);
	}
	ret = vhdb_classic_setup(c);
	if (ret || state == READY)
		return ret;
	ret = __vhdb_start(c->fd);
	if (!ret && state == STOPPED)
		ret = __vhdb_stop(c->fd);
	if (!ret && state == DISOWNED)
		ret = __vhdb_ioctl(c->fd, VHOST_RESET_OWNER, NULL);
	return ret;
}

FIXTURE(state)
{
	struct vhdb_classic c;
};

FIXTURE_VARIANT(state)
{
	enum state state;
};

FIXTURE_VARIANT_ADD(state, before_attach) { .state = NEW };
FIXTURE_VARIANT_ADD(state, before_set_owner) { .state = ATTACHED };
FIXTURE_VARIANT_ADD(state, owned) { .state = OWNED };
FIXTURE_VARIANT_ADD(state, set_up) { .state = READY };
FIXTURE_VARIANT_ADD(state, running) { .state = RUNNING };
FIXTURE_VARIANT_ADD(state, stopped) { .state = STOPPED };
FIXTURE_VARIANT_ADD(state, after_reset_owner) { .state = DISOWNED };
FIXTURE_VARIANT_ADD(state, foreign_mm) { .state = FOREIGN };

FIXTURE_SETUP(state)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
}

FIXTURE_TEARDOWN(state)
{
}

TEST_F(state, every_ioctl)
{
	struct vhdb_classic *c = &self->c;
	union arg_buf arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		int want = expected[row->class][variant->state], got;

		ASSERT_EQ(0, enter(c, variant->state)) {
			TH_LOG("before %s", row->name);
		}
		fill_arg(&arg, row, c);
		got = variant->state == FOREIGN ?
		      issue_foreign(c->fd, row, &arg) : issue(c->fd, row, &arg);
		EXPECT_EQ(want, got) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
		if (variant->state != NEW) {
			EXPECT_EQ(0, prove(c)) {
				TH_LOG("after %s (row %zu) = %d", row->name, i,
				       got);
			}
		}
		vhdb_classic_destroy(c);
	}
}

/* What was refused has changed nothing: what ran still does */
TEST_F(state, refusals_change_nothing)
{
	struct vhdb_classic *c = &self->c;
	union arg_buf arg;
	size_t i;

	ASSERT_EQ(0, enter(c, variant->state));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		int want = expected[row->class][variant->state];

		if (want >= 0)
			continue;
		fill_arg(&arg, row, c);
		EXPECT_EQ(want, variant->state == FOREIGN ?
			  issue_foreign(c->fd, row, &arg) :
			  issue(c->fd, row, &arg)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
	}
	if (variant->state == RUNNING || variant->state == FOREIGN)
		EXPECT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 5));
	vhdb_classic_destroy(c);
}

/* ---- arguments ---- */

FIXTURE(argument)
{
	struct vhdb_classic c;
	int fd;
};

FIXTURE_SETUP(argument)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_classic_create(&self->c, -1, 2, 0, DATA));
	self->fd = self->c.fd;
}

FIXTURE_TEARDOWN(argument)
{
	EXPECT_EQ(0, prove(&self->c));
	vhdb_classic_destroy(&self->c);
}

TEST_F(argument, no_memory_behind_the_pointer)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		if (row->arg == NONE || row->class == OTHER ||
		    row->class == NEVER || row->class == MESSAGE)
			continue;
		EXPECT_EQ(-EFAULT, issue(self->fd, row, (void *)8)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
	}
}

TEST_F(argument, no_such_queue)
{
	union arg_buf arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		if ((row->arg != STATE && row->arg != EVENTFD &&
		     row->arg != ADDR) || row->class == OTHER ||
		    row->class == NEVER)
			continue;
		fill_arg(&arg, row, &self->c);
		arg.state.index = 2;
		EXPECT_EQ(-ENOBUFS, issue(self->fd, row, &arg)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
		arg.state.index = ~0U;
		EXPECT_EQ(-ENOBUFS, issue(self->fd, row, &arg)) {
			TH_LOG("%s (row %zu)", row->name, i);
		}
	}
}

TEST_F(argument, features)
{
	__u64 offered, backend;

	ASSERT_EQ(0, __vhdb_get_features(self->fd, &offered));
	EXPECT_EQ(F_VERSION_1 | F_PLATFORM | F_PACKED | F_LOG,
		  offered & (F_VERSION_1 | F_PLATFORM | F_PACKED | F_LOG));
	EXPECT_EQ(0, __vhdb_set_features(self->fd, offered));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_set_features(self->fd,
						   offered | VHDB_BIT(63)));
	ASSERT_EQ(0, __vhdb_get_backend_features(self->fd, &backend));
	EXPECT_EQ(VHDB_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2),
		  backend & VHDB_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_set_backend_features(self->fd, ~0ULL));
	/* As QEMU does for a device that needs none */
	EXPECT_EQ(0, __vhdb_set_backend_features(self->fd, 0));
}

TEST_F(argument, features_array)
{
	struct {
		__u64 count;
		__u64 word[4];
	} array = { .count = 4, .word = { 1, 2, 3, 4 } };
	__u64 offered;

	ASSERT_EQ(0, __vhdb_get_features(self->fd, &offered));
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_GET_FEATURES_ARRAY, &array));
	EXPECT_EQ(offered, array.word[0]);
	EXPECT_EQ(0, array.word[1] | array.word[2] | array.word[3]);
	EXPECT_EQ(4, array.count);

	array.word[0] = F_VERSION_1;
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_SET_FEATURES_ARRAY, &array));
	array.word[3] = 1;
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_ioctl(self->fd, VHOST_SET_FEATURES_ARRAY,
					    &array));
	/* No more is looked at than is said to be there */
	array.count = 3;
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_SET_FEATURES_ARRAY, &array));
	array.word[0] = VHDB_BIT(63);
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_ioctl(self->fd, VHOST_SET_FEATURES_ARRAY,
					    &array));
	array.count = 0;
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_GET_FEATURES_ARRAY, &array));
	EXPECT_EQ(VHDB_BIT(63), array.word[0]);
	array.count = ~0ULL;
	EXPECT_EQ(-E2BIG, __vhdb_ioctl(self->fd, VHOST_GET_FEATURES_ARRAY,
				       &array));
	EXPECT_EQ(-E2BIG, __vhdb_ioctl(self->fd, VHOST_SET_FEATURES_ARRAY,
				       &array));
}

/* With what has been chosen, no more: VERSION_1 it needs */
TEST_F(argument, start_without_version_1)
{
	ASSERT_EQ(0, vhdb_classic_setup(&self->c));
	ASSERT_EQ(0, __vhdb_set_features(self->fd, 0));
	EXPECT_EQ(-EPROTO, __vhdb_start(self->fd));
	ASSERT_EQ(0, __vhdb_set_features(self->fd, F_VERSION_1));
	EXPECT_EQ(0, __vhdb_start(self->fd));
}

TEST_F(argument, start_without_a_queue)
{
	ASSERT_EQ(0, __vhdb_set_features(self->fd, F_VERSION_1));
	EXPECT_EQ(-ENODATA, __vhdb_start(self->fd));
	/* One is enough; addresses of the other kind are none */
	ASSERT_EQ(0, vhdb_classic_setup_queue(&self->c, 1, 0));
	EXPECT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	ASSERT_EQ(0, __vhdb_set_features(self->fd, F_VERSION_1 | F_PLATFORM));
	EXPECT_EQ(-ENODATA, __vhdb_start(self->fd));
}

/* All or none */
TEST_F(argument, start_with_a_ring_that_is_not_there)
{
	struct vhdb_vring *vr = &self->c.q[1].vring;
	unsigned int base;

	ASSERT_EQ(0, vhdb_classic_setup(&self->c));
	ASSERT_EQ(0, __vhdb_classic_addr(self->fd, 1, 0x1000,
					 (uintptr_t)vr->avail,
					 (uintptr_t)vr->used, 0, 0));
	EXPECT_EQ(-EFAULT, __vhdb_start(self->fd));
	/* The other one does not run either: it can be moved */
	EXPECT_EQ(0, __vhdb_set_vring_base(self->fd, 0, 0));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 1, &base));
	/* Kernel addresses are nobody's */
	ASSERT_EQ(0, __vhdb_classic_addr(self->fd, 1, 1ULL << 63,
					 (uintptr_t)vr->avail,
					 (uintptr_t)vr->used, 0, 0));
	EXPECT_EQ(-EFAULT, __vhdb_start(self->fd));
}

TEST_F(argument, vring_addr)
{
	struct vhdb_vring *vr = &self->c.q[0].vring;
	uintptr_t d = (uintptr_t)vr->desc, a = (uintptr_t)vr->avail;
	uintptr_t u = (uintptr_t)vr->used;

	EXPECT_EQ(0, __vhdb_classic_addr(self->fd, 0, d, a, u, 0, 0));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_classic_addr(self->fd, 0, d, a, u, 0, 2));
	EXPECT_EQ(-EINVAL, __vhdb_classic_addr(self->fd, 0, d + 8, a, u, 0, 0));
	EXPECT_EQ(-EINVAL, __vhdb_classic_addr(self->fd, 0, d, a + 1, u, 0, 0));
	EXPECT_EQ(-EINVAL, __vhdb_classic_addr(self->fd, 0, d, a, u + 2, 0, 0));
	EXPECT_EQ(-EINVAL, __vhdb_classic_addr(self->fd, 0, d, a, u, 2, 0));
	EXPECT_EQ(-EINVAL, __vhdb_classic_addr(self->fd, 0, ~0ULL & ~15ULL, a,
					       u, 0, 0));
}

static struct vhost_memory_region region(const struct vhdb_classic *c,
					 __u64 page, __u64 size)
{
	return (struct vhost_memory_region){
		.guest_phys_addr = c->mem.iova + page * PAGE,
		.memory_size = size,
		.userspace_addr = (uintptr_t)c->mem.hva + page * PAGE,
	};
}

TEST_F(argument, mem_table)
{
	struct vhost_memory_region r[2] = {
		region(&self->c, 0, PAGE), region(&self->c, 1, PAGE),
	};
	struct vhost_memory memory = { .nregions = ~0U };

	EXPECT_EQ(0, __vhdb_set_mem_table(self->fd, r, 2));
	EXPECT_EQ(0, __vhdb_set_mem_table(self->fd, r, 0));
	EXPECT_EQ(-E2BIG, __vhdb_ioctl(self->fd, VHOST_SET_MEM_TABLE, &memory));
	memory.nregions = 0;
	memory.padding = 1;
	EXPECT_EQ(-EINVAL, __vhdb_ioctl(self->fd, VHOST_SET_MEM_TABLE, &memory));

	r[1].guest_phys_addr -= 1;
	EXPECT_EQ(-EEXIST, __vhdb_set_mem_table(self->fd, r, 2));
	r[1] = region(&self->c, 1, 0);
	EXPECT_EQ(-EINVAL, __vhdb_set_mem_table(self->fd, r, 2));
	r[1].guest_phys_addr = 0;
	EXPECT_EQ(-EINVAL, __vhdb_set_mem_table(self->fd, r, 2));
	r[1] = region(&self->c, 1, ~0ULL);
	EXPECT_EQ(-EINVAL, __vhdb_set_mem_table(self->fd, r, 2));
	r[1] = region(&self->c, 1, PAGE);
	r[1].guest_phys_addr = ~0ULL - PAGE + 2;
	EXPECT_EQ(-EINVAL, __vhdb_set_mem_table(self->fd, r, 2));
	r[1].guest_phys_addr = 0;
	r[1].userspace_addr = 1ULL << 63;
	EXPECT_EQ(-EFAULT, __vhdb_set_mem_table(self->fd, r, 2));
	r[1].userspace_addr = 0x1000;
	r[1].memory_size = 1ULL << 62;
	EXPECT_EQ(-EFAULT, __vhdb_set_mem_table(self->fd, r, 2));
}

/* More than QEMU's most: 509 slots of memory */
TEST_F(argument, mem_table_of_a_thousand_regions)
{
	struct vhost_memory_region *r = calloc(1000, sizeof(*r));
	unsigned int i, n = self->c.mem.size / PAGE;

	ASSERT_NE(NULL, r);
	ASSERT_EQ(0, vhdb_classic_start(&self->c));
	for (i = 0; i < 1000; i++) {
		/* The guest's memory, page by page, and the same elsewhere */
		r[i] = region(&self->c, i % n, PAGE);
		r[i].guest_phys_addr += i / n * (1ULL << 32);
	}
	EXPECT_EQ(0, __vhdb_set_mem_table(self->fd, r, 1000));
	EXPECT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data + 77, 3 * PAGE,
				     4));
	free(r);
}

TEST_F(argument, log_base)
{
	EXPECT_EQ(-EFAULT, __vhdb_set_log_base(self->fd, (void *)(1ULL << 63)));
	EXPECT_EQ(0, __vhdb_set_log_base(self->fd, self->c.log));
	/* Logging with no log */
	self->c.features |= F_LOG;
	ASSERT_EQ(0, __vhdb_set_log_base(self->fd, NULL));
	ASSERT_EQ(0, vhdb_classic_setup(&self->c));
	EXPECT_EQ(-EFAULT, __vhdb_start(self->fd));
	ASSERT_EQ(0, __vhdb_set_log_base(self->fd, self->c.log));
	EXPECT_EQ(0, __vhdb_start(self->fd));
	EXPECT_EQ(-EFAULT, __vhdb_set_log_base(self->fd, NULL));
	self->c.features &= ~F_LOG;
}

TEST_F(argument, log_fd)
{
	int fd = self->c.q[0].vring.kick, bad = 1000;

	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_SET_LOG_FD, &fd));
	EXPECT_EQ(-EBADF, __vhdb_ioctl(self->fd, VHOST_SET_LOG_FD, &bad));
	EXPECT_EQ(-EINVAL, __vhdb_ioctl(self->fd, VHOST_SET_LOG_FD,
					&self->fd));
	fd = -1;
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_SET_LOG_FD, &fd));
}

TEST_F(argument, busyloop_timeout)
{
	struct vhost_vring_state state = { .index = 1, .num = 123456 };

	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
				  &state));
	state.num = 0;
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT,
				  &state));
	EXPECT_EQ(123456, state.num);
	state.index = 0;
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT,
				  &state));
	EXPECT_EQ(0, state.num);
	/* RESET_OWNER forgets it */
	ASSERT_EQ(0, prove(&self->c));
	state.index = 1;
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT,
				  &state));
	EXPECT_EQ(0, state.num);
}

TEST_F(argument, endian)
{
	struct vhost_vring_state state = { .num = 2 };

	EXPECT_EQ(-EINVAL, __vhdb_ioctl(self->fd, VHOST_SET_VRING_ENDIAN,
					&state));
	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_GET_VRING_ENDIAN, &state));
	EXPECT_EQ(VHOST_VRING_LITTLE_ENDIAN, state.num);
}

/* ---- which dialect ---- */

static int open_auto(void)
{
	const struct vhdb_opts opts = { .dialect = VHDB_DIALECT_AUTO };
	struct vhost_doorbell_attach arg;
	int fd = vhdb_open(), ret;

	vhdb_attach_init(&arg, -1, &opts);
	memcpy(arg.backend, "copy", sizeof("copy"));
	ret = fd < 0 ? fd : __vhdb_attach(fd, &arg);
	return ret ? ret : fd;
}

TEST(auto_is_decided_by_a_classic_ioctl)
{
	__u64 before, after;
	int fd, none = -1;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	fd = open_auto();
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, __vhdb_get_features(fd, &before));
	EXPECT_EQ(0, before & (F_LOG | F_PACKED));
	/* What was refused decides nothing */
	EXPECT_EQ(-EPERM, __vhdb_ioctl(fd, VHOST_SET_LOG_FD, &none));
	EXPECT_EQ(0, vhdb_status(fd));
	close(fd);

	fd = open_auto();
	ASSERT_EQ(0, __vhdb_set_owner(fd));
	EXPECT_EQ(0, __vhdb_ioctl(fd, VHOST_SET_LOG_FD, &none));
	EXPECT_EQ(-EOPNOTSUPP, vhdb_status(fd));
	ASSERT_EQ(0, __vhdb_get_features(fd, &after));
	EXPECT_EQ(before, after & before);
	EXPECT_EQ(F_LOG | F_PACKED, after & (F_LOG | F_PACKED));
	close(fd);
}

TEST(auto_is_decided_by_a_vdpa_ioctl)
{
	int fd, none = -1;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	fd = open_auto();
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, __vhdb_set_owner(fd));
	EXPECT_EQ(0, vhdb_status(fd));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_ioctl(fd, VHOST_SET_LOG_FD, &none));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_start(fd));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_stop(fd));
	EXPECT_EQ(-1, read(fd, &none, sizeof(none)));
	EXPECT_EQ(EOPNOTSUPP, errno);
	close(fd);
}

TEST(the_capability_is_told)
{
	struct vhost_doorbell_info info = { .size = sizeof(info) };
	int fd;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	fd = vhdb_open();
	ASSERT_EQ(0, __vhdb_get_info(fd, &info));
	EXPECT_EQ(VHOST_DOORBELL_CAP_CLASSIC,
		  info.capabilities & VHOST_DOORBELL_CAP_CLASSIC);
	close(fd);
}

/* What ATTACH names is what there is: LOG_ALL is not the driver's affair */
TEST(features_allow_holds_in_this_dialect)
{
	const struct vhdb_opts opts = {
		.dialect = VHOST_DOORBELL_DIALECT_CLASSIC,
		.allow = F_VERSION_1,
	};
	struct vhost_doorbell_attach arg;
	__u64 features;
	int fd;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	fd = vhdb_open();
	vhdb_attach_init(&arg, -1, &opts);
	memcpy(arg.backend, "copy", sizeof("copy"));
	ASSERT_EQ(0, __vhdb_attach(fd, &arg));
	ASSERT_EQ(0, __vhdb_get_features(fd, &features));
	EXPECT_EQ(F_VERSION_1 | F_LOG, features);
	close(fd);
}

TEST_HARNESS_MAIN
