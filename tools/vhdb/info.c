// SPDX-License-Identifier: GPL-2.0
/* vhdb info: what the driver can do. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <linux/vhost_doorbell_copy.h>

#include "vhdb.h"

/* newer than the oldest headers that vhdb is built with */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA	38
#endif
#ifndef VIRTIO_F_NOTIF_CONFIG_DATA
#define VIRTIO_F_NOTIF_CONFIG_DATA	39
#endif
#ifndef VIRTIO_F_ADMIN_VQ
#define VIRTIO_F_ADMIN_VQ		41
#endif

/* Columns before the feature names. */
#define LABEL_WIDTH	18
#define LINE_WIDTH	79

struct feature {
	unsigned int bit;
	const char *name;
};

static const struct feature ring_features[] = {
	{ VIRTIO_F_NOTIFY_ON_EMPTY, "NOTIFY_ON_EMPTY" },
	{ VIRTIO_F_ANY_LAYOUT, "ANY_LAYOUT" },
	{ VIRTIO_RING_F_INDIRECT_DESC, "INDIRECT_DESC" },
	{ VIRTIO_RING_F_EVENT_IDX, "EVENT_IDX" },
	{ VIRTIO_F_VERSION_1, "VERSION_1" },
	{ VIRTIO_F_ACCESS_PLATFORM, "ACCESS_PLATFORM" },
	{ VIRTIO_F_RING_PACKED, "RING_PACKED" },
	{ VIRTIO_F_IN_ORDER, "IN_ORDER" },
	{ VIRTIO_F_ORDER_PLATFORM, "ORDER_PLATFORM" },
	{ VIRTIO_F_SR_IOV, "SR_IOV" },
	{ VIRTIO_F_NOTIFICATION_DATA, "NOTIFICATION_DATA" },
	{ VIRTIO_F_NOTIF_CONFIG_DATA, "NOTIF_CONFIG_DATA" },
	{ VIRTIO_F_RING_RESET, "RING_RESET" },
	{ VIRTIO_F_ADMIN_VQ, "ADMIN_VQ" },
	{ }
};

static const struct feature blk_features[] = {
	{ VIRTIO_BLK_F_SIZE_MAX, "SIZE_MAX" },
	{ VIRTIO_BLK_F_SEG_MAX, "SEG_MAX" },
	{ VIRTIO_BLK_F_GEOMETRY, "GEOMETRY" },
	{ VIRTIO_BLK_F_RO, "RO" },
	{ VIRTIO_BLK_F_BLK_SIZE, "BLK_SIZE" },
	{ VIRTIO_BLK_F_FLUSH, "FLUSH" },
	{ VIRTIO_BLK_F_TOPOLOGY, "TOPOLOGY" },
	{ VIRTIO_BLK_F_CONFIG_WCE, "CONFIG_WCE" },
	{ VIRTIO_BLK_F_MQ, "MQ" },
	{ VIRTIO_BLK_F_DISCARD, "DISCARD" },
	{ VIRTIO_BLK_F_WRITE_ZEROES, "WRITE_ZEROES" },
	{ VIRTIO_BLK_F_SECURE_ERASE, "SECURE_ERASE" },
	{ }
};

static const struct feature net_features[] = {
	{ VIRTIO_NET_F_CSUM, "CSUM" },
	{ VIRTIO_NET_F_GUEST_CSUM, "GUEST_CSUM" },
	{ VIRTIO_NET_F_MTU, "MTU" },
	{ VIRTIO_NET_F_MAC, "MAC" },
	{ VIRTIO_NET_F_GUEST_TSO4, "GUEST_TSO4" },
	{ VIRTIO_NET_F_GUEST_TSO6, "GUEST_TSO6" },
	{ VIRTIO_NET_F_GUEST_ECN, "GUEST_ECN" },
	{ VIRTIO_NET_F_GUEST_UFO, "GUEST_UFO" },
	{ VIRTIO_NET_F_HOST_TSO4, "HOST_TSO4" },
	{ VIRTIO_NET_F_HOST_TSO6, "HOST_TSO6" },
	{ VIRTIO_NET_F_HOST_ECN, "HOST_ECN" },
	{ VIRTIO_NET_F_HOST_UFO, "HOST_UFO" },
	{ VIRTIO_NET_F_MRG_RXBUF, "MRG_RXBUF" },
	{ VIRTIO_NET_F_STATUS, "STATUS" },
	{ VIRTIO_NET_F_CTRL_VQ, "CTRL_VQ" },
	{ VIRTIO_NET_F_MQ, "MQ" },
	{ }
};

static const struct device_type {
	unsigned int id;
	const char *name;
	const struct feature *features;
} device_types[] = {
	{ VIRTIO_ID_NET, "net", net_features },
	{ VIRTIO_ID_BLOCK, "block", blk_features },
	{ VHOST_DOORBELL_COPY_DEVICE_ID, "copy, of our own", NULL },
};

