/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vhdb_ring_pop() is to answer, whatever the ring holds: written from the
 * specification, without a thought for speed, and on memory that stands still.
 */
#ifndef VHDB_FUZZ_REF_H
#define VHDB_FUZZ_REF_H

#include "../dev.h"

/* More pieces than any chain of these tests may have. */
#define REF_SEGS	4096

/**
 * struct ref - an expected answer
 * @ret: 1, 0 or -1, for any error
 * @segs: the pieces
 * @nr: their number
 * @nr_out: how many of them the device reads
 * @id: the buffer's
 * @count: slots that it takes
 */
struct ref {
	int ret;
	struct vhdb_seg segs[REF_SEGS];
	u32 nr;
	u32 nr_out;
	u32 id;
	u32 count;
};

/* Of the guest's memory, all of which can be read; defined by the fuzzer. */
void guest_read(u64 addr, void *dst, u32 len);

void ref_pop(const struct dev *d, struct ref *ref);

#endif /* VHDB_FUZZ_REF_H */
