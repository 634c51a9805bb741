// SPDX-License-Identifier: GPL-2.0
/*
 * See notify_rows.h: the rows, and what each of them needs.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm_para.h>

#include "../lib/vhdb_bell.h"
#include "notify_rows.h"

#define PORT		0xc050	/* where virtio-pci's notify area may lie */
#define DOORBELL	0x40000000	/* rbx of a hypercall: page-aligned */
#define GSI		24	/* the first behind the pins of the IOAPIC */
#define SERIAL		"notify"

/* Guest physical addresses of the loops' ring */
#define RING_SIZE	256
#define DESC		(TINY_VM_FREE)
#define DRIVER		(TINY_VM_FREE + 0x1000)
#define DEVICE		(TINY_VM_FREE + 0x2000)
#define HEADER		(TINY_VM_FREE + 0x3000)
#define DATA		(TINY_VM_FREE + 0x3100)

#define US	"vhost-doorbell"

/* A peer stands in front of those that are compared with it */
const struct notify_row notify_rows[] = {
	{ "nothing",		"guest", RING_NOTHING, PATH_NONE, NULL, NULL },
	{ "cpuid",		"kvm", RING_CPUID, PATH_NONE, NULL, NULL },

	{ "vmm-mmio",		"vmm", RING_MMIO, PATH_EXIT_BELL, NULL, NULL },
	{ "vmm-pio",		"vmm", RING_PIO, PATH_EXIT_BELL, NULL, NULL },
	{ "vmm-hc",		"vmm", RING_HC, PATH_EXIT_BELL, NULL, NULL },
	{ "exit-mmio",		"vmm", RING_MMIO, PATH_EXIT, NULL, NULL },
	{ "exit-pio",		"vmm", RING_PIO, PATH_EXIT, NULL, NULL },
	{ "exit-hc",		"vmm", RING_HC, PATH_EXIT, NULL, NULL },

	{ "ioeventfd-mmio-none", "kvm", RING_MMIO, PATH_EVENTFD,
	  "exit-mmio", NULL },
	{ "ioeventfd-pio-none",	"kvm", RING_PIO, PATH_EVENTFD,
	  "exit-pio", NULL },
	{ "ioeventfd-hc-none",	"kvm", RING_HC, PATH_EVENTFD,
	  "exit-hc", NULL },
	{ "ioeventfd-mmio",	US, RING_MMIO, PATH_BELL,
	  "vmm-mmio", "ioeventfd-mmio-none" },
	{ "ioeventfd-pio",	US, RING_PIO, PATH_BELL,
	  "vmm-pio", "ioeventfd-pio-none" },
	{ "ioeventfd-hc",	US, RING_HC, PATH_BELL,
	  "vmm-hc", "ioeventfd-hc-none" },

	{ "vmm-mmio-loop",	"vmm", RING_MMIO, PATH_EXIT_LOOP, NULL, NULL },
	{ "vmm-pio-loop",	"vmm", RING_PIO, PATH_EXIT_LOOP, NULL, NULL },
	{ "vmm-hc-loop",	"vmm", RING_HC, PATH_EXIT_LOOP, NULL, NULL },
	{ "ioeventfd-mmio-loop", US, RING_MMIO, PATH_LOOP,
	  "vmm-mmio-loop", NULL },
	{ "ioeventfd-pio-loop",	US, RING_PIO, PATH_LOOP,
	  "vmm-pio-loop", NULL },
	{ "ioeventfd-hc-loop",	US, RING_HC, PATH_LOOP,
	  "vmm-hc-loop", NULL },
};

const unsigned int notify_rows_count = ARRAY_SIZE(notify_rows);

static bool path_has_bell(enum notify_path path)
{
	return path == PATH_BELL || path == PATH_EXIT_BELL;
}

static bool path_has_ioeventfd(enum notify_path path)
{
	return path == PATH_EVENTFD || path == PATH_BELL || path == PATH_LOOP;
}

enum notify_program notify_row_program(const struct notify_row *row)
{
	bool loop = notify_path_loops(row->path);

