// SPDX-License-Identifier: GPL-2.0
/* A --net: read its options, and attach a device to its tap. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "vhdb.h"

#define BACKEND		"net"
#define WHAT		"--net"
#define TUN		"/dev/net/tun"

static int parse_mac(struct vhdb_net *net, const char *value)
{
	unsigned int byte[VHOST_DOORBELL_MAC_LEN], i;
	char rest;

	if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1],
		   &byte[2], &byte[3], &byte[4], &byte[5], &rest) != 6 ||
	    (byte[0] & 1)) {
		vhdb_error(WHAT ": '%s' is no address of a station", value);
		vhdb_hint("such as 52:54:00:12:34:56");
		return -1;
	}
	for (i = 0; i < VHOST_DOORBELL_MAC_LEN; i++)
		net->mac[i] = byte[i];
	net->has_mac = true;
	return 0;
}

static int parse_option(struct vhdb_net *net, char *option)
{
	char *value = strchr(option, '=');

	if (!value) {
		vhdb_error(WHAT ": unknown option '%s'", option);
		return -1;
	}
	*value++ = '\0';
	if (!strcmp(option, "mac"))
		return parse_mac(net, value);
	if (!strcmp(option, "mtu"))
		return vhdb_option_number(WHAT, option, value, &net->mtu);
	if (!strcmp(option, "pps"))
		return vhdb_option_number(WHAT, option, value,
					  &net->rate_packets);
	if (!strcmp(option, "bps"))
		return vhdb_option_bytes(WHAT, option, value, &net->rate_bytes);
	if (!strcmp(option, "poll"))
		return vhdb_option_number(WHAT, option, value, &net->poll_us);
	if (!strcmp(option, "queue-size"))
		return vhdb_option_number(WHAT, option, value,
					  &net->queue_size);
	if (!strcmp(option, "id"))
		return vhdb_option_id(WHAT, &net->h, value);
	if (!strcmp(option, "packed") &&
	    (!strcmp(value, "on") || !strcmp(value, "off"))) {
		net->packed = !strcmp(value, "on");
		return 0;
	}
	vhdb_error(WHAT ": unknown option '%s=%s'", option, value);
	return -1;
}

/**
 * vhdb_net_parse() - read the text of a --net
 * @net: filled; the id is the default already
 * @spec: TAP[,key=value]...
 *
 * Return: 0; -1 after a message.
 */
int vhdb_net_parse(struct vhdb_net *net, const char *spec)
{
	char *text = vhdb_strdup(spec), *rest = text, *option;
	int err = 0;

	net->h.queues = 2;
	net->tap = vhdb_strdup(vhdb_option_next(&rest));
	if (!*net->tap || strlen(net->tap) >= IFNAMSIZ) {
		vhdb_error(WHAT ": '%s' is no name of an interface", net->tap);
		err = -1;
	}
	while (!err) {
		option = vhdb_option_next(&rest);
		if (!option)
			break;
		err = parse_option(net, option);
	}
	free(text);
	return err;
}

static void explain_tap(const struct vhdb_net *net, int err)
{
	vhdb_error("cannot open the tap '%s': %s", net->tap, strerror(err));
	switch (err) {
	case EPERM:
		vhdb_hint("run vhdb as root, or make the tap for its user:");
		vhdb_hint("ip tuntap add %s mode tap vnet_hdr user NAME",
			  net->tap);
		break;
	case EBUSY:
		vhdb_hint("another program has it open");
		break;
	case EINVAL:
		vhdb_hint("it is there, but made otherwise: it needs vnet_hdr, and no multi_queue");
		break;
	case ENOENT:
	case ENXIO:
		vhdb_hint("run `modprobe tun` as root");
		break;
	}
}

/* An ioctl of the interface itself. */
static int if_ioctl(const struct vhdb_net *net, unsigned long request,
		    struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	memset(ifr->ifr_name, 0, sizeof(ifr->ifr_name));
	memcpy(ifr->ifr_name, net->tap, strlen(net->tap));
	if (fd < 0 || ioctl(fd, request, ifr) < 0)
		err = errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/* The header in front of each packet is virtio's, which passes through. */
static int open_tap(const struct vhdb_net *net)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int hdr = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	int fd = open(TUN, O_RDWR | O_CLOEXEC);

	memcpy(ifr.ifr_name, net->tap, strlen(net->tap));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0) {
		explain_tap(net, errno);
		goto err_close;
	}
	if (net->mtu) {
		struct ifreq mtu = { .ifr_mtu = net->mtu };
		int err = if_ioctl(net, SIOCSIFMTU, &mtu);

		if (err) {
			vhdb_error("cannot set the MTU of '%s' to %u: %s",
				   net->tap, net->mtu, strerror(err));
			goto err_close;
		}
	}
	return fd;

err_close:
	if (fd >= 0)
		close(fd);
	return -1;
}

/* All that the back end offers, and packed rings: they are to be named. */
static int allow_packed(const struct vhdb_net *net,
			const struct vhost_doorbell_info *info,
			struct vhost_doorbell_attach *attach)
{
	struct vhost_doorbell_backend_info backend;

	if (vhdb_backend_find(net->h.device_fd, info, BACKEND, &backend)) {
		vhdb_error("'%s': cannot attach: the back end is not loaded",
			   net->tap);
		vhdb_hint("run `modprobe vhost_doorbell_net` as root");
		return -1;
	}
	attach->features_allow = backend.features &
				 ~(1ULL << VIRTIO_F_IN_ORDER |
				   1ULL << VIRTIO_F_RING_RESET);
	return 0;
}

static void explain(const struct vhdb_net *net, int err)
{
	vhdb_error("cannot attach '%s': %s", net->tap, strerror(err));
	switch (err) {
	case ENOENT:
		vhdb_hint("the back end is not loaded: run `modprobe vhost_doorbell_net` as root");
		break;
	case E2BIG:
		vhdb_hint("the driver is older than this vhdb: load its own");
		break;
	case ERANGE:
		vhdb_hint("queue-size=, poll= or a rate is beyond what `vhdb info` shows");
		break;
	}
}

/**
 * vhdb_net_attach() - open the driver and the tap, and put them together
 * @net: the interface; its device stays open across an exec
 *
 * Return: 0; -1 after a message.
 */
int vhdb_net_attach(struct vhdb_net *net)
{
	struct vhost_doorbell_attach attach = {
		.size = sizeof(attach),
		.backend = BACKEND,
		.dialect = VHOST_DOORBELL_DIALECT_VDPA,
		.queue_size = net->queue_size,
		.poll_us = net->poll_us,
		.rate_bytes = net->rate_bytes,
		.rate_requests = net->rate_packets,
	};
	struct vhost_doorbell_info info;
	struct ifreq ifr = {};
	int err;

	net->h.device_fd = vhdb_device_open(&info);
	if (net->h.device_fd < 0)
		return -1;
	if (net->packed && allow_packed(net, &info, &attach) < 0)
		goto err_close;
	attach.fd = open_tap(net);
	if (attach.fd < 0)
		goto err_close;
	if (if_ioctl(net, SIOCGIFINDEX, &ifr) == 0)
		attach.ifindex = ifr.ifr_ifindex;
	memcpy(attach.mac, net->mac, sizeof(attach.mac));
	err = ioctl(net->h.device_fd, VHOST_DOORBELL_ATTACH, &attach) < 0 ?
	      errno : 0;
	/* the driver has a reference of its own */
	close(attach.fd);
	if (!err)
		return 0;
	explain(net, err);
err_close:
	close(net->h.device_fd);
	net->h.device_fd = -1;
	return -1;
}
