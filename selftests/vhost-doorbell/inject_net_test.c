// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every copy from or to user memory in the life of a network
 * device fails once, as in inject_test.c: of the node for vhost-net's clients, of a
 * tap that is attached, and of one in the vhost-vdpa dialect. A frame may be lost by
 * a failure; those after it come.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>

#include "kselftest_harness.h"
#include "lib/vhdb_inject.h"
#include "lib/vhdb_nic.h"

#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_MRG		VHDB_BIT(VIRTIO_NET_F_MRG_RXBUF)
#define F_PLATFORM	VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM)

#define FRAME		1000
#define RX_BYTES	2048

struct life {
	struct vhdb_inject inject;
	struct vhdb_nic nic;		/* its tap, memory and rings are made before */
	unsigned int base;
	__u32 seed;
};

static int opened(struct life *life, int fd)
{
	life->nic.c.fd = fd;
	return fd < 0 ? fd : 0;
}

static int step_open(struct life *life)
{
	return opened(life, vhdb_open());
}

static int step_open_node(struct life *life)
{
	int fd = open(VHDB_NET_PATH, O_RDWR | O_CLOEXEC);

	return opened(life, fd < 0 ? -errno : fd);
}

static int step_attach(struct life *life)
{
	return vhdb_nic_attach(life->nic.c.fd, life->nic.tap.fd);
}

static int step_attach_vdpa(struct life *life)
{
	const struct vhost_doorbell_attach arg = {
		.size = sizeof(arg),
		.backend = "net",
		.fd = life->nic.tap.fd,
		.dialect = VHOST_DOORBELL_DIALECT_VDPA,
		.ifindex = life->nic.tap.ifindex,
		.mac = { 0x02, 1, 2, 3, 4, 5 },
	};

	return __vhdb_attach(life->nic.c.fd, &arg);
}

static int step_set_owner(struct life *life)
{
	return __vhdb_set_owner(life->nic.c.fd);
}

static int step_table(struct life *life)
{
	return vhdb_classic_table(&life->nic.c);
}

static int step_log_base(struct life *life)
{
	return __vhdb_set_log_base(life->nic.c.fd, life->nic.c.log);
}

static int step_features(struct life *life)
{
	return __vhdb_set_features(life->nic.c.fd, life->nic.c.features);
}

static int step_vrings(struct life *life)
{
	return vhdb_classic_setup_queues(&life->nic.c);
}

static int step_set_rx(struct life *life)
{
	return __vhdb_net_set_backend(life->nic.c.fd, VHDB_NIC_RX,
				      life->nic.tap.fd);
}

static int step_set_tx(struct life *life)
{
	return __vhdb_net_set_backend(life->nic.c.fd, VHDB_NIC_TX,
				      life->nic.tap.fd);
}

static int step_unset_tx(struct life *life)
{
	return __vhdb_net_set_backend(life->nic.c.fd, VHDB_NIC_TX, -1);
}

static int step_start(struct life *life)
{
	return __vhdb_start(life->nic.c.fd);
}

static int step_get_base(struct life *life)
{
	struct vhdb_vq *vq = &life->nic.c.q[VHDB_NIC_TX].vq;
	int ret = __vhdb_get_vring_base(life->nic.c.fd, VHDB_NIC_TX,
					&life->base);

	if (ret)
		return ret;
	return life->base == vq->ops->base(vq->ops->used_pos(vq)) ? 0 : -EILSEQ;
}

static int step_vring_at_base(struct life *life)
{
	return vhdb_classic_setup_queue(&life->nic.c, VHDB_NIC_TX, life->base);
}

static int step_log_on(struct life *life)
{
	int ret = vhdb_classic_log_all(&life->nic.c, true);

	return ret ? ret : vhdb_classic_log_ring(&life->nic.c, VHDB_NIC_RX, true);
}

static int step_log_off(struct life *life)
{
	int ret = vhdb_classic_log_all(&life->nic.c, false);

	return ret ? ret : vhdb_classic_log_ring(&life->nic.c, VHDB_NIC_RX,
						 false);
}

/* ---- vhost-vdpa ---- */

static int step_map(struct life *life)
{
	const struct vhdb_classic *c = &life->nic.c;

	return vhdb_iotlb_update(c->fd, c->mem.iova + VHDB_CLASSIC_IOVA,
				 c->mem.size, c->mem.hva, VHOST_ACCESS_RW);
}

