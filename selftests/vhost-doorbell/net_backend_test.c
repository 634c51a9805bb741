// SPDX-License-Identifier: GPL-2.0
/*
 * What a network device is given, taken and given again: taps, what is none, while
 * it runs and while it does not; rate limits; the dirty log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <linux/if_tun.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/vhdb_migration.h"
#include "lib/vhdb_nic.h"

#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_MRG		VHDB_BIT(VIRTIO_NET_F_MRG_RXBUF)
#define F_OWN_HDR	VHDB_BIT(VHOST_NET_F_VIRTIO_NET_HDR)

/* ---- before it runs ---- */

TEST(node_states)
{
	struct vhost_vring_file none = { .fd = -1 };
	__u64 features;
	int fd;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	fd = open(VHDB_NET_PATH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPERM, __vhdb_net_set_backend(fd, 0, -1));
	ASSERT_EQ(0, __vhdb_get_features(fd, &features));
	EXPECT_EQ(VHDB_BIT(VIRTIO_F_VERSION_1) | F_PACKED |
		  VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM) | F_EVENT |
		  VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC) |
		  VHDB_BIT(VHOST_F_LOG_ALL) | F_MRG | F_OWN_HDR, features);
	ASSERT_EQ(0, __vhdb_set_owner(fd));
	EXPECT_EQ(0, __vhdb_net_set_backend(fd, 0, -1));
	EXPECT_EQ(-ENOBUFS, __vhdb_net_set_backend(fd, 2, -1));
	EXPECT_EQ(-ENOBUFS, __vhdb_net_set_backend(fd, ~0U, -1));
	EXPECT_EQ(-EBADF, __vhdb_net_set_backend(fd, 0, -2));
	EXPECT_EQ(-EBADF, __vhdb_net_set_backend(fd, 0, 1 << 20));
	EXPECT_EQ(-EFAULT, __vhdb_ioctl_ul(fd, VHOST_NET_SET_BACKEND, 8));
	/* Attached it is, and vhost-vdpa it does not speak */
	EXPECT_EQ(-EBUSY, vhdb_attach_blk(fd, -1, NULL));
	EXPECT_EQ(-EOPNOTSUPP, vhdb_status(fd));
	/* No features, then no ring */
	EXPECT_EQ(-EPROTO, __vhdb_net_set_backend(fd, 0, fd));
	ASSERT_EQ(0, __vhdb_set_features(fd, VHDB_BIT(VIRTIO_F_VERSION_1)));
	EXPECT_EQ(-ENODATA, __vhdb_net_set_backend(fd, 0, fd));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_set_features(fd, VHDB_BIT(VIRTIO_NET_F_CSUM)));
	EXPECT_EQ(0, __vhdb_ioctl(fd, VHOST_NET_SET_BACKEND, &none));
	close(fd);
}

static void attach_net(struct vhost_doorbell_attach *arg, int fd)
{
	*arg = (struct vhost_doorbell_attach){
		.size = sizeof(*arg),
		.backend = "net",
		.fd = fd,
		.dialect = VHOST_DOORBELL_DIALECT_CLASSIC,
	};
}

static void make_copy(struct vhost_doorbell_attach *arg)
{
	memcpy(arg->backend, "copy", sizeof("copy"));
	arg->fd = -1;
}

TEST(attach)
{
	struct vhost_doorbell_attach arg;
	struct vhdb_tap tap;
	int fd, sock, detached;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_netns());
	ASSERT_EQ(0, vhdb_tap_create(&tap, IFF_VNET_HDR, 1500));
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	detached = open("/dev/net/tun", O_RDWR);
	fd = vhdb_open();
	ASSERT_LE(0, fd);

