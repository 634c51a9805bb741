/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/**
 * DOC: The file and its life
 *
 * /dev/vhost-doorbell/control gives one virtio device per open file. Its life::
 *
 *   open -> ATTACH (a back end and what it serves) -> VHOST_SET_OWNER
 *        -> feature and ring set-up, memory map -> DRIVER_OK or
 *        VHOST_DOORBELL_START -> ... -> close
 *
 * ATTACH may be done by another, privileged process, which then passes the
 * file on; all that touches guest memory belongs to the owner. Everything
 * after ATTACH is issued in one of two dialects of <linux/vhost.h>: the
 * vhost-vdpa ioctls, or the classic vhost ioctls.
 *
 * A back end without queues ("bell") is no virtio device: open -> ATTACH ->
 * its own ioctls -> close. It has no owner, and every ioctl of
 * <linux/vhost.h>, GET_STATS and IOTLB messages give -EOPNOTSUPP.
 *
 * Errors that every ioctl of the file may give:
 *
 * * -ENOTTY: not an ioctl of this file
 * * -ENODEV: no back end is attached yet
 * * -EPERM: the file has no owner yet, or belongs to another process's
 *   memory, and the ioctl needs the owner
 * * -EOPNOTSUPP: an ioctl of the other dialect, or of a virtio device, and the
 *   back end is none
 * * -EBUSY: not while the device runs (or, for ATTACH, attached already;
 *   for VHOST_SET_OWNER, owned already)
 * * -ENOBUFS: no such queue
 * * -EFAULT: the argument cannot be read or written
 * * -EINTR: a signal came while it waited; nothing was changed unless
 *   the ioctl says otherwise
 */
#ifndef _UAPI_LINUX_VHOST_DOORBELL_H
#define _UAPI_LINUX_VHOST_DOORBELL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * define VHOST_DOORBELL_ABI_VERSION - version of the interface in this file
 *
 * Raised when something is added. Nothing that has been released is removed
 * or changes its meaning, so a client asks for "at least".
 */
#define VHOST_DOORBELL_ABI_VERSION	4

/** define VHOST_DOORBELL_IOCTL - type byte of the ioctls of this file */
#define VHOST_DOORBELL_IOCTL		0xD8

/** define VHOST_DOORBELL_MAC_LEN - bytes of a network address */
#define VHOST_DOORBELL_MAC_LEN		6

/** define VHOST_DOORBELL_NAME_MAX - bytes of a back end's name, NUL included */
#define VHOST_DOORBELL_NAME_MAX		16

/** define VHOST_DOORBELL_SERIAL_MAX - bytes of a serial, no NUL needed */
#define VHOST_DOORBELL_SERIAL_MAX	20

/**
 * DOC: Sizes of structs
 *
 * Structs that carry @size grow at their tail. Userspace sets @size to
 * the size that it was built with. A kernel that knows a shorter struct
 * accepts a longer one whose tail is zero (-E2BIG otherwise); a kernel that
 * knows a longer one takes what is missing as zero. A @size below the struct's
 * first version is -EINVAL. The ioctl's number does not change when the struct
 * grows: the size in it stays that of the first version.
 */

/**
 * enum vhost_doorbell_dialect - which ioctls drive the file after ATTACH
 * @VHOST_DOORBELL_DIALECT_AUTO: a fallback for clients that cannot say: the
 *	first ioctl that only one dialect has, and that is not refused, decides.
 *	Before, VHOST_GET_FEATURES answers what both offer, and what both have
 *	is done by the rules of vhost-vdpa.
 * @VHOST_DOORBELL_DIALECT_VDPA: vhost-vdpa (QEMU's vhost-vdpa-device-pci and
 *	-netdev vhost-vdpa, cloud-hypervisor, libblkio)
 * @VHOST_DOORBELL_DIALECT_CLASSIC: vhost (vhost-net's clients), since ABI
 *	version 3: see "The classic dialect". Not offered while
 *	VHOST_DOORBELL_CAP_CLASSIC is clear in the capabilities.
 */
enum vhost_doorbell_dialect {
	VHOST_DOORBELL_DIALECT_AUTO	= 0,
	VHOST_DOORBELL_DIALECT_VDPA	= 1,
	VHOST_DOORBELL_DIALECT_CLASSIC	= 2,
};

/** define VHOST_DOORBELL_CAP_VDPA - the vhost-vdpa dialect is offered */
#define VHOST_DOORBELL_CAP_VDPA		(1ULL << 0)
/** define VHOST_DOORBELL_CAP_CLASSIC - the classic dialect is offered */
#define VHOST_DOORBELL_CAP_CLASSIC	(1ULL << 1)
/** define VHOST_DOORBELL_CAP_POLL - &vhost_doorbell_attach.poll_us may be set */
#define VHOST_DOORBELL_CAP_POLL		(1ULL << 2)

