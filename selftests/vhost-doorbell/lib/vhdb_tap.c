// SPDX-License-Identifier: GPL-2.0
/* See vhdb_nic.h: the tap, and the host at its other side. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "vhdb_nic.h"

#define TUN	"/dev/net/tun"

int vhdb_netns(void)
{
	return unshare(CLONE_NEWNET) ? -errno : 0;
}

static int if_ioctl(const struct vhdb_tap *tap, unsigned long request,
		    struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		return -errno;
	memcpy(ifr->ifr_name, tap->name, sizeof(tap->name));
	if (ioctl(fd, request, ifr))
		ret = -errno;
	close(fd);
	return ret;
}

int vhdb_tap_up(const struct vhdb_tap *tap, bool up)
{
	struct ifreq ifr = {};
	int ret = if_ioctl(tap, SIOCGIFFLAGS, &ifr), error;
	socklen_t len = sizeof(error);

	if (ret)
		return ret;
	ifr.ifr_flags = (ifr.ifr_flags & ~IFF_UP) | (up ? IFF_UP : 0);
	ret = if_ioctl(tap, SIOCSIFFLAGS, &ifr);
	/* The packet socket was told, which is no error of what comes next. */
	if (tap->host >= 0)
		getsockopt(tap->host, SOL_SOCKET, SO_ERROR, &error, &len);
	return ret;
}

int vhdb_tap_mtu(const struct vhdb_tap *tap, unsigned int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	return if_ioctl(tap, SIOCSIFMTU, &ifr);
}

int vhdb_tap_carrier(const struct vhdb_tap *tap, bool on)
{
	int arg = on;

	return ioctl(tap->fd, TUNSETCARRIER, &arg) ? -errno : 0;
}

/* @path: that of all taps, or that of one macvtap, which needs no @name */
static int open_queue(const char *path, const char *name, unsigned int flags,
		      struct ifreq *ifr)
{
	int hdr = VHDB_NIC_HDR, ret;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	memset(ifr, 0, sizeof(*ifr));
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	ifr->ifr_flags = IFF_TAP | IFF_NO_PI | flags;
	if (!ioctl(fd, TUNSETIFF, ifr) &&
	    (!(flags & IFF_VNET_HDR) || !ioctl(fd, TUNSETVNETHDRSZ, &hdr)))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* Routers and neighbours that IPv6 looks for would be among the frames. */
static void no_ipv6(const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6",
		 name);
	vhdb_write_file(path, "1");
}

static int open_host(unsigned int ifindex)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	int on = 1, room = 8 << 20, ret;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* For all that a test sends before it looks */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	/* With headers, so that nothing is cut into pieces on the way to us. */
	if (!setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) &&
	    !bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int vhdb_tap_create(struct vhdb_tap *tap, unsigned int flags, unsigned int mtu)
{
	struct ifreq ifr;
	int ret;

	memset(tap, 0, sizeof(*tap));
	tap->host = -1;
	tap->fd = open_queue(TUN, "vhdb%d", flags, &ifr);
	if (tap->fd < 0)
		return tap->fd;
	memcpy(tap->name, ifr.ifr_name, sizeof(tap->name));
	tap->ifindex = if_nametoindex(tap->name);
	no_ipv6(tap->name);
	ret = vhdb_tap_mtu(tap, mtu);
	if (!ret)
		ret = vhdb_tap_up(tap, true);
	if (!ret)
		ret = open_host(tap->ifindex);
	if (ret < 0) {
		vhdb_tap_destroy(tap);
		return ret;
	}
	tap->host = ret;
	return 0;
}

/*
 * Its lower interface is one end of a pair, and the host at the other one: then what
 * is sent there comes by the wire, for each of them.
 */
static const char *const make_macvtap[] = {
	"link add vhdbhost mtu 65521 type veth peer name vhdblow mtu 65521",
	"link set vhdbhost up",
	"link set vhdblow up",
	"link add link vhdblow name vhdbmac type macvtap mode passthru",
	"link set vhdbmac up",
};

static int run_ip(const char *arguments)
{
	char command[160];

	/* Root's PATH need not hold the sbin directories */
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/usr/sbin:/sbin ip %s >/dev/null 2>&1", arguments);
	return system(command) ? -ENODEV : 0;
}

int vhdb_macvtap_create(struct vhdb_tap *tap, unsigned int flags)
{
	char path[32];
	struct ifreq ifr;
	unsigned int i;
	int ret;

	memset(tap, 0, sizeof(*tap));
	tap->fd = -1;
	tap->host = -1;
	no_ipv6("default");
	ret = vhdb_modprobe("veth");
	if (!ret)
		ret = vhdb_modprobe("macvtap");
	for (i = 0; !ret && i < ARRAY_SIZE(make_macvtap); i++)
		ret = run_ip(make_macvtap[i]);
	if (ret)
		return ret;
	memcpy(tap->name, "vhdbmac", sizeof("vhdbmac"));
	tap->ifindex = if_nametoindex(tap->name);
	snprintf(path, sizeof(path), "/dev/tap%u", tap->ifindex);
	if (!vhdb_wait_for(!access(path, F_OK)))
		return -ENXIO;
	tap->fd = open_queue(path, tap->name, flags, &ifr);
	if (tap->fd < 0)
		return tap->fd;
	ret = open_host(if_nametoindex("vhdbhost"));
	if (ret < 0) {
		vhdb_tap_destroy(tap);
		return ret;
	}
	tap->host = ret;
	return 0;
}