#define REFUSED(err, ...)					\
	do {							\
		attach_net(&arg, tap.fd);			\
		__VA_ARGS__;					\
		EXPECT_EQ(err, __vhdb_attach(fd, &arg)) {	\
			TH_LOG("%s", #__VA_ARGS__);		\
		}						\
	} while (0)
	REFUSED(-EOPNOTSUPP, arg.dialect = VHOST_DOORBELL_DIALECT_AUTO);
	REFUSED(-ERANGE, arg.queues = 1);
	REFUSED(-ERANGE, arg.queues = 3);
	REFUSED(-ERANGE, arg.queues = 4);
	REFUSED(-EINVAL, arg.flags = VHOST_DOORBELL_ATTACH_RO);
	REFUSED(-EINVAL, arg.serial[0] = 'x');
	REFUSED(-EINVAL, arg.logical_block_size = 512);
	REFUSED(-EINVAL, arg.reserved2[5] = 1);
	/* Config space is the other dialect's */
	REFUSED(-EINVAL, arg.ifindex = tap.ifindex);
	REFUSED(-EINVAL, arg.mac[0] = 2);
	REFUSED(-ESOCKTNOSUPPORT, arg.fd = sock);
	REFUSED(-ENOTSOCK, arg.fd = fd);
	REFUSED(-EBADF, arg.fd = -2);
#define VDPA	arg.dialect = VHOST_DOORBELL_DIALECT_VDPA
	REFUSED(-EBADF, VDPA, arg.fd = -1);
	REFUSED(-EBADFD, VDPA, arg.fd = detached);
	REFUSED(-ENODEV, VDPA, arg.ifindex = 4711);
	REFUSED(-ENODEV, VDPA, arg.ifindex = ~0U);
	REFUSED(-EINVAL, VDPA, arg.mac[0] = 1);
	/* Fields of net's, for others */
	REFUSED(-EINVAL, make_copy(&arg), arg.ifindex = 1);
	REFUSED(-EINVAL, make_copy(&arg), arg.mac[5] = 1);
	REFUSED(0, arg.queues = 2);
	close(fd);
	close(sock);
	close(detached);
	vhdb_tap_destroy(&tap);
}

/* ---- while it runs ---- */

FIXTURE(run)
{
	struct vhdb_nic nic;
	int fd;
};

FIXTURE_VARIANT(run)
{
	__u64 features;
};

FIXTURE_VARIANT_ADD(run, split) { .features = F_EVENT | F_MRG };
FIXTURE_VARIANT_ADD(run, packed) { .features = F_PACKED | F_MRG };

FIXTURE_SETUP(run)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_nic_create(&self->nic, variant->features, 2048));
	self->fd = self->nic.c.fd;
	ASSERT_EQ(0, vhdb_nic_give(&self->nic, VHDB_CLASSIC_NUM - 1));
}

FIXTURE_TEARDOWN(run)
{
	vhdb_nic_destroy(&self->nic);
}

static int both_ways(struct vhdb_nic *nic, __u32 seed)
{
	return vhdb_nic_both_ways(nic, 60 + seed * 37 % 4000, seed);
}

#define BOTH_WAYS(seed)	both_ways(&self->nic, seed)

/* Files that are no tap: refused, and what runs goes on */
TEST_F(run, no_tap)
{
	int udp = socket(AF_INET, SOCK_DGRAM, 0), pipes[2], i;
	int packet = socket(AF_PACKET, SOCK_RAW, 0);
	int file = open("/etc/passwd", O_RDONLY), event = eventfd(0, 0);
	int unix_sock = socket(AF_UNIX, SOCK_STREAM, 0);

	ASSERT_EQ(0, pipe(pipes));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ESOCKTNOSUPPORT, __vhdb_net_set_backend(self->fd, i, udp));
		EXPECT_EQ(-ESOCKTNOSUPPORT, __vhdb_net_set_backend(self->fd, i,
								   packet));
		EXPECT_EQ(-ESOCKTNOSUPPORT, __vhdb_net_set_backend(self->fd, i,
								   unix_sock));
		EXPECT_EQ(-ENOTSOCK, __vhdb_net_set_backend(self->fd, i, file));
		EXPECT_EQ(-ENOTSOCK, __vhdb_net_set_backend(self->fd, i, event));
		EXPECT_EQ(-ENOTSOCK, __vhdb_net_set_backend(self->fd, i, pipes[0]));
		EXPECT_EQ(-ENOTSOCK, __vhdb_net_set_backend(self->fd, i, self->fd));
		EXPECT_EQ(0, BOTH_WAYS(i));
	}
}