/**
 * struct vhost_doorbell_info - what this driver can do
 * @size: in: size of this struct as userspace knows it, in bytes; out: as the
 *	kernel knows it. The smaller of the two is written.
 * @abi_version: out: VHOST_DOORBELL_ABI_VERSION of the kernel
 * @capabilities: out: VHOST_DOORBELL_CAP_* bits
 * @ring_features: out: virtio feature bits that the rings can serve (which of
 *	them a device offers depends on its back end and on ATTACH)
 * @backends: out: number of back ends registered now; their names are told by
 *	VHOST_DOORBELL_BACKEND_INFO
 * @queues_max: out: most queues a device can have
 * @queue_size_max: out: largest queue size that ATTACH takes, in descriptors
 * @iotlb_max: out: most entries of a device's memory map
 * @poll_us_max: out: largest poll limit that ATTACH takes, in microseconds;
 *	0 where polling is not offered
 * @reserved: out: zero
 *
 * Since ABI version 1.
 */
struct vhost_doorbell_info {
	__u32 size;
	__u32 abi_version;
	__u64 capabilities;
	__u64 ring_features;
	__u32 backends;
	__u32 queues_max;
	__u32 queue_size_max;
	__u32 iotlb_max;
	__u32 poll_us_max;
	__u32 reserved;
};

#define VHOST_DOORBELL_INFO_SIZE_V1	48

/**
 * struct vhost_doorbell_backend_info - one registered back end
 * @size: as in &struct vhost_doorbell_info
 * @index: in: 0 to &vhost_doorbell_info.backends - 1; -ENOENT past the end
 * @name: out: name for &vhost_doorbell_attach.backend, NUL-terminated
 * @device_id: out: virtio device ID (virtio spec 1.3, 5); 0 for a back end
 *	that is no virtio device
 * @queues_max: out: most queues that this back end serves; 0 if it has none
 * @features: out: every virtio feature bit that it may offer, ring features
 *	and those that are offered on request only included
 *
 * Since ABI version 1.
 */
struct vhost_doorbell_backend_info {
	__u32 size;
	__u32 index;
	char  name[VHOST_DOORBELL_NAME_MAX];
	__u32 device_id;
	__u32 queues_max;
	__u64 features;
};

#define VHOST_DOORBELL_BACKEND_INFO_SIZE_V1	40

/** define VHOST_DOORBELL_ATTACH_RO - the device is read-only for the guest */
#define VHOST_DOORBELL_ATTACH_RO	(1U << 0)
/**
 * define VHOST_DOORBELL_ATTACH_COMPLETE_WORKER - the worker completes requests
 *
 * Requests are given back to the driver by the queue's worker, which is woken for
 * it, not where their I/O ends (an interrupt, for most). The driver sees no
 * difference but in time. Since ABI version 3.
 */
#define VHOST_DOORBELL_ATTACH_COMPLETE_WORKER	(1U << 1)
/**
 * define VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE - a worker for each queue
 *
 * VHOST_SET_OWNER starts as many workers as there are queues, and worker I serves
 * queue I; otherwise one serves all of them. If one cannot be started, SET_OWNER
 * fails and there is none. Threads are named vhdb-dDEVICE.qQUEUE, DEVICE being the
 * number in the file's fdinfo. Since ABI version 3.
 */
#define VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE	(1U << 2)

