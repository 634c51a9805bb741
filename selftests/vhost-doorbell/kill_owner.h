/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Part of kill_test.c: what its children do, the owners of devices and the
 * strangers that have their files, and what the test sees of them.
 */
#ifndef KILL_OWNER_H
#define KILL_OWNER_H

#define DATA_BYTES	(1024 * 1024UL)
#define REQUEST_BYTES	4096
/* Twice what null_blk has at once, so that submission has to wait, too */
#define QUEUE_SIZE	128

enum phase {
	BORN,
	CREATED,	/* attached, owned, memory mapped */
	STARTED,	/* DRIVER_OK */
	SUBMITTED,	/* the ring is full and was rung */
	PASSED,		/* somebody else has the file, too */
	DONE,		/* what the test wanted in the end has happened */
	PHASES,
};

/* What the test sees of its children; shared memory */
struct shared {
	int phase;
	int go;			/* the test lets the child go on */
	int error;		/* what went wrong in a child, -errno ... */
	int line;		/* ... and where */
	pid_t copy;		/* a child's child */
};

struct rig {
	struct nullb nullb;
	const char *path;	/* what is served */
	char file[96];
	struct shared *shared;
	int sockets[2];		/* from an owner to the holder of its file */
	long pins;
	unsigned int delay_us;	/* of a request */
	unsigned int kills;
	unsigned int rounds;
	unsigned int seed;
};

static void reach(struct shared *shared, enum phase phase)
{
	__atomic_store_n(&shared->phase, phase, __ATOMIC_RELEASE);
}

static int phase(const struct shared *shared)
{
	return __atomic_load_n(&shared->phase, __ATOMIC_ACQUIRE);
}

static void child_fails(struct shared *shared, int error, int line)
{
	shared->error = error;
	shared->line = line;
	fprintf(stderr, "# child failed in line %d: %d\n", line, error);
	_exit(1);
}

/* In a child: an error ends it, and the test shows which it was */
#define CHILD_CHECK(shared, expr)					\
do {									\
	int __ret = (expr);						\
									\
	if (__ret < 0)							\
		child_fails(shared, __ret, __LINE__);			\
} while (0)

#define CHILD_EXPECT(shared, expected, expr)				\
do {									\
	long __seen = (expr);						\
									\
	if (__seen != (expected))					\
		child_fails(shared, __seen, __LINE__);			\
} while (0)

static void child_wait_go(struct shared *shared)
{
	while (!__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE))
		vhdb_relax();
}

static void child_start(struct rig *rig, struct vhdb_disk *disk,
			unsigned int round)
{
	const struct vhdb_opts opts = { .queue_size = QUEUE_SIZE };
	bool indirect = round & 2;
	__u64 features = indirect ?
		~0ULL : ~VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC);
	int fd;

	fd = open(rig->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		child_fails(rig->shared, -errno, __LINE__);
	CHILD_CHECK(rig->shared, vhdb_disk_create(disk, fd, &opts, features,
						  DATA_BYTES));
	close(fd);
	disk->how = indirect ? VHDB_INDIRECT : VHDB_DIRECT;
	reach(rig->shared, CREATED);
	CHILD_CHECK(rig->shared, vhdb_disk_start(disk));
	reach(rig->shared, STARTED);
}

/*
 * Fill the ring: reads and writes, some of which have to be bounced, and a
 * flush now and then. Data overlaps; nobody looks at it.
 */
static int child_fill(struct vhdb_disk *disk)
{
	static const unsigned int odd[] = { 0, 4, 0, 1 };
	struct vhdb_buf buf;
	unsigned int i;
	__u32 type;
	int ret;

	for (i = 0; ; i++) {
		type = i & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
		buf = (struct vhdb_buf){
			.addr = disk->data + i * REQUEST_BYTES %
				(DATA_BYTES - REQUEST_BYTES) + odd[i / 2 % 4],
			.len = REQUEST_BYTES,
			.in = i & 1,
		};
		if (i % 32 == 31)
			ret = vhdb_disk_submit(disk, 0, VIRTIO_BLK_T_FLUSH, 0,
					       NULL, 0, i);
		else
			ret = vhdb_disk_submit(disk, 0, type,
					       i % 256 * (REQUEST_BYTES / 512),
					       &buf, 1, i);
		if (ret)
			return ret == -ENOSPC ? (int)i : ret;
	}
}

static int child_submit(struct rig *rig, struct vhdb_disk *disk)
{
	int n = child_fill(disk);

	CHILD_CHECK(rig->shared, n);
	vhdb_vq_ring(&disk->q[0].vq);
	reach(rig->shared, SUBMITTED);
	return n;
}

/* Take all @n answers */
static void child_reap(struct rig *rig, struct vhdb_disk *disk, int n)
{
	__u64 token;
	__s64 ret;

	while (n--) {
		ret = vhdb_disk_reap(disk, 0, &token);
		if (ret < 0)
			child_fails(rig->shared, ret, __LINE__);
		if ((ret & 0xff) != VIRTIO_BLK_S_OK)
			child_fails(rig->shared, ret & 0xff, __LINE__);
	}
}

/* An owner that works until somebody ends it */
static void owner_works(struct rig *rig, unsigned int round)
{
	struct vhdb_disk disk;
	int n;

	child_start(rig, &disk, round);
	n = child_submit(rig, &disk);
	/* Some of them idle with what is in flight, some go on and on */
	while (round & 4) {
		child_reap(rig, &disk, n / 2);
		CHILD_CHECK(rig->shared, child_fill(&disk));
		n = disk.q[0].vq.in_flight;
		vhdb_vq_kick(&disk.q[0].vq);
	}
	for (;;)
		pause();
}

/*
 * A process that has the file but not the owner's memory may look and close,
 * not touch; and what was in flight ends, whatever became of the owner.
 */
static void stranger_checks(struct shared *shared, int dev)
{
	struct vhost_doorbell_stats stats;
	__u64 features;

	CHILD_CHECK(shared, vhdb_get_stats(dev, 0, &stats));
	CHILD_CHECK(shared, __vhdb_get_features(dev, &features));
	CHILD_EXPECT(shared, -EPERM, __vhdb_set_vring_kick(dev, 0, -1));
	CHILD_EXPECT(shared, -EPERM, __vhdb_set_vring_enable(dev, 0, 0));
	CHILD_EXPECT(shared, -EPERM, vhdb_iotlb_invalidate(dev, 0, 4096));
	CHILD_EXPECT(shared, -EPERM, __vhdb_set_status(dev, 0));
	CHILD_EXPECT(shared, -EBUSY, __vhdb_set_owner(dev));
}

static void stranger_waits_for_end(struct shared *shared, int dev)
{
	struct vhost_doorbell_stats stats;

	bool ended;

	ended = vhdb_wait_for(!vhdb_get_stats(dev, 0, &stats) &&
			      stats.completions == stats.requests);
	CHILD_EXPECT(shared, true, ended);
}

static int send_fd(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = "f", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EBADF;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

#endif /* KILL_OWNER_H */