/* A tap that has no interface: what the guest sends is dropped, counted */
TEST_F(run, detached_tap)
{
	int detached = open("/dev/net/tun", O_RDWR), i;
	struct vhost_doorbell_stats stats;
	__u64 errors;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, i, detached));
	vhdb_frame(self->nic.frame, 5000, 1);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, vhdb_nic_send(&self->nic, NULL, self->nic.frame,
					   100 + i * 1200));
	ASSERT_EQ(0, vhdb_get_stats(self->fd, 1, &stats));
	errors = stats.errors;
	EXPECT_LE(1, errors);
	EXPECT_TRUE(vhdb_nic_quiet(&self->nic));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, i, self->nic.tap.fd));
	close(detached);
	EXPECT_EQ(0, BOTH_WAYS(3));
}

TEST_F(run, tap_removed)
{
	int i;

	ASSERT_EQ(0, BOTH_WAYS(1));
	ASSERT_EQ(0, vhdb_tap_remove(&self->nic.tap));
	vhdb_frame(self->nic.frame, 5000, 1);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, vhdb_nic_send(&self->nic, NULL, self->nic.frame,
					   100 + i * 1200));
	EXPECT_TRUE(vhdb_nic_quiet(&self->nic));
	EXPECT_EQ(0, __vhdb_net_set_backend(self->fd, 0, -1));
	EXPECT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
}

/* While the interface is down nothing passes, and what is sent is dropped */
TEST_F(run, tap_down)
{
	ASSERT_EQ(0, vhdb_tap_up(&self->nic.tap, false));
	vhdb_frame(self->nic.frame, 100, 1);
	EXPECT_EQ(0, vhdb_nic_send(&self->nic, NULL, self->nic.frame, 100));
	ASSERT_EQ(0, vhdb_tap_up(&self->nic.tap, true));
	EXPECT_EQ(0, BOTH_WAYS(1));
}

/* Stopped by -1 and by GET_VRING_BASE: the ring goes on where it was */
TEST_F(run, unset_and_set)
{
	struct vhdb_vq *rx = &self->nic.c.q[0].vq, *tx = &self->nic.c.q[1].vq;
	unsigned int i, base;

	for (i = 0; i < 20; i++) {
		struct virtio_net_hdr_mrg_rxbuf hdr;

		ASSERT_EQ(0, BOTH_WAYS(i));
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 0, -1));
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
		if (i % 2)
			EXPECT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
		ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 1, &base));
		EXPECT_EQ(tx->ops->base(tx->ops->used_pos(tx)), base);
		ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
		EXPECT_EQ(rx->ops->base(rx->ops->used_pos(rx)), base);
		/* What is sent meanwhile waits */
		vhdb_frame(self->nic.frame, 777, i);
		ASSERT_EQ(0, vhdb_nic_queue(&self->nic, 0, self->nic.frame, 777));
		vhdb_vq_kick(tx);
		ASSERT_EQ(0, vhdb_host_send(&self->nic.tap, self->nic.frame, 777));
		EXPECT_TRUE(vhdb_nic_quiet(&self->nic));
		EXPECT_TRUE(vhdb_host_quiet(&self->nic.tap));
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 0, self->nic.tap.fd));
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 1, self->nic.tap.fd));
		EXPECT_EQ(0, vhdb_nic_reap(&self->nic));
		EXPECT_EQ(777, vhdb_host_recv(&self->nic.tap, self->nic.got, 9000));
		EXPECT_EQ(777, vhdb_nic_recv(&self->nic, &hdr, self->nic.got, 9000));
	}
}

