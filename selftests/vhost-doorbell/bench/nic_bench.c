// SPDX-License-Identifier: GPL-2.0
/*
 * What who serves a network device's queues spends on a packet: the time of its
 * thread, while this program is the driver of the queues, with no guest. Any node
 * that speaks vhost-net's ioctls is served from.
 *
 * Meant for a VM whose clock is the number of instructions: there the figure is an
 * exact one, and one run is enough.
 *
 *	nic_bench NODE split|packed out|in BYTES AT_A_TIME PACKETS
 *
 * BYTES are of a frame; above 1514 it is a TCP segment that is to be cut (GSO), sent
 * from pages of 4 KiB, one at a time. Prints "events N ns T": PACKETS, and the
 * thread's time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../lib/vhdb_nic.h"

#define FRAME_MAX	1514	/* of what is not to be cut */
#define MSS		1448
#define HEADERS		(sizeof(struct ethhdr) + sizeof(struct iphdr) + \
			 sizeof(struct tcphdr))
/* Its code is loaded, its memory allocated. */
#define WARM_UP		256

static struct vhdb_nic nic;
static char frame[VHDB_NIC_FRAME_MAX];
static struct virtio_net_hdr_mrg_rxbuf hdr;
static unsigned int bytes, at_a_time;

static void die(const char *what, int err)
{
	fprintf(stderr, "nic_bench: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

/* Nanoseconds that a thread of this process has run for */
static unsigned long long ran_for(const char *tid)
{
	unsigned long long ran = 0;
	char path[288];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", tid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &ran) != 1)
		die(path, errno);
	fclose(file);
	return ran;
}

/* All threads but this one: who serves is the only one that there is. */
static unsigned long long server_time(void)
{
	unsigned long long sum = 0;
	struct dirent *entry;
	int others = 0;
	DIR *dir = opendir("/proc/self/task");

	if (!dir)
		die("/proc/self/task", errno);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
			continue;
		sum += ran_for(entry->d_name);
		others++;
	}
	closedir(dir);
	if (others != 1)
		die("the thread that serves is not a thread of ours", ESRCH);
	return sum;
}

static void make_frame(void)
{
	struct ethhdr *eth = (void *)frame;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	memset(eth->h_dest, 2, ETH_ALEN);
	memset(eth->h_source, 4, ETH_ALEN);
	eth->h_proto = htons(bytes > FRAME_MAX ? ETH_P_IP : VHDB_NIC_ETHERTYPE);
	if (bytes <= FRAME_MAX)
		return;
	*ip = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
		.tot_len = htons(bytes - sizeof(*eth)),
		.saddr = htonl(0x0a4e0001), .daddr = htonl(0x0a4e0002),
	};
	tcp->doff = sizeof(*tcp) / 4;
	hdr.hdr = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = HEADERS,
		.gso_size = MSS,
		.csum_start = sizeof(*eth) + sizeof(*ip),
		.csum_offset = offsetof(struct tcphdr, check),
	};
}

/* The host sends alone: what it would get is nobody's. */
static int host_socket(void)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_ifindex = nic.tap.ifindex,
	};
	int on = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)))
		die("packet socket", errno);
	return fd;
}

static void out(void)
{
	unsigned int i;
	int ret = 0;

	if (bytes > FRAME_MAX) {
		ret = vhdb_nic_send_pieces(&nic, &hdr, frame, bytes,
					   (bytes + VHDB_NIC_HDR + 4095) / 4096, 0);
		if (ret)
			die("send", ret);
		return;
	}
	for (i = 0; !ret && i < at_a_time; i++)
		ret = vhdb_nic_queue(&nic, i, frame, bytes);
	vhdb_vq_kick(&nic.c.q[VHDB_NIC_TX].vq);
	for (i = 0; !ret && i < at_a_time; i++)
		ret = vhdb_nic_reap(&nic);
	if (ret)
		die("send", ret);
}

static void in(void)
{
	struct virtio_net_hdr_mrg_rxbuf got_hdr;
	static char got[VHDB_NIC_FRAME_MAX];
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < at_a_time; i++)
		ret = vhdb_host_send_gso(&nic.tap, &hdr.hdr, frame, bytes);
	for (i = 0; !ret && i < at_a_time; i++) {
		ret = vhdb_nic_recv(&nic, &got_hdr, got, sizeof(got));
		ret = ret < 0 ? ret : ret == (int)bytes ? 0 : -EMSGSIZE;
	}
	if (ret)
		die("receive", ret);
}

static void run(void (*load)(void), unsigned int packets)
{
	unsigned int i;

	for (i = 0; i < packets; i += at_a_time)
		load();
}

int main(int argc, char **argv)
{
	unsigned long long before;
	unsigned int packets;
	__u64 features = VHDB_BIT(VIRTIO_NET_F_MRG_RXBUF) |
			 VHDB_BIT(VIRTIO_RING_F_EVENT_IDX);
	void (*load)(void);
	int ret;

	if (argc != 7) {
		fprintf(stderr, "nic_bench: see the head of its source\n");
		return 2;
	}
	if (!strcmp(argv[2], "packed"))
		features |= VHDB_BIT(VIRTIO_F_RING_PACKED);
	load = strcmp(argv[3], "in") ? out : in;
	bytes = atoi(argv[4]);
	at_a_time = atoi(argv[5]);
	packets = atoi(argv[6]);
	make_frame();

	ret = vhdb_netns();
	if (!ret)
		ret = vhdb_tap_create(&nic.tap, IFF_VNET_HDR, FRAME_MAX - ETH_HLEN);
	if (ret)
		die("tap", ret);
	nic.node = argv[1];
	if (ioctl(nic.tap.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4))
		die("offloads", errno);
	ret = vhdb_nic_create_on(&nic, features, FRAME_MAX + VHDB_NIC_HDR, false);
	if (ret)
		die(argv[1], ret);
	close(nic.tap.host);
	nic.tap.host = host_socket();
	ret = vhdb_nic_give(&nic, VHDB_CLASSIC_NUM);
	if (ret)
		die("buffers", ret);

	run(load, WARM_UP);
	before = server_time();
	run(load, packets);
	printf("events %u ns %llu\n", packets, server_time() - before);
	return 0;
}