int vhdb_tap_other_queue(struct vhdb_tap *tap)
{
	struct ifreq ifr = { .ifr_flags = IFF_DETACH_QUEUE };
	const char *path = TUN;
	char macvtap[32];
	int fd;

	snprintf(macvtap, sizeof(macvtap), "/dev/tap%u", tap->ifindex);
	if (!access(macvtap, F_OK))
		path = macvtap;
	fd = open_queue(path, tap->name, IFF_VNET_HDR | IFF_MULTI_QUEUE, &ifr);
	if (fd < 0)
		return fd;
	ifr.ifr_flags = IFF_DETACH_QUEUE;
	if (ioctl(tap->fd, TUNSETQUEUE, &ifr)) {
		close(fd);
		return -errno;
	}
	close(tap->fd);
	tap->fd = fd;
	return 0;
}

int vhdb_tap_remove(const struct vhdb_tap *tap)
{
	/* RTM_DELLINK, one attributeless message */
	struct {
		__u32 len;
		__u16 type, flags;
		__u32 seq, pid;
		__u8 family, pad;
		__u16 if_type;
		__s32 index;
		__u32 if_flags, change;
	} msg = {
		.len = sizeof(msg),
		.type = 17,		/* RTM_DELLINK */
		.flags = 5,		/* NLM_F_REQUEST | NLM_F_ACK */
		.index = tap->ifindex,
	};
	struct {
		__u32 len;
		__u16 type, flags;
		__u32 seq, pid;
		__s32 error;
		__u8 rest[256];
	} ack = {};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, &msg, sizeof(msg), 0) < 0 ||
	    recv(fd, &ack, sizeof(ack), 0) < 0)
		ret = -errno;
	close(fd);
	return ret ? ret : ack.error;
}

void vhdb_tap_destroy(struct vhdb_tap *tap)
{
	if (tap->host >= 0)
		close(tap->host);
	if (tap->fd >= 0)
		close(tap->fd);
	tap->host = -1;
	tap->fd = -1;
}

int vhdb_host_send_gso(const struct vhdb_tap *tap,
		       const struct virtio_net_hdr *hdr, const void *frame,
		       size_t len)
{
	struct iovec iov[] = {
		{ .iov_base = (void *)hdr, .iov_len = sizeof(*hdr) },
		{ .iov_base = (void *)frame, .iov_len = len },
	};

	return writev(tap->host, iov, 2) < 0 ? -errno : 0;
}

int vhdb_host_send(const struct vhdb_tap *tap, const void *frame, size_t len)
{
	static const struct virtio_net_hdr plain;

	return vhdb_host_send_gso(tap, &plain, frame, len);
}

/* Only what has come over the wire, and only ours; -ENOMSG: another */
static int recv_one(const struct vhdb_tap *tap, struct virtio_net_hdr *hdr,
		    void *frame, size_t len)
{
	struct iovec iov[] = {
		{ .iov_base = hdr, .iov_len = sizeof(*hdr) },
		{ .iov_base = frame, .iov_len = len },
	};
	struct sockaddr_ll from;
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = iov,
		.msg_iovlen = 2,
	};
	ssize_t n = recvmsg(tap->host, &msg, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	return from.sll_pkttype == PACKET_OUTGOING ? -ENOMSG :
						     n - (int)sizeof(*hdr);
}

int vhdb_host_recv_gso(const struct vhdb_tap *tap, struct virtio_net_hdr *hdr,
		       void *frame, size_t len)
{
	struct pollfd pfd = { .fd = tap->host, .events = POLLIN };
	int ret;

	do {
		if (poll(&pfd, 1, vhdb_timeout_ms()) < 1)
			return -EAGAIN;
		ret = recv_one(tap, hdr, frame, len);
	} while (ret == -ENOMSG);
	return ret;
}

int vhdb_host_recv(const struct vhdb_tap *tap, void *frame, size_t len)
{
	struct virtio_net_hdr hdr;

	return vhdb_host_recv_gso(tap, &hdr, frame, len);
}

bool vhdb_host_quiet(const struct vhdb_tap *tap)
{
	struct virtio_net_hdr hdr;
	char frame[64];
	int ret;

	do
		ret = recv_one(tap, &hdr, frame, sizeof(frame));
	while (ret == -ENOMSG);
	return ret == -EAGAIN;
}

void vhdb_frame(void *frame, size_t len, __u32 seed)
{
	static const __u8 head[VHDB_NIC_HEAD] = {
		0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2,
		VHDB_NIC_ETHERTYPE >> 8, VHDB_NIC_ETHERTYPE & 0xff
	};

	memcpy(frame, head, sizeof(head));
	vhdb_fill((char *)frame + sizeof(head), len - sizeof(head), seed);
}

bool vhdb_frame_right(const void *frame, size_t len, __u32 seed)
{
	const __u8 *p = frame;

	return p[12] == VHDB_NIC_ETHERTYPE >> 8 &&
	       p[13] == (VHDB_NIC_ETHERTYPE & 0xff) &&
	       vhdb_filled(p + VHDB_NIC_HEAD, len - VHDB_NIC_HEAD, seed);
}