static const struct device_type *device_type(unsigned int id)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(device_types); i++) {
		if (device_types[i].id == id)
			return &device_types[i];
	}
	return NULL;
}

static const char *feature_name(unsigned int bit, const struct feature *table)
{
	for (; table && table->name; table++) {
		if (table->bit == bit)
			return table->name;
	}
	return NULL;
}

/* Names of the bits in @features, wrapped to further lines. */
static void print_features(__u64 features, const struct feature *table)
{
	int column = LABEL_WIDTH;
	unsigned int bit;

	if (!features)
		printf("none");
	for (bit = 0; bit < 64; bit++) {
		const char *name;
		char number[16];
		int len;

		if (!(features & (1ULL << bit)))
			continue;

		name = feature_name(bit, table);
		if (!name)
			name = feature_name(bit, ring_features);
		if (!name) {
			snprintf(number, sizeof(number), "bit %u", bit);
			name = number;
		}

		len = strlen(name) + 1;
		if (column + len > LINE_WIDTH) {
			printf("\n%*s", LABEL_WIDTH, "");
			column = LABEL_WIDTH;
		}
		printf("%s ", name);
		column += len;
	}
	putchar('\n');
}

static void print_label(const char *label)
{
	printf("%-*s", LABEL_WIDTH, label);
}

/* The module's version, if the module says one. */
static void print_module_version(void)
{
	char version[64];
	FILE *f;

	f = fopen("/sys/module/vhost_doorbell/version", "re");
	if (!f)
		return;
	if (fgets(version, sizeof(version), f)) {
		version[strcspn(version, "\n")] = '\0';
		printf(", module version %s", version);
	}
	fclose(f);
}

static void print_driver(const struct vhost_doorbell_info *info)
{
	print_label("driver");
	printf("interface version %u", info->abi_version);
	print_module_version();
	putchar('\n');

	print_label("dialects");
	printf("%s%s\n",
	       info->capabilities & VHOST_DOORBELL_CAP_VDPA ? "vdpa " : "",
	       info->capabilities & VHOST_DOORBELL_CAP_CLASSIC ? "classic" : "");

	print_label("queues");
	printf("up to %u\n", info->queues_max);
	print_label("queue size");
	printf("up to %u\n", info->queue_size_max);
	print_label("memory map");
	printf("up to %u entries\n", info->iotlb_max);

	print_label("polling");
	if (info->capabilities & VHOST_DOORBELL_CAP_POLL)
		printf("up to %u us\n", info->poll_us_max);
	else
		printf("no\n");

	print_label("ring features");
	print_features(info->ring_features, NULL);
}

/* Not the driver's own, but what its doorbells depend on. */
static void print_kvm(void)
{
	int ret = vhdb_kvm_ioeventfd();

	print_label("KVM");
	if (ret < 0)
		printf("none (/dev/kvm: %s)\n", strerror(-ret));
	else if (ret)
		printf("with ioeventfd\n");
	else
		printf("without ioeventfd (KVM_CAP_IOEVENTFD): guests cannot ring\n");
}

static int print_backends(int fd, const struct vhost_doorbell_info *info)
{
	__u32 i;

	if (!info->backends)
		printf("\nno back end is loaded now; `vhdb run` loads what it needs\n");

	for (i = 0; i < info->backends; i++) {
		struct vhost_doorbell_backend_info backend = {
			.size = sizeof(backend),
			.index = i,
		};
		const struct device_type *type;

		if (ioctl(fd, VHOST_DOORBELL_BACKEND_INFO, &backend) < 0) {
			/* one was unloaded meanwhile */
			if (errno == ENOENT)
				break;
			vhdb_error("cannot ask for back end %u: %s", i,
				   strerror(errno));
			return VHDB_EXIT_FAILURE;
		}

		type = device_type(backend.device_id);
		putchar('\n');
		print_label("back end");
		printf("%.*s\n", (int)sizeof(backend.name), backend.name);
		print_label("  device");
		if (!backend.queues_max) {
			printf("none of virtio's\n");
			continue;
		}
		printf("virtio %s (%u)\n", type ? type->name : "device",
		       backend.device_id);
		print_label("  queues");
		printf("up to %u\n", backend.queues_max);
		print_label("  features");
		print_features(backend.features & ~info->ring_features,
			       type ? type->features : NULL);
	}
	return 0;
}

/* The `info` subcommand. */
int vhdb_info(int argc, char **argv)
{
	struct vhost_doorbell_info info;
	int fd, status;

	if (argc > 1) {
		vhdb_error("info takes no argument, but there is '%s'", argv[1]);
		return VHDB_EXIT_USAGE;
	}

	fd = vhdb_device_open(&info);
	if (fd < 0)
		return VHDB_EXIT_FAILURE;

	print_driver(&info);
	print_kvm();
	status = print_backends(fd, &info);
	close(fd);
	return status;
}