	switch (row->ring) {
	case RING_NOTHING:
		return NOTIFY_NOTHING;
	case RING_CPUID:
		return NOTIFY_CPUID;
	case RING_PIO:
		return loop ? NOTIFY_PIO_LOOP : NOTIFY_PIO;
	case RING_MMIO:
		return loop ? NOTIFY_MMIO_LOOP : NOTIFY_MMIO;
	case RING_HC:
		break;
	}
	/* KVM patches the other vendor's instruction; that must not be timed */
	if (tiny_hypercall_op() == TINY_OP_VMMCALL)
		return loop ? NOTIFY_VMMCALL_LOOP : NOTIFY_VMMCALL;
	return loop ? NOTIFY_VMCALL_LOOP : NOTIFY_VMCALL;
}

/* ---- set-up ---- */

static int setup_exit_hypercall(struct notify_rig *rig, const char **why)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};
	int offered = ioctl(rig->vm.vm, KVM_CHECK_EXTENSION, cap.cap);

	if (offered <= 0 || !(offered & cap.args[0])) {
		*why = "KVM lacks KVM_CAP_EXIT_HYPERCALL";
		return -EOPNOTSUPP;
	}
	rig->args->hc_nr = KVM_HC_MAP_GPA_RANGE;
	rig->args->hc_a1 = 1;	/* pages */
	return ioctl(rig->vm.vm, KVM_ENABLE_CAP, &cap) ? -errno : 0;
}

static int setup_ioeventfd(struct notify_rig *rig, const char **why)
{
	switch (rig->row->ring) {
	case RING_PIO:
		return tiny_vm_ioeventfd(&rig->vm, rig->eventfd, PORT,
					 NOTIFY_STORE, KVM_IOEVENTFD_FLAG_PIO,
					 0);
	case RING_MMIO:
		return tiny_vm_ioeventfd(&rig->vm, rig->eventfd, TINY_VM_MMIO,
					 NOTIFY_STORE, 0, 0);
	default:
		break;
	}
	if (ioctl(rig->vm.kvm, KVM_CHECK_EXTENSION,
		  KVM_CAP_IOEVENTFD_HYPERCALL) <= 0) {
		*why = "KVM lacks hypercall doorbells (the patched one has them)";
		return -EOPNOTSUPP;
	}
	rig->args->hc_nr = KVM_HC_IOEVENTFD;
	return tiny_vm_ioeventfd(&rig->vm, rig->eventfd, DOORBELL, 0,
				 KVM_IOEVENTFD_FLAG_HYPERCALL, 0);
}

static int setup_bell(struct notify_rig *rig, const char **why)
{
	rig->bell = vhdb_bell_open();
	if (rig->bell < 0) {
		*why = "the driver, or its bell, is not there";
		return -EOPNOTSUPP;
	}
	return rig->row->path == PATH_BELL ?
	       __vhdb_bell_hook(rig->bell, rig->eventfd) : 0;
}

/* The interrupt is a message to the local APIC, as a PCI device's would be */
static int setup_irqfd(struct notify_rig *rig)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry.gsi = GSI,
		.entry.type = KVM_IRQ_ROUTING_MSI,
		.entry.u.msi.address_lo = 0xfee00000,
		.entry.u.msi.data = NOTIFY_VECTOR,
	};

	if (ioctl(rig->vm.vm, KVM_SET_GSI_ROUTING, &routing))
		return -errno;
	return tiny_vm_irqfd(&rig->vm, rig->vr.call, GSI, 0);
}

static void fill_desc(struct vring_desc *d, __u64 addr, __u32 len, __u16 flags)
{
	d->addr = htole64(addr);
	d->len = htole32(len);
	d->flags = htole16(flags);
}

/* One chain that asks for the serial, which each entry of the ring names */
static int setup_ring(struct notify_rig *rig)
{
	struct virtio_blk_outhdr *header;
	struct vhdb_vring *vr = &rig->vr;

	vr->num = RING_SIZE;
	vr->desc_iova = DESC;
	vr->avail_iova = DRIVER;
	vr->used_iova = DEVICE;
	vr->desc = tiny_vm_ptr(&rig->vm, DESC, 0x1000);
	vr->avail = tiny_vm_ptr(&rig->vm, DRIVER, 0x1000);
	vr->used = tiny_vm_ptr(&rig->vm, DEVICE, 0x1000);
	header = tiny_vm_ptr(&rig->vm, HEADER, sizeof(*header));
	header->type = htole32(VIRTIO_BLK_T_GET_ID);

	fill_desc(&vr->desc[0], HEADER, sizeof(*header), VRING_DESC_F_NEXT);
	vr->desc[0].next = htole16(1);
	fill_desc(&vr->desc[1], DATA, VIRTIO_BLK_ID_BYTES,
		  VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
	vr->desc[1].next = htole16(2);
	fill_desc(&vr->desc[2], NOTIFY_STATUS, 1, VRING_DESC_F_WRITE);
	rig->args->driver = DRIVER;

	vr->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vr->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vr->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vr->kick < 0 || vr->call < 0 || vr->err < 0)
		return -errno;
	/* Closed once, with the ring */
	close(rig->eventfd);
	rig->eventfd = vr->kick;
	return 0;
}