static int step_negotiate(struct life *life)
{
	const struct vhdb_classic *c = &life->nic.c;
	__u64 got;
	int ret = vhdb_negotiate(c->fd, c->features, &got);

	return ret ? ret : got == c->features ? 0 : -EPROTO;
}

static int step_enable(struct life *life)
{
	int ret = __vhdb_set_vring_enable(life->nic.c.fd, VHDB_NIC_RX, 1);

	return ret ? ret : __vhdb_set_vring_enable(life->nic.c.fd, VHDB_NIC_TX,
						   1);
}

static int step_driver_ok(struct life *life)
{
	return vhdb_driver_ok(life->nic.c.fd);
}

static int step_config(struct life *life)
{
	struct virtio_net_config config;

	return __vhdb_get_config(life->nic.c.fd, 0, sizeof(config), &config);
}

/* ---- frames ---- */

/* The one with @seed, or the next one, if the first may be lost */
static int expect(struct life *life, int (*recv)(struct vhdb_nic *nic))
{
	struct vhdb_nic *nic = &life->nic;
	bool lost = life->inject.worker_failed;
	__u32 seed = life->seed;
	int len = recv(nic);

	if (len < 0)
		return len;
	if (lost && len == FRAME &&
	    vhdb_frame_right(nic->got, FRAME, seed + 1))
		return 0;
	if (len != FRAME || !vhdb_frame_right(nic->got, FRAME, seed))
		return -EILSEQ;
	len = recv(nic);
	return len == FRAME && vhdb_frame_right(nic->got, FRAME, seed + 1) ?
	       0 : -EILSEQ;
}

static int guest_recv(struct vhdb_nic *nic)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;

	return vhdb_nic_recv(nic, &hdr, nic->got, VHDB_NIC_FRAME_MAX);
}

static int host_recv(struct vhdb_nic *nic)
{
	return vhdb_host_recv(&nic->tap, nic->got, VHDB_NIC_FRAME_MAX);
}

/* With the first of two the worker fails; not with the second. */
static int to_guest(struct life *life)
{
	struct vhdb_nic *nic = &life->nic;
	int ret = vhdb_nic_give(nic, 4);

	life->seed += 2;
	if (!ret)
		ret = vhdb_inject_worker(&life->inject);
	if (ret)
		return ret;
	vhdb_frame(nic->frame, FRAME, life->seed);
	ret = vhdb_host_send(&nic->tap, nic->frame, FRAME);
	if (!ret && !vhdb_wait_for(!vhdb_nic_quiet(nic) ||
				   vhdb_inject_worker_hit(&life->inject)))
		ret = -ETIMEDOUT;
	vhdb_inject_worker_end(&life->inject);
	if (ret)
		return ret;
	vhdb_frame(nic->frame, FRAME, life->seed + 1);
	ret = vhdb_host_send(&nic->tap, nic->frame, FRAME);
	return ret ? ret : expect(life, guest_recv);
}

static int to_host(struct life *life)
{
	struct vhdb_nic *nic = &life->nic;
	int ret = vhdb_inject_worker(&life->inject);

	life->seed += 2;
	if (ret)
		return ret;
	vhdb_frame(nic->frame, FRAME, life->seed);
	ret = vhdb_nic_send(nic, NULL, nic->frame, FRAME);
	vhdb_inject_worker_end(&life->inject);
	if (ret)
		return ret;
	vhdb_frame(nic->frame, FRAME, life->seed + 1);
	ret = vhdb_nic_send(nic, NULL, nic->frame, FRAME);
	return ret ? ret : expect(life, host_recv);
}

/* close() tells nothing, and there is no second one. */
static int step_close(struct life *life)
{
	close(life->nic.c.fd);
	life->nic.c.fd = -1;
	return 0;
}