/**
 * struct vhost_doorbell_attach - give a device its back end
 * @size: size of this struct as userspace knows it, in bytes
 * @flags: VHOST_DOORBELL_ATTACH_* bits; others are -EINVAL
 * @backend: name of the back end, NUL-terminated ("blk"). If it is not
 *	registered, the module vhost-doorbell-NAME is asked for.
 * @fd: what the back end serves. "blk": a block device or a regular file
 *	(a raw image), opened for reading and, without
 *	VHOST_DOORBELL_ATTACH_RO, for writing. The kernel takes a reference of
 *	its own; the fd may be closed afterwards. "bell": -1, it serves
 *	nothing, and the fields from @dialect on are 0. "net": a tap or
 *	macvtap that has its interface, or -1 for VHOST_NET_SET_BACKEND to tell:
 *	see 'The back end "net"'.
 * @dialect: enum vhost_doorbell_dialect
 * @features_allow: virtio feature bits that may be offered; 0 stands for all
 *	that are safe with stock clients. Bits that are offered on request only
 *	(those that stock clients mishandle: VIRTIO_F_RING_PACKED,
 *	VIRTIO_F_IN_ORDER, VIRTIO_F_RING_RESET; of "blk" also
 *	VIRTIO_BLK_F_CONFIG_WCE, for disks that are not read-only and may offer
 *	VIRTIO_BLK_F_FLUSH, too) are offered if they are named here. In the
 *	classic dialect VIRTIO_F_RING_PACKED is safe: its clients name what they
 *	take; and VHOST_F_LOG_ALL is offered whatever is here.
 * @features_require: virtio feature bits without which the driver's
 *	FEATURES_OK is refused; they are offered even if not in @features_allow
 * @queues: number of queues; 0 for one, of "net" for two
 * @queue_size: largest queue size, in descriptors, a power of two unless
 *	@features_require has VIRTIO_F_RING_PACKED; 0 for 256. It is also what
 *	VHOST_VDPA_GET_VRING_NUM answers.
 * @serial: "blk": what GET_ID answers, padded with zeros
 * @logical_block_size: "blk": bytes, a power of two from 512 to 4096, not
 *	smaller than the device's own; 0 for the device's own (512 for a file,
 *	or what its O_DIRECT needs)
 * @poll_us: longest time that a queue is polled before its notifications are
 *	turned on again, in microseconds, up to
 *	&vhost_doorbell_info.poll_us_max; 0 for off. How long it really is
 *	each queue finds out: the time doubles with each poll that finds a
 *	buffer and is halved by each one that does not, down to none; it comes
 *	back when buffers follow each other within @poll_us. An idle device
 *	does not poll.
 * @reserved: zero
 * @rate_bytes: payload bytes that the device moves in a second, all queues
 *	together and both directions, up to 2^34; 0 for as many as it can
 * @burst_bytes: payload bytes that may be moved at once after a pause; 0 for
 *	a tenth of a second's, at most a minute's. A request that is larger than
 *	that passes, and the next ones wait the longer.
 * @rate_requests: requests that the device takes in a second, all queues
 *	together; 0 for as many as it can
 * @burst_requests: requests that may be taken at once after a pause; 0 for a
 *	tenth of a second's, at most a minute's
 * @ifindex: "net": index of the interface, in the caller's network namespace, that
 *	config space tells the status and the MTU of; 0 for none
 * @mac: "net": the address that config space tells the driver; zeroes for none,
 *	and then the driver makes one up
 * @reserved2: zero
 *
 * Errors, besides those of every ioctl:
 *
 * * -EINVAL: @size too small, unknown flag or dialect, @backend not
 *   terminated, bad @logical_block_size, @reserved not zero,
 *   @fd is open with O_APPEND, a @mac that is none of one station, or a
 *   flag, a @fd or another field for a back end that has no use for it
 * * -E2BIG: @size beyond what the kernel knows, tail not zero
 * * -ENOENT: no such back end
 * * -ERANGE: @queues, @queue_size, @poll_us, a rate or a burst beyond the
 *   limits (other than 0 where there are no queues), a burst without its
 *   rate, or @queue_size no power of two, with split rings
 * * -EOPNOTSUPP: @features_require or @dialect not offered, or a kind of
 *   device that the back end cannot serve (zoned storage)
 * * -EBADF: @fd is not open, or not for reading
 * * -EISDIR: @fd is a directory
 * * -ENOTBLK: @fd is neither a block device nor a regular file
 * * -EROFS: @fd is open for reading only, and
 *   VHOST_DOORBELL_ATTACH_RO is not set
 * * -EBUSY: a back end is attached already, or the block device's page
 *   cache is in use (a mapping of it cannot be invalidated)
 *
 * Of "net" besides: -EOPNOTSUPP @dialect left open, -ENOTSOCK @fd is no tap,
 * -ESOCKTNOSUPPORT a socket of another kind, -EBADFD a tap without an interface,
 * -ENODEV no interface @ifindex.
 *
 * Since ABI version 1; the rates and bursts since 3, @ifindex and @mac since 4.
 */
struct vhost_doorbell_attach {
	__u32 size;
	__u32 flags;
	char  backend[VHOST_DOORBELL_NAME_MAX];
	__s32 fd;
	__u32 dialect;
	__u64 features_allow;
	__u64 features_require;
	__u32 queues;
	__u32 queue_size;
	char  serial[VHOST_DOORBELL_SERIAL_MAX];
	__u32 logical_block_size;
	__u32 poll_us;
	__u32 reserved;
	__u64 rate_bytes;
	__u64 burst_bytes;
	__u32 rate_requests;
	__u32 burst_requests;
	__u32 ifindex;
	__u8  mac[VHOST_DOORBELL_MAC_LEN];
	__u8  reserved2[6];
};

#define VHOST_DOORBELL_ATTACH_SIZE_V1	88
#define VHOST_DOORBELL_ATTACH_SIZE_V2	112
#define VHOST_DOORBELL_ATTACH_SIZE_V3	128

/** define VHOST_DOORBELL_ALL_QUEUES - &vhost_doorbell_stats.queue: the sum */
#define VHOST_DOORBELL_ALL_QUEUES	0xffffffffU