static int setup_loop(struct notify_rig *rig, const char **why)
{
	struct vhdb_guest_mem mem = {
		.kind = VHDB_MEM_MEMFD,
		.hva = rig->vm.mem,
		.iova = 0,	/* IOVA is the guest physical address */
		.size = rig->vm.mem_size,
		.fd = rig->vm.mem_fd,
	};
	struct vhdb_opts opts = {
		.queue_size = RING_SIZE,
		.serial = SERIAL,
	};
	__u64 got;
	int ret;

	rig->dev = vhdb_open();
	if (rig->dev < 0) {
		*why = "no /dev/vhost-doorbell/control";
		return -EOPNOTSUPP;
	}
	ret = vhdb_backing_memfd(&rig->backing, 1 << 20);
	if (!ret)
		ret = vhdb_attach_blk(rig->dev, rig->backing.fd, &opts);
	if (!ret)
		ret = __vhdb_set_owner(rig->dev);
	if (!ret)
		ret = vhdb_mem_map(rig->dev, &mem, VHOST_ACCESS_RW);
	if (!ret)
		ret = vhdb_negotiate(rig->dev, VHDB_F_REQUIRED, &got);
	if (!ret)
		ret = setup_ring(rig);
	if (!ret)
		ret = setup_irqfd(rig);
	if (!ret)
		ret = vhdb_vring_setup(rig->dev, &rig->vr);
	if (!ret)
		ret = __vhdb_set_vring_enable(rig->dev, 0, 1);
	return ret ?: vhdb_driver_ok(rig->dev);
}

static int rig_setup(struct notify_rig *rig, const char **why)
{
	enum notify_path path = rig->row->path;
	struct notify_args *args = rig->args;
	int ret = 0;

	rig->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rig->eventfd < 0)
		return -errno;
	args->doorbell = rig->row->ring == RING_PIO ? PORT :
			 rig->row->ring == RING_MMIO ? TINY_VM_MMIO : DOORBELL;
	if (notify_path_loops(path))
		ret = setup_loop(rig, why);
	if (!ret && path_has_bell(path))
		ret = setup_bell(rig, why);
	if (!ret && path_has_ioeventfd(path))
		ret = setup_ioeventfd(rig, why);
	else if (!ret && rig->row->ring == RING_HC)
		ret = setup_exit_hypercall(rig, why);
	return ret;
}

int notify_rig_create(struct notify_rig *rig, const struct notify_row *row,
		      unsigned int rings_max, const char **why)
{
	size_t size = NOTIFY_SAMPLES + rings_max * sizeof(__u32);
	int ret;

	memset(rig, 0, sizeof(*rig));
	rig->row = row;
	rig->rings_max = rings_max;
	rig->eventfd = -1;
	rig->bell = -1;
	rig->dev = -1;
	rig->backing.fd = -1;
	rig->vr.kick = -1;
	rig->vr.call = -1;
	rig->vr.err = -1;
	*why = NULL;
	ret = tiny_vm_create(&rig->vm, (size + 4095) & ~4095UL);
	if (ret)
		return ret;
	rig->args = tiny_vm_ptr(&rig->vm, TINY_VM_ARGS, sizeof(*rig->args));
	ret = rig_setup(rig, why);
	if (ret)
		notify_rig_destroy(rig);
	return ret;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void notify_rig_destroy(struct notify_rig *rig)
{
	close_fd(&rig->dev);
	close_fd(&rig->bell);
	if (rig->eventfd != rig->vr.kick)
		close_fd(&rig->eventfd);
	close_fd(&rig->vr.kick);
	close_fd(&rig->vr.call);
	close_fd(&rig->vr.err);
	tiny_vm_destroy(&rig->vm);
	if (rig->backing.fd >= 0)
		vhdb_backing_free(&rig->backing);
}
