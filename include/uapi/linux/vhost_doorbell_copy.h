/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/**
 * DOC: The back end "copy"
 *
 * Copies, fills and checksums of the
 * guest's own memory, asked for through virtqueues. This is what a driver and
 * the device say to each other; all of it is little-endian.
 *
 * ATTACH: @backend "copy", @fd -1. -EINVAL for an @fd, for
 * VHOST_DOORBELL_ATTACH_RO, a @serial or a @logical_block_size.
 *
 * A request is one buffer of any of the device's queues, which are all alike::
 *
 *   readable:  struct vhost_doorbell_copy_hdr, then the source
 *   writable:  the destination, then struct vhost_doorbell_copy_trailer
 *
 * Each side may be cut into descriptors anywhere, the two structs included;
 * no address and no length has to be aligned to anything. What is done::
 *
 *   op       source     destination  what is done
 *   COPY     len bytes  len bytes    destination = source
 *   FILL     none       len bytes    destination = the 8 bytes of arg, again
 *                                    and again from the destination's start,
 *                                    the last time in part
 *   CRC32C   len bytes  none         crc of the trailer = CRC-32C (Castagnoli,
 *                                    as iSCSI has it) of the source, where arg
 *                                    is that of what came before it, else 0
 *
 * A length of 0 is fine. COPY and FILL deal with &struct
 * vhost_doorbell_copy_config.block bytes after the other, from first to last;
 * COPY reads the whole of a block before it writes it. This says what becomes
 * of source and destination that overlap, however they are cut and however
 * they do. For one range of memory: as memmove() if the destination starts
 * before the source or if the request is not longer than a block; otherwise a
 * later block reads what an earlier one has written.
 *
 * Requests of one queue are dealt with and come back in the order in which they
 * were made available. Between queues there is no order: a long request is
 * done in parts, and other queues have their turn in between.
 *
 * When the memory map changes in the middle of a request, the part that is yet
 * to be done finds the new one. A request under way is finished before SUSPEND
 * and GET_VRING_BASE return, and dropped by a reset: part of it is done.
 *
 * The used length counts the bytes that were written from the first writable
 * one on without a gap: those of the trailer, too, if it follows at once. The
 * trailer is always written where it stands. If it cannot be, the used length
 * is 0; set @status to VHOST_DOORBELL_COPY_S_NONE beforehand to notice.
 *
 * A buffer without room for a header or for a trailer is no request, and breaks
 * the queue. One with more descriptors than a ring may have does so, too.
 */
#ifndef _UAPI_LINUX_VHOST_DOORBELL_COPY_H
#define _UAPI_LINUX_VHOST_DOORBELL_COPY_H

#include <linux/types.h>

/**
 * define VHOST_DOORBELL_COPY_DEVICE_ID - virtio device ID of this back end
 *
 * Not one of the virtio specification, whose IDs count up from 1, and not known
 * to any driver of Linux, so a guest leaves the device to a driver of its
 * user's. It is below 64 for virtio-pci to carry it; other devices without a
 * number count down from 63 (crosvm's).
 */
#define VHOST_DOORBELL_COPY_DEVICE_ID	60

/**
 * enum vhost_doorbell_copy_op - what a request is for
 * @VHOST_DOORBELL_COPY_OP_COPY: copy
 * @VHOST_DOORBELL_COPY_OP_FILL: fill
 * @VHOST_DOORBELL_COPY_OP_CRC32C: checksum
 */
enum vhost_doorbell_copy_op {
	VHOST_DOORBELL_COPY_OP_COPY	= 0,
	VHOST_DOORBELL_COPY_OP_FILL	= 1,
	VHOST_DOORBELL_COPY_OP_CRC32C	= 2,
};

/**
 * struct vhost_doorbell_copy_hdr - what a request asks for
 * @op: enum vhost_doorbell_copy_op
 * @flags: zero
 * @len: bytes of payload
 * @arg: FILL: the pattern, lowest byte first. CRC32C: the checksum to go on
 *	from, below 2^32. COPY: zero.
 *
 * Since ABI version 1.
 */
struct vhost_doorbell_copy_hdr {
	__le32 op;
	__le32 flags;
	__le64 len;
	__le64 arg;
};

/**
 * enum vhost_doorbell_copy_status - what became of a request
 * @VHOST_DOORBELL_COPY_S_OK: done
 * @VHOST_DOORBELL_COPY_S_OP: no such op
 * @VHOST_DOORBELL_COPY_S_FLAGS: flags are not zero
 * @VHOST_DOORBELL_COPY_S_ARG: arg is not what this op takes
 * @VHOST_DOORBELL_COPY_S_TOO_LONG: len is beyond
 *	&vhost_doorbell_copy_config.max_bytes
 * @VHOST_DOORBELL_COPY_S_LENGTH: len is not what the descriptors add up to
 * @VHOST_DOORBELL_COPY_S_SRC_UNMAPPED: a readable descriptor, the header's
 *	included, leads to where there is no memory
 * @VHOST_DOORBELL_COPY_S_SRC_DENIED: or to memory that may not be read
 * @VHOST_DOORBELL_COPY_S_DST_UNMAPPED: a writable descriptor leads to where
 *	there is no memory
 * @VHOST_DOORBELL_COPY_S_DST_DENIED: or to memory that may not be written
 * @VHOST_DOORBELL_COPY_S_NONE: never told by the device
 *
 * They are looked for in this order. What is wrong with the memory is found
 * when its turn comes: what stands before it is done by then.
 */
enum vhost_doorbell_copy_status {
	VHOST_DOORBELL_COPY_S_OK		= 0,
	VHOST_DOORBELL_COPY_S_OP		= 1,
	VHOST_DOORBELL_COPY_S_FLAGS		= 2,
	VHOST_DOORBELL_COPY_S_ARG		= 3,
	VHOST_DOORBELL_COPY_S_TOO_LONG		= 4,
	VHOST_DOORBELL_COPY_S_LENGTH		= 5,
	VHOST_DOORBELL_COPY_S_SRC_UNMAPPED	= 6,
	VHOST_DOORBELL_COPY_S_SRC_DENIED	= 7,
	VHOST_DOORBELL_COPY_S_DST_UNMAPPED	= 8,
	VHOST_DOORBELL_COPY_S_DST_DENIED	= 9,
	VHOST_DOORBELL_COPY_S_NONE		= 0xffffffff,
};

/**
 * struct vhost_doorbell_copy_trailer - what a request is told
 * @status: enum vhost_doorbell_copy_status
 * @crc: CRC32C that is OK: the checksum; otherwise 0
 * @done: bytes of payload that are done, from the first on: all of them, or
 *	whole blocks. Of the next block, part of the destination may have been
 *	written; nothing behind it was.
 *
 * Since ABI version 1.
 */
struct vhost_doorbell_copy_trailer {
	__le32 status;
	__le32 crc;
	__le64 done;
};

/**
 * struct vhost_doorbell_copy_config - configuration space
 * @max_bytes: most bytes of payload in one request
 * @max_segs: most descriptors in one request, header and trailer included
 * @block: bytes that are dealt with at a time, a multiple of 8
 * @ops: a bit for each enum vhost_doorbell_copy_op that there is
 * @queues: number of queues
 *
 * Since ABI version 1.
 */
struct vhost_doorbell_copy_config {
	__le64 max_bytes;
	__le32 max_segs;
	__le32 block;
	__le32 ops;
	__le32 queues;
};

#endif /* _UAPI_LINUX_VHOST_DOORBELL_COPY_H */