/**
 * struct vhost_doorbell_stats - counters of one queue or of all
 * @size: as in &struct vhost_doorbell_info
 * @queue: in: index of the queue, or VHOST_DOORBELL_ALL_QUEUES
 * @kicks: out: signals seen on the kick eventfd
 * @wakeups: out: runs of the worker over the queue
 * @requests: out: requests taken from the ring
 * @completions: out: requests returned to the ring
 * @bytes_read: out: payload bytes written to guest memory
 * @bytes_written: out: payload bytes read from guest memory
 * @signals: out: publications after which the driver wanted a signal; the
 *	call eventfd was signalled, if there is one
 * @signals_suppressed: out: publications after which it wanted none
 * @errors: out: requests answered with an error status
 * @bounced: out: requests that were copied through a bounce buffer
 * @broken: out: times a queue was marked broken
 * @reserved: out: zero
 * @unsupported: out: of @errors, those that told the driver that the device
 *	cannot do such a thing (virtio-blk: VIRTIO_BLK_S_UNSUPP)
 * @no_space: out: of @errors, those for want of space under the device. Virtio
 *	has no status of its own for it: the driver was told of an I/O error,
 *	and the kernel's log has a line, rate-limited.
 * @throttled: out: runs of the worker that left requests in the ring because
 *	the device has used up what it may have (&vhost_doorbell_attach.rate_bytes
 *	and its like)
 * @polls: out: times a queue that was found empty was polled
 * @poll_hits: out: of @polls, those that found a buffer
 * @poll_ns: out: nanoseconds spent in @polls
 *
 * Counters start at ATTACH and survive a reset of the device.
 * Since ABI version 1; @unsupported and what follows it since 3.
 */
struct vhost_doorbell_stats {
	__u32 size;
	__u32 queue;
	__u64 kicks;
	__u64 wakeups;
	__u64 requests;
	__u64 completions;
	__u64 bytes_read;
	__u64 bytes_written;
	__u64 signals;
	__u64 signals_suppressed;
	__u64 errors;
	__u64 bounced;
	__u64 broken;
	__u64 reserved;
	__u64 unsupported;
	__u64 no_space;
	__u64 throttled;
	__u64 polls;
	__u64 poll_hits;
	__u64 poll_ns;
};

#define VHOST_DOORBELL_STATS_SIZE_V1	104
#define VHOST_DOORBELL_STATS_SIZE_V2	128
#define VHOST_DOORBELL_STATS_SIZE_V3	152

/**
 * struct vhost_doorbell_update - what a device serves may have changed
 * @size: as in &struct vhost_doorbell_info
 * @flags: zero
 * @bytes: out: size of the device now
 *
 * The kernel tells nobody that a file or a block device has grown. Whoever made
 * it grow issues this, on the open file that the device is: the device looks at
 * its backing again, and if there is more of it the driver gets a
 * configuration-change interrupt and finds the new capacity in config space.
 * Requests go on meanwhile. (A block device's size is also looked at each time
 * that its queues are served.) What is less than a logical block does not count.
 *
 * A disk does not shrink: the guest has a file system on it. If the backing is
 * smaller than the driver was told, nothing changes, and what the guest asks
 * for behind the backing's end is answered with an I/O error.
 *
 * The vhost-vdpa dialect has no place for virtio's configuration generation, so
 * a driver that reads the two halves of the capacity while it changes may see
 * one of each; it reads again after the interrupt.
 *
 * Works from any process that has the file, at any time after ATTACH. Errors,
 * besides those of every ioctl:
 *
 * * -EINVAL: @size too small, or @flags not zero
 * * -E2BIG: @size beyond what the kernel knows, tail not zero
 * * -EFBIG: the disk is larger than the backing has become: see above
 * * -EOPNOTSUPP: the back end's devices do not change
 *
 * Since ABI version 3.
 */
struct vhost_doorbell_update {
	__u32 size;
	__u32 flags;
	__u64 bytes;
};

#define VHOST_DOORBELL_UPDATE_SIZE_V1	16

/**
 * struct vhost_doorbell_rate - rate limits of one queue
 * @size: size of this struct as userspace knows it, in bytes
 * @queue: index of the queue
 * @bytes: payload bytes a second; 0 for as many as it can
 * @burst_bytes: as &vhost_doorbell_attach.burst_bytes
 * @requests: requests a second, of "net" packets; 0 for as many as it can
 * @burst_requests: as &vhost_doorbell_attach.burst_requests
 *
 * They hold beside those of ATTACH, which all queues share, from now on and
 * until others are set, whoever the owner is. What goes over them waits: of
 * "net", packets of the guest in its ring, and those for it in the tap, which
 * drops what it has no room for.
 *
 * Works from any process that has the file, at any time after ATTACH. Errors,
 * besides those of every ioctl: -EINVAL @size too small, -E2BIG @size beyond what
 * the kernel knows, tail not zero, -ERANGE as in ATTACH. Nothing has changed
 * then.
 *
 * Since ABI version 4.
 */
struct vhost_doorbell_rate {
	__u32 size;
	__u32 queue;
	__u64 bytes;
	__u64 burst_bytes;
	__u32 requests;
	__u32 burst_requests;
};

#define VHOST_DOORBELL_RATE_SIZE_V1	32