struct flipper {
	int fd, tap;
	atomic_bool stop;
	unsigned int flips;
	int err;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	unsigned int i;

	while (!f->err && !atomic_load(&f->stop)) {
		for (i = 0; !f->err && i < 2; i++)
			f->err = __vhdb_net_set_backend(f->fd, i, -1);
		for (i = 0; !f->err && i < 2; i++)
			f->err = __vhdb_net_set_backend(f->fd, i, f->tap);
		f->flips++;
	}
	return NULL;
}

/* Nothing is lost, nothing comes twice, whenever it is stopped and started */
TEST_F(run, unset_and_set_under_load)
{
	struct flipper f = { .fd = self->fd, .tap = self->nic.tap.fd };
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, flip, &f));
	for (i = 0; i < 100 || f.flips < 20; i++)
		if (BOTH_WAYS(i))
			break;
	atomic_store(&f.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, f.err);
	EXPECT_LE(100, i);
	EXPECT_EQ(0, BOTH_WAYS(1));
}

TEST_F(run, closed_while_it_is_at_work)
{
	unsigned int i;

	for (i = 0; i < 40; i++) {
		vhdb_frame(self->nic.frame, 1000, i);
		ASSERT_EQ(0, vhdb_nic_queue(&self->nic, i, self->nic.frame, 1000));
		ASSERT_EQ(0, vhdb_host_send(&self->nic.tap, self->nic.frame, 1000));
	}
	vhdb_vq_kick(&self->nic.c.q[1].vq);
}

/* The owner is killed; the tap and its other users go on */
TEST_F(run, owner_killed)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct vhdb_nic nic;

		/* Another device in a process of its own */
		if (vhdb_nic_create(&nic, variant->features, 2048) ||
		    vhdb_nic_give(&nic, 32))
			_exit(1);
		for (unsigned int i = 0; i < 200; i++) {
			vhdb_frame(self->nic.frame, 500, i);
			vhdb_host_send(&nic.tap, self->nic.frame, 500);
		}
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, BOTH_WAYS(1));
}

/* VHOST_NET_F_VIRTIO_NET_HDR: the tap has no header, the guest has one */
TEST_F(run, own_header)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vhdb_tap plain, with = self->nic.tap;
	unsigned int i;

	ASSERT_EQ(0, vhdb_tap_create(&plain, 0, 9000));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, i, -1));
	self->nic.c.features |= F_OWN_HDR;
	self->nic.tap = plain;
	memset(self->nic.c.q[0].busy, 0, sizeof(self->nic.c.q[0].busy));
	ASSERT_EQ(0, vhdb_nic_start(&self->nic));
	ASSERT_EQ(0, vhdb_nic_give(&self->nic, 20));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, BOTH_WAYS(i * 3));
	/* What the guest writes into its own is nobody's */
	memset(&hdr, 0xff, sizeof(hdr));
	vhdb_frame(self->nic.frame, 100, 1);
	ASSERT_EQ(0, vhdb_nic_send(&self->nic, &hdr, self->nic.frame, 100));
	EXPECT_EQ(100, vhdb_host_recv(&plain, self->nic.got, 9000));
	vhdb_tap_destroy(&with);
}

/* Has the tap no packet for the guest? */
static bool has_none(int tap)
{
	struct pollfd pfd = { .fd = tap, .events = POLLIN };

	return poll(&pfd, 1, 0) == 0;
}