/* As QEMU and others use /dev/vhost-net */
static const struct vhdb_step node_steps[] = {
	VHDB_STEP("open", step_open_node),
	VHDB_STEP("SET_OWNER", step_set_owner),
	VHDB_STEP("SET_FEATURES", step_features),
	VHDB_STEP("SET_MEM_TABLE", step_table),
	VHDB_STEP("SET_VRING_*", step_vrings),
	VHDB_STEP("SET_BACKEND of RX", step_set_rx),
	VHDB_STEP("SET_BACKEND of TX", step_set_tx),
	VHDB_REQUEST("frame to the guest", to_guest),
	VHDB_REQUEST("frame to the host", to_host),
	VHDB_STEP("SET_MEM_TABLE, running", step_table),
	VHDB_STEP("SET_LOG_BASE, running", step_log_base),
	VHDB_STEP("log on", step_log_on),
	VHDB_REQUEST("frame to the guest, logged", to_guest),
	VHDB_STEP("log off", step_log_off),
	VHDB_STEP("SET_BACKEND -1", step_unset_tx),
	VHDB_STEP("GET_VRING_BASE", step_get_base),
	VHDB_STEP("SET_VRING_*, again", step_vring_at_base),
	VHDB_STEP("SET_BACKEND, again", step_set_tx),
	VHDB_REQUEST("frame to the host, again", to_host),
	VHDB_STEP("close", step_close),
};

static const struct vhdb_step attach_steps[] = {
	VHDB_STEP("open", step_open),
	VHDB_STEP("ATTACH", step_attach),
	VHDB_STEP("SET_OWNER", step_set_owner),
	VHDB_STEP("SET_MEM_TABLE", step_table),
	VHDB_STEP("SET_FEATURES", step_features),
	VHDB_STEP("SET_VRING_*", step_vrings),
	VHDB_STEP("START", step_start),
	VHDB_REQUEST("frame to the guest", to_guest),
	VHDB_REQUEST("frame to the host", to_host),
	VHDB_STEP("close", step_close),
};

static const struct vhdb_step vdpa_steps[] = {
	VHDB_STEP("open", step_open),
	VHDB_STEP("ATTACH", step_attach_vdpa),
	VHDB_STEP("SET_OWNER", step_set_owner),
	VHDB_STEP("UPDATE", step_map),
	VHDB_STEP("features, status", step_negotiate),
	VHDB_STEP("config", step_config),
	VHDB_STEP("SET_VRING_*", step_vrings),
	VHDB_STEP("SET_VRING_ENABLE", step_enable),
	VHDB_STEP("DRIVER_OK", step_driver_ok),
	VHDB_REQUEST("frame to the guest", to_guest),
	VHDB_REQUEST("frame to the host", to_host),
	VHDB_STEP("close", step_close),
};

FIXTURE(inject)
{
	struct life life;
	long pins;
};

FIXTURE_VARIANT(inject)
{
	__u64 features;
	const struct vhdb_step *steps;
	unsigned int nr;
};

FIXTURE_VARIANT_ADD(inject, net_node)
{
	.features = F_EVENT | F_MRG,
	.steps = node_steps,
	.nr = ARRAY_SIZE(node_steps),
};

FIXTURE_VARIANT_ADD(inject, net_attached)
{
	.features = F_PACKED | F_MRG,
	.steps = attach_steps,
	.nr = ARRAY_SIZE(attach_steps),
};

FIXTURE_VARIANT_ADD(inject, net_vdpa)
{
	.features = F_EVENT | F_MRG | F_PLATFORM,
	.steps = vdpa_steps,
	.nr = ARRAY_SIZE(vdpa_steps),
};

FIXTURE_SETUP(inject)
{
	struct life *life = &self->life;
	const char *missing = vhdb_inject_missing();

	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, vhdb_netns());
	ASSERT_EQ(0, vhdb_tap_create(&life->nic.tap, IFF_VNET_HDR, 1500));
	ASSERT_EQ(0, vhdb_nic_init(&life->nic, -1, variant->features, RX_BYTES));
	ASSERT_EQ(0, vhdb_inject_init(&life->inject));
	self->pins = vhdb_pins_held();
}

FIXTURE_TEARDOWN(inject)
{
	vhdb_nic_destroy(&self->life.nic);
	/* All of them were given back. */
	EXPECT_TRUE(vhdb_wait_for(vhdb_pins_held() == self->pins));
	vhdb_inject_free(&self->life.inject);
}

TEST_F(inject, each_failure_of_each_step)
{
	/* It is not as if nothing could fail. */
	EXPECT_LT(0, vhdb_inject_rounds(&self->life.inject, &self->life,
					variant->steps, variant->nr));
}

TEST_HARNESS_MAIN