/**
 * DOC: The back end "net"
 *
 * A virtio network device (virtio 1.3, 5.1) of one queue pair on a tap or
 * macvtap, or on one queue of one that has many (IFF_MULTI_QUEUE); queue 0
 * receives, queue 1 transmits. There is no control queue.
 *
 * Two ways to have one:
 *
 * * /dev/vhost-doorbell-net, for the clients of /dev/vhost-net: an open file of
 *   it is a device of "net" in the classic dialect, without a tap, which
 *   VHOST_NET_SET_BACKEND names for each queue.
 * * ATTACH, in either dialect. In vhost-vdpa @fd is the tap, and @ifindex and
 *   @mac fill config space.
 *
 * VHOST_NET_SET_BACKEND starts one queue, as VHOST_DOORBELL_START starts all,
 * with its errors, and with those of ATTACH for the file, but that a tap may be
 * without its interface. On a queue that runs it puts another tap in the place of
 * the present one. With -1 it stops the queue, which may not run, as
 * VHOST_GET_VRING_BASE does. Only taps are served, no packet sockets. The driver
 * has to choose VIRTIO_F_VERSION_1.
 *
 * The header in front of each packet (5.1.6.1, 12 bytes, always with
 * num_buffers) passes through: the tap has IFF_VNET_HDR, IFF_NO_PI and a header
 * size (TUNSETVNETHDRSZ) of 12, or in the classic dialect the client has chosen
 * VHOST_NET_F_VIRTIO_NET_HDR, and the tap has no header. If they do not fit, all
 * packets are dropped. In vhost-vdpa the offloads of the tap (TUNSETOFFLOAD)
 * follow what the driver has chosen; in the classic dialect they are the client's
 * affair.
 *
 * A packet that the tap does not take is dropped: a header that does not hold, a
 * tap without its interface or whose interface is down. So is one for the guest
 * that has no place in its buffer, or takes more than 128 of them
 * (VIRTIO_NET_F_MRG_RXBUF). &vhost_doorbell_stats.errors counts those that were
 * the guest's.
 *
 * VIRTIO_NET_F_STATUS and VIRTIO_NET_F_MTU are offered if ATTACH names the
 * interface. The link is up while the interface is, and has a carrier; the driver
 * is told of a change by the configuration interrupt. The MTU is the interface's
 * at ATTACH or, if it has changed, when the device is reset: a driver that has
 * been told of one keeps it (5.1.4.1).
 *
 * Since ABI version 4.
 */

/**
 * DOC: The back end "bell"
 *
 * It counts rings. A bell is rung in three ways, which are counted apart:
 *
 * * eventfd: a signal of the eventfd that the bell is hooked on. KVM's
 *   ioeventfd signals it when the guest writes to its address: each such
 *   write is one ring. Counted in the wake-up of whoever signals, before that
 *   one goes on, so nothing coalesces.
 * * ioctl: VHOST_DOORBELL_BELL_RING
 * * kernel: vhdb_bell_ring() of another kernel module
 *
 * What is a ring of an eventfd, and what is none:
 *
 * * A signal from the kernel is one ring. It is one when the eventfd's
 *   counter is full, too.
 * * A write(2) of n is one ring, whatever n is, 0 included, and whether or
 *   not EFD_SEMAPHORE is set. A write that blocks is one when it ends; one
 *   that fails is none.
 * * A read(2) is none. The bell itself never reads the eventfd: its counter
 *   goes on growing unless somebody else reads it, and a reader takes nothing
 *   from the bell.
 * * What was signalled before HOOK is none.
 * * While an irqfd is set on the same eventfd, KVM takes its signals first
 *   and alone: those rings are hidden from the bell, and from every other
 *   waiter. Do not share an eventfd with an irqfd.
 *
 * All of these ioctls may be issued by any process that has the file. Errors,
 * besides those of every ioctl: before ATTACH -ENODEV, and -ENOTTY where
 * another back end than "bell" is attached.
 *
 * Since ABI version 2.
 */

/**
 * struct vhost_doorbell_bell_hook - which eventfd rings a bell
 * @fd: an eventfd, or -1 for none. The kernel takes a reference of its own;
 *	the fd may be closed afterwards, and rings go on.
 * @reserved: zero
 *
 * A bell is hooked on one eventfd at a time, and an eventfd may have many
 * bells. Each signal that comes after the ioctl has returned is counted; one
 * that comes while it runs may or may not be. Hooking the eventfd that is
 * hooked already changes nothing and misses nothing. The counts stay.
 *
 * Errors: -EINVAL @reserved is not zero, or @fd is not an eventfd; -EBADF @fd
 * is not open (other negative numbers than -1 included). Nothing has changed
 * then.
 */
struct vhost_doorbell_bell_hook {
	__s32 fd;
	__u32 reserved;
};