/* A tap whose header is of another size: nothing passes, nothing is written */
TEST_F(run, header_of_another_size)
{
	struct vhost_doorbell_stats stats;
	int size = 10, tap = self->nic.tap.fd;

	ASSERT_EQ(0, ioctl(self->nic.tap.fd, TUNSETVNETHDRSZ, &size));
	vhdb_frame(self->nic.frame, 100, 1);
	ASSERT_EQ(0, vhdb_host_send(&self->nic.tap, self->nic.frame, 100));
	EXPECT_TRUE(vhdb_wait_for(has_none(tap)));
	/* Waits for what the worker is at */
	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 0, tap));
	EXPECT_TRUE(vhdb_nic_quiet(&self->nic));
	ASSERT_EQ(0, vhdb_get_stats(self->fd, 0, &stats));
	EXPECT_EQ(0, stats.broken);
	size = 12;
	ASSERT_EQ(0, ioctl(self->nic.tap.fd, TUNSETVNETHDRSZ, &size));
	/* It may have written to a buffer that it has not used */
	memset(vhdb_classic_ptr(&self->nic.c, self->nic.rx_data), 0xee,
	       VHDB_CLASSIC_NUM * self->nic.rx_bytes);
	EXPECT_EQ(0, BOTH_WAYS(1));
}

/* A tap that takes no more for now: what the guest sends waits, and nobody spins */
TEST_F(run, limited_send_buffer)
{
	struct vhost_doorbell_stats before, after;
	int none = 1, some = 100000;
	unsigned int i;

	ASSERT_EQ(0, ioctl(self->nic.tap.fd, TUNSETSNDBUF, &none));
	for (i = 0; i < 40; i++) {
		vhdb_frame(self->nic.frame, 2000, i);
		ASSERT_EQ(0, vhdb_nic_queue(&self->nic, i, self->nic.frame, 2000));
	}
	ASSERT_EQ(0, vhdb_get_stats(self->fd, 1, &before));
	/* Whether or not it asks for that: it may know that there is no room */
	vhdb_vq_ring(&self->nic.c.q[1].vq);
	EXPECT_TRUE(vhdb_wait_for(!vhdb_get_stats(self->fd, 1, &after) &&
				  after.wakeups > before.wakeups));
	usleep(100000);
	ASSERT_EQ(0, vhdb_get_stats(self->fd, 1, &after));
	EXPECT_GT(before.wakeups + 10, after.wakeups);
	EXPECT_EQ(before.completions, after.completions);
	EXPECT_TRUE(vhdb_host_quiet(&self->nic.tap));

	ASSERT_EQ(0, ioctl(self->nic.tap.fd, TUNSETSNDBUF, &some));
	vhdb_vq_ring(&self->nic.c.q[1].vq);
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(2000, vhdb_host_recv(&self->nic.tap, self->nic.got, 9000));
		ASSERT_TRUE(vhdb_frame_right(self->nic.got, 2000, i));
		ASSERT_EQ(0, vhdb_nic_reap(&self->nic));
	}
}

/* Rings that break the rules: each breaks its queue alone */
TEST_F(run, wrong_direction)
{
	struct vhdb_nic *nic = &self->nic;
	struct vhdb_buf in = VHDB_IN(nic->tx_data, 100);
	struct vhdb_buf out = VHDB_OUT(nic->tx_data, 100);

	ASSERT_LE(0, vhdb_vq_add(&nic->c.q[1].vq, &in, 1, 0, VHDB_DIRECT));
	vhdb_vq_kick(&nic->c.q[1].vq);
	EXPECT_EQ(0, vhdb_eventfd_wait(nic->c.q[1].vring.err));
	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 0, -1));
	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
	memset(nic->c.q[0].busy, 0, sizeof(nic->c.q[0].busy));
	ASSERT_EQ(0, vhdb_nic_start(nic));
	ASSERT_EQ(0, vhdb_nic_give(nic, 10));
	EXPECT_EQ(0, BOTH_WAYS(5));

	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 0, -1));
	ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, 1, -1));
	ASSERT_EQ(0, vhdb_nic_start(nic));
	ASSERT_LE(0, vhdb_vq_add(&nic->c.q[0].vq, &out, 1, 0, VHDB_DIRECT));
	vhdb_vq_kick(&nic->c.q[0].vq);
	vhdb_frame(nic->frame, 100, 1);
	ASSERT_EQ(0, vhdb_host_send(&nic->tap, nic->frame, 100));
	EXPECT_EQ(0, vhdb_eventfd_wait(nic->c.q[0].vring.err));
	EXPECT_EQ(0, vhdb_nic_send(nic, NULL, nic->frame, 100));
}

