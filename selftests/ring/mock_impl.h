/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the mock driver share.
 */
#ifndef VHDB_MOCK_IMPL_H
#define VHDB_MOCK_IMPL_H

#include <stdlib.h>
#include <string.h>

#include "mock_driver.h"

/**
 * struct mock_slot - what the driver knows of a descriptor
 * @next: the next one, of the same buffer or of the free list
 * @count: of a head: descriptors of its buffer; 0: not a head in flight.
 *	Packed: of an id.
 * @writable: of a head: bytes that the device may write
 * @table: of a head: indirect table
 * @token: of a head: the buffer's
 */
struct mock_slot {
	u32 next;
	u32 count;
	u64 writable;
	void *table;
	u64 token;
};

#define MOCK_F_NEXT		1
#define MOCK_F_WRITE		2
#define MOCK_F_INDIRECT		4
#define MOCK_DESC_SIZE		16
#define MOCK_NO_INTERRUPT	1
#define MOCK_NO_NOTIFY		1
#define MOCK_F_IN_ORDER		(1ULL << 35)
#define MOCK_F_EVENT_IDX	(1ULL << 29)

/* Shared fields, the only way to them. */
#ifdef __CHECKER__
#define mock_load(p)		(*(p))
#define mock_store(p, val)	(*(p) = (val))
#else
#define mock_load(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define mock_store(p, val)	__atomic_store_n(p, val, __ATOMIC_RELEASE)
#endif

static inline u16 load16(const void *area, size_t offset)
{
	const __le16 *p = (const void *)((const char *)area + offset);

	return le16_to_cpu(mock_load(p));
}

static inline u32 load32(const void *area, size_t offset)
{
	const __le32 *p = (const void *)((const char *)area + offset);

	return le32_to_cpu(mock_load(p));
}

static inline void store16(void *area, size_t offset, u16 val)
{
	__le16 *p = (void *)((char *)area + offset);

	mock_store(p, cpu_to_le16(val));
}

static inline void store32(void *area, size_t offset, u32 val)
{
	__le32 *p = (void *)((char *)area + offset);

	mock_store(p, cpu_to_le32(val));
}

static inline void store64(void *area, size_t offset, u64 val)
{
	__le64 *p = (void *)((char *)area + offset);

	mock_store(p, cpu_to_le64(val));
}

/* mock_driver.c */
u32 mock_slot_take(struct mock_vq *vq);
int mock_returned(struct mock_vq *vq, u32 id, u32 len, struct mock_used *used);
void mock_sent(struct mock_vq *vq, u32 id, const struct mock_buf *buf,
	       u32 count);

#endif /* VHDB_MOCK_IMPL_H */