/**
 * define VHOST_DOORBELL_BELL_COUNT_RESET - tell the counts and start at 0 again
 *
 * What is told is what is taken away: a ring that comes meanwhile is in this
 * count or in the next one, in exactly one of them.
 */
#define VHOST_DOORBELL_BELL_COUNT_RESET	(1U << 0)

/**
 * struct vhost_doorbell_bell_count - how often a bell was rung
 * @eventfd: out: rings by the eventfd, since ATTACH or the last reset
 * @ioctl: out: rings by VHOST_DOORBELL_BELL_RING
 * @kernel: out: rings by kernel modules
 * @flags: in: VHOST_DOORBELL_BELL_COUNT_* bits
 * @reserved: in: zero
 *
 * Each count is exact; of rings that come meanwhile, the three need not be of
 * one moment.
 *
 * Errors: -EINVAL an unknown flag, or @reserved is not zero. On an error
 * nothing is reset.
 */
struct vhost_doorbell_bell_count {
	__u64 eventfd;
	__u64 ioctl;
	__u64 kernel;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct vhost_doorbell_bell_call - whom a bell tells
 * @fd: an eventfd that is signalled for each @every rings, or -1 for none
 * @every: rings, of all sources together, counted from this ioctl on: the
 *	@every'th, the 2 * @every'th and so on is told. 0 if and only if @fd
 *	is -1.
 *
 * The signal comes a moment after the ring, from an interrupt of its own: an
 * eventfd must not be signalled by what waits for an eventfd. Rings that
 * follow each other fast may share one signal, so @fd tells that @every rings
 * were made, not how often. A reset of the counts does not start it over.
 *
 * @fd may be the eventfd that the bell is hooked on, or one that rings another
 * bell. A ring that is itself the signal of a bell is counted, but does not
 * count towards @every: bells do not set each other off for ever.
 *
 * Nothing is signalled on the old eventfd after the ioctl has returned.
 *
 * Errors: -EINVAL @every does not go with @fd, or @fd is not an eventfd;
 * -EBADF @fd is not open; -ENOMEM. Nothing has changed then.
 */
struct vhost_doorbell_bell_call {
	__s32 fd;
	__u32 every;
};

/**
 * define VHOST_DOORBELL_GET_INFO - version, limits and capabilities
 *
 * Works on any open file of the device, before ATTACH too, from any process.
 * An older or other driver answers -ENOTTY.
 */
#define VHOST_DOORBELL_GET_INFO \
	_IOC(_IOC_READ | _IOC_WRITE, VHOST_DOORBELL_IOCTL, 0x00, \
	     VHOST_DOORBELL_INFO_SIZE_V1)

/** define VHOST_DOORBELL_BACKEND_INFO - describe a registered back end */
#define VHOST_DOORBELL_BACKEND_INFO \
	_IOC(_IOC_READ | _IOC_WRITE, VHOST_DOORBELL_IOCTL, 0x01, \
	     VHOST_DOORBELL_BACKEND_INFO_SIZE_V1)

/** define VHOST_DOORBELL_ATTACH - see &struct vhost_doorbell_attach */
#define VHOST_DOORBELL_ATTACH \
	_IOC(_IOC_WRITE, VHOST_DOORBELL_IOCTL, 0x02, \
	     VHOST_DOORBELL_ATTACH_SIZE_V1)

/** define VHOST_DOORBELL_GET_STATS - see &struct vhost_doorbell_stats */
#define VHOST_DOORBELL_GET_STATS \
	_IOC(_IOC_READ | _IOC_WRITE, VHOST_DOORBELL_IOCTL, 0x03, \
	     VHOST_DOORBELL_STATS_SIZE_V1)

/** define VHOST_DOORBELL_UPDATE - see &struct vhost_doorbell_update */
#define VHOST_DOORBELL_UPDATE \
	_IOC(_IOC_READ | _IOC_WRITE, VHOST_DOORBELL_IOCTL, 0x04, \
	     VHOST_DOORBELL_UPDATE_SIZE_V1)

/** define VHOST_DOORBELL_SET_RATE - see &struct vhost_doorbell_rate */
#define VHOST_DOORBELL_SET_RATE \
	_IOC(_IOC_WRITE, VHOST_DOORBELL_IOCTL, 0x09, \
	     VHOST_DOORBELL_RATE_SIZE_V1)

/**
 * DOC: The classic dialect
 *
 * The ioctls of <linux/vhost.h> as vhost-net's clients issue them. They do what
 * the kernel's own vhost does, but for what is said here::
 *
 *   VHOST_SET_OWNER -> VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE
 *        -> for each queue VHOST_SET_VRING_NUM, BASE, ADDR, KICK, CALL, ERR
 *        -> VHOST_DOORBELL_START -> ...
 *        -> VHOST_DOORBELL_STOP, VHOST_GET_VRING_BASE for each queue
 *
 * * VHOST_SET_FEATURES, VHOST_SET_FEATURES_ARRAY: -EOPNOTSUPP a bit that is not
 *   offered; -EBUSY while a queue runs, if more than VHOST_F_LOG_ALL is to
 *   change; -EFAULT logging is turned on while a queue runs, and there is no log
 *   or it cannot cover the memory table. An array of more than 512 words is
 *   -E2BIG. With VIRTIO_F_ACCESS_PLATFORM the IOTLB is empty afterwards, and if
 *   that bit changes, addresses of rings have to be set again.
 * * VHOST_SET_MEM_TABLE, at any time: as a whole, and when it returns nothing
 *   uses the old one. -E2BIG more than &vhost_doorbell_info.iotlb_max regions,
 *   -EEXIST two of them overlap, -EINVAL a region of no bytes or one that
 *   wraps, or @padding is not zero, -EFAULT not a user address, or a log that
 *   is in use cannot cover it. @flags_padding is ignored.
 * * VHOST_SET_VRING_NUM: -EINVAL more than ATTACH's @queue_size, or no size for
 *   a ring of this layout. VHOST_SET_VRING_BASE: of a packed ring, both
 *   positions with their wrap counters, the used one in the upper half (0: the
 *   same as the lower). Both -EBUSY while the queue runs.
 * * VHOST_SET_VRING_ADDR: user addresses, wherever they are; with
 *   VIRTIO_F_ACCESS_PLATFORM IOVAs. What is there is looked up at START.
 *   -EOPNOTSUPP another flag than VHOST_VRING_F_LOG, -EINVAL not aligned. While
 *   the queue runs, the same addresses turn the log of the ring on or off
 *   (-EINVAL: the log cannot cover it), others are -EBUSY. Three addresses of 0
 *   take the ring away, since ABI version 4: START passes the queue over.
 * * VHOST_SET_VRING_CALL: if the driver was to be notified before, since it is the
 *   owner's, the new eventfd is signalled: nobody may have listened to the last. So
 *   it is with VHOST_DOORBELL_SET_CONFIG_CALL; and in vhost-vdpa, where it counts
 *   from the last reset on.
 * * VHOST_GET_VRING_BASE: stops the queue if it runs, as VHOST_DOORBELL_STOP
 *   does all of them. It goes on with the next VHOST_DOORBELL_START.
 * * VHOST_SET_VRING_ENDIAN: rings are little-endian; -EPROTONOSUPPORT
 *   VHOST_VRING_BIG_ENDIAN, -EINVAL neither, -EBUSY while the queue runs.
 * * VHOST_SET_VRING_BUSYLOOP_TIMEOUT, at any time: how long, in microseconds, a
 *   worker that has found a queue empty looks out for more before it turns
 *   notifications on. It stops earlier if the CPU is wanted. This takes the
 *   place of ATTACH's @poll_us for the queue until VHOST_RESET_OWNER, and is
 *   neither bounded by &vhost_doorbell_info.poll_us_max nor adapted.
 * * VHOST_SET_LOG_BASE, at any time: -EFAULT if not at user addresses as far as
 *   the guest's memory reaches; that far it is written. When it returns the
 *   old log is not written to any more.
 * * VHOST_NEW_WORKER: -ENOSPC if there is one for each queue and one more.
 *   VHOST_FREE_WORKER, VHOST_ATTACH_VRING_WORKER: -ENODEV no such worker, -EBUSY
 *   it has a queue. Threads are named vhdb-PID (the owner's), and from the
 *   second one on vhdb-PID.NUMBER; but those that
 *   VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE has started.
 * * VHOST_RESET_OWNER: all that was set up is gone, the back end stays.
 * * IOTLB messages, with VIRTIO_F_ACCESS_PLATFORM (-EOPNOTSUPP without): an
 *   address that is not mapped is asked for with VHOST_IOTLB_MISS, which is
 *   read from the file (in the form of struct vhost_msg_v2 if
 *   VHOST_BACKEND_F_IOTLB_MSG_V2 was set); one for each queue at a time. The
 *   queue waits for it, and other queues do not. VHOST_IOTLB_UPDATE replaces
 *   what is in its place, and the oldest entry if there are too many.
 *   VHOST_IOTLB_ACCESS_FAIL, written by the owner, says that it cannot be had:
 *   the request fails. Without an answer it is asked again with the next kick.
 *   What is mapped, but not for what is to be done there, makes the request
 *   fail without a message. Reading: -EAGAIN nothing to read and O_NONBLOCK,
 *   -EBADFD there is no IOTLB; 0 there is not room for a message.
 *
 * The dirty log has a bit for each 4096 bytes (VHOST_PAGE_SIZE) of guest
 * physical memory, in the owner's words. With VHOST_F_LOG_ALL, what is written to
 * the guest's buffers is logged, after it was written and before it is published
 * in the used ring; with VHOST_VRING_F_LOG, what is written to the ring, after
 * it was written. Of the device area (the used ring) @log_guest_addr tells where
 * it is, unless there is an IOTLB; other places are looked up in the memory
 * table. If the log cannot be written, the queue's error eventfd is signalled.
 *
 * Since ABI version 3.
 */

/**
 * define VHOST_DOORBELL_START - serve the queues, in the classic dialect
 *
 * Pins and serves each queue that has addresses and does not run yet, all of
 * them or none; takes no argument. It stands where vhost-net has
 * VHOST_NET_SET_BACKEND. See "The classic dialect".
 *
 * Errors, besides those of every ioctl: -EPROTO a feature that has to be chosen
 * (VIRTIO_F_VERSION_1, or one that ATTACH requires) was not, -ENODATA no queue
 * has addresses, -EFAULT an area of a ring is not mapped, or the log is missing
 * or cannot cover what is to be logged, -EACCES not readable and writable,
 * -EOPNOTSUPP of a kind that cannot be pinned, -EINVAL a ring that cannot be
 * (not aligned, a base or a size that the layout does not allow), -ENOMEM over
 * RLIMIT_MEMLOCK or without memory, -EBUSY within an IOTLB batch.
 *
 * Since ABI version 3.
 */
#define VHOST_DOORBELL_START	_IO(VHOST_DOORBELL_IOCTL, 0x04)

/**
 * define VHOST_DOORBELL_STOP - serve no queue any more, in the classic dialect
 *
 * Returns when all that was taken from the rings is complete, and logged; the
 * rings are given back. Where they stand is told by VHOST_GET_VRING_BASE, and
 * VHOST_DOORBELL_START goes on from there. Takes no argument; not started is
 * fine. -EINTR: some of them are stopped.
 *
 * Since ABI version 3.
 */
#define VHOST_DOORBELL_STOP	_IO(VHOST_DOORBELL_IOCTL, 0x05)

/**
 * define VHOST_DOORBELL_GET_CONFIG - read config space, in the classic dialect
 *
 * The kernel's own vhost leaves config space to userspace; here the back end
 * knows what is in it. The argument and the errors are those of
 * VHOST_VDPA_GET_CONFIG: struct vhost_vdpa_config of <linux/vhost_types.h>,
 * -EINVAL no bytes, -E2BIG beyond the end. From any process.
 *
 * Since ABI version 4.
 */
#define VHOST_DOORBELL_GET_CONFIG \
	_IOC(_IOC_READ, VHOST_DOORBELL_IOCTL, 0x06, 8)

/**
 * define VHOST_DOORBELL_SET_CONFIG - write config space, in the classic dialect
 *
 * The argument is as that of VHOST_DOORBELL_GET_CONFIG. What the driver may not
 * write is left as it is, without an error; -EINVAL a value that a field cannot
 * have. VHOST_SET_FEATURES, but while a queue runs, sets what the driver may
 * write to what it is at first.
 *
 * Since ABI version 4.
 */
#define VHOST_DOORBELL_SET_CONFIG \
	_IOC(_IOC_WRITE, VHOST_DOORBELL_IOCTL, 0x07, 8)

/**
 * define VHOST_DOORBELL_SET_CONFIG_CALL - whom to tell that config space has
 * changed, in the classic dialect
 *
 * The argument points to an int: an eventfd, or -1 for none. It is signalled,
 * too, when a queue is marked broken; &vhost_doorbell_stats.broken tells.
 *
 * Since ABI version 4.
 */
#define VHOST_DOORBELL_SET_CONFIG_CALL \
	_IOW(VHOST_DOORBELL_IOCTL, 0x08, int)

/**
 * define VHOST_DOORBELL_BACKEND_NR - first ioctl number of back ends
 *
 * From this number on the ioctls are a back end's own: a file that has another
 * back end gives -ENOTTY, one that has none yet -ENODEV.
 */
#define VHOST_DOORBELL_BACKEND_NR	0x40

/** define VHOST_DOORBELL_BELL_HOOK - see &struct vhost_doorbell_bell_hook */
#define VHOST_DOORBELL_BELL_HOOK \
	_IOW(VHOST_DOORBELL_IOCTL, 0x40, struct vhost_doorbell_bell_hook)

/** define VHOST_DOORBELL_BELL_RING - ring a bell once; takes no argument */
#define VHOST_DOORBELL_BELL_RING	_IO(VHOST_DOORBELL_IOCTL, 0x41)

/** define VHOST_DOORBELL_BELL_COUNT - see &struct vhost_doorbell_bell_count */
#define VHOST_DOORBELL_BELL_COUNT \
	_IOWR(VHOST_DOORBELL_IOCTL, 0x42, struct vhost_doorbell_bell_count)

/** define VHOST_DOORBELL_BELL_CALL - see &struct vhost_doorbell_bell_call */
#define VHOST_DOORBELL_BELL_CALL \
	_IOW(VHOST_DOORBELL_IOCTL, 0x43, struct vhost_doorbell_bell_call)

#endif /* _UAPI_LINUX_VHOST_DOORBELL_H */