/* Found by looking, not by being rung for or woken */
TEST_F(run, busy_polling)
{
	struct vhost_vring_state state = { .num = 1000000 };
	struct vhost_doorbell_stats stats;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		state.index = i;
		ASSERT_EQ(0, __vhdb_ioctl(self->fd,
					  VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
					  &state));
	}
	for (i = 0; i < 5000; i++) {
		ASSERT_EQ(0, BOTH_WAYS(i));
		ASSERT_EQ(0, vhdb_get_stats(self->fd, 0, &stats));
		if (stats.poll_hits >= 5 && i > 20)
			break;
	}
	EXPECT_LE(5, stats.poll_hits);
}

/* ---- rate limits ---- */

static int set_rate(int fd, unsigned int queue, __u32 packets, __u64 bytes)
{
	struct vhost_doorbell_rate rate = {
		.size = sizeof(rate),
		.queue = queue,
		.requests = packets,
		.burst_requests = packets ? 1 : 0,
		.bytes = bytes,
		.burst_bytes = bytes ? 1 : 0,
	};

	return __vhdb_ioctl(fd, VHOST_DOORBELL_SET_RATE, &rate);
}

static __u64 throttled(int fd, unsigned int queue)
{
	struct vhost_doorbell_stats stats = {};

	vhdb_get_stats(fd, queue, &stats);
	return stats.throttled;
}

TEST_F(run, rate)
{
	__u64 from, before;
	unsigned int i;

	EXPECT_EQ(-ENOBUFS, set_rate(self->fd, 2, 1, 1));
	EXPECT_EQ(-ERANGE, set_rate(self->fd, 0, 1, 1ULL << 40));
	/* Packets of the guest: 20 a second, one at a time; whatever their size */
	ASSERT_EQ(0, set_rate(self->fd, 1, 20, 0));
	from = vhdb_now_ms();
	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, BOTH_WAYS(i));
	EXPECT_LE(200, vhdb_now_ms() - from);
	/* The other one is not held up by it */
	EXPECT_EQ(0, throttled(self->fd, 0));

	/* Bytes for it: a frame of 4,000 costs 100 ms, in two buffers or one */
	ASSERT_EQ(0, set_rate(self->fd, 1, 0, 0));
	ASSERT_EQ(0, set_rate(self->fd, 0, 0, 40000));
	from = vhdb_now_ms();
	vhdb_frame(self->nic.frame, 4000, 1);
	for (i = 0; i < 4; i++) {
		struct virtio_net_hdr_mrg_rxbuf hdr;

		ASSERT_EQ(0, vhdb_host_send(&self->nic.tap, self->nic.frame, 4000));
		ASSERT_EQ(4000, vhdb_nic_recv(&self->nic, &hdr, self->nic.got, 9000));
	}
	EXPECT_LE(250, vhdb_now_ms() - from);
	/* A limit that would last for an hour, lifted */
	before = throttled(self->fd, 1);
	ASSERT_EQ(0, set_rate(self->fd, 1, 0, 1));
	for (i = 0; i < 2; i++) {
		vhdb_frame(self->nic.frame, 1500, i);
		ASSERT_EQ(0, vhdb_nic_queue(&self->nic, i, self->nic.frame, 1500));
	}
	vhdb_vq_kick(&self->nic.c.q[1].vq);
	ASSERT_EQ(0, vhdb_nic_reap(&self->nic));
	EXPECT_TRUE(vhdb_wait_for(throttled(self->fd, 1) > before));
	EXPECT_FALSE(self->nic.c.q[1].vq.ops->more_used(&self->nic.c.q[1].vq));
	ASSERT_EQ(0, set_rate(self->fd, 1, 0, 0));
	EXPECT_EQ(0, vhdb_nic_reap(&self->nic));
	/* Throttled when it is closed */
	before = throttled(self->fd, 0);
	ASSERT_EQ(0, set_rate(self->fd, 0, 0, 1));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, vhdb_host_send(&self->nic.tap, self->nic.frame, 100));
	EXPECT_TRUE(vhdb_wait_for(throttled(self->fd, 0) > before));
}

/* ---- the dirty log ---- */

static int log_on(struct vhdb_classic *c, bool on)
{
	int ret = vhdb_classic_log_all(c, on);

	if (!ret)
		ret = vhdb_classic_log_ring(c, 0, on);
	return ret ? ret : vhdb_classic_log_ring(c, 1, on);
}

TEST_F(run, log_under_load)
{
	struct vhdb_classic *c = &self->nic.c;
	struct vhdb_migration m = { .c = c };
	size_t rx = VHDB_CLASSIC_NUM * self->nic.rx_bytes;
	size_t device_area = variant->features & F_PACKED ? 4 :
			     6 + 8 * VHDB_CLASSIC_NUM;
	unsigned int round, i, base;
	pthread_t thread;

	m.copy = malloc(c->mem.size);
	ASSERT_NE(NULL, m.copy);
	ASSERT_EQ(0, __vhdb_set_log_base(self->fd, c->log));
	ASSERT_EQ(0, log_on(c, true));
	for (round = 0; round < 6; round++) {
		/* What the driver has written is its own to tell of */
		memcpy(m.copy, c->mem.hva, c->mem.size);
		atomic_store(&m.stop, false);
		ASSERT_EQ(0, pthread_create(&thread, NULL, vhdb_migrate, &m));
		for (i = 0; i < 20; i++) {
			vhdb_frame(self->nic.frame, 100 + i * 200, round * 100 + i);
			ASSERT_EQ(0, vhdb_host_send(&self->nic.tap, self->nic.frame,
						    100 + i * 200));
		}
		/* The last of them is there: so are all */
		for (i = 0; i < 20; i++)
			ASSERT_EQ(0, vhdb_nic_send(&self->nic, NULL, self->nic.frame,
						   100 + i * 100));
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, i, -1));
			ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, i, &base));
		}
		atomic_store(&m.stop, true);
		pthread_join(thread, NULL);
		vhdb_migration_pass(&m);
		EXPECT_FALSE(vhdb_nic_quiet(&self->nic));
		EXPECT_TRUE(vhdb_migration_same(&m, self->nic.rx_data, rx));
		for (i = 0; i < 2; i++) {
			__u64 used = c->q[i].vring.used_iova;

			EXPECT_TRUE(vhdb_migration_same(&m, used, device_area));
		}
		/* And it was no more than that: the packets' memory is not in it */
		EXPECT_FALSE(vhdb_migration_same(&m, self->nic.tx_data, 2000));
		for (i = 0; i < 2; i++)
			ASSERT_EQ(0, __vhdb_net_set_backend(self->fd, i,
							    self->nic.tap.fd));
		for (i = 0; i < 20; i++) {
			struct virtio_net_hdr_mrg_rxbuf hdr;

			ASSERT_EQ(100 + i * 200,
				  vhdb_nic_recv(&self->nic, &hdr, self->nic.got,
						VHDB_NIC_FRAME_MAX));
			ASSERT_TRUE(vhdb_frame_right(self->nic.got, 100 + i * 200,
						     round * 100 + i));
			ASSERT_LT(0, vhdb_host_recv(&self->nic.tap, self->nic.got,
						    VHDB_NIC_FRAME_MAX));
		}
	}
	free(m.copy);
}

TEST_HARNESS_MAIN
