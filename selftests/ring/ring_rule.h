/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A rule that a driver can break, or a neighbour that is allowed: what the
 * tables of rules are made of, of split rings and of packed ones.
 */
#ifndef RING_RULE_H
#define RING_RULE_H

#include "ring_dev.h"

#define RULE_DESCS	6

/**
 * struct rule - a ring of 4, what the driver puts there, and the answer
 * @name: of the rule
 * @features: negotiated (and F_PACKED where all of a table are packed)
 * @desc: the descriptors of the ring; packed: next is the id
 * @table: where an indirect table lies: any descriptor with the flag refers
 *	to it. The first entry is the first of the table.
 * @table_len: length of the table as told, if not 16 for each entry
 * @head: what the driver offers; split only
 * @fetch_err: answer of fetch
 * @ret: what pop is to answer
 * @nr_out: pieces to be read
 * @nr_in: pieces to be written
 * @fetches: how often a table is to be fetched; split only
 * @id: of the buffer; packed only
 * @count: slots that it takes; packed only
 */
struct rule {
	const char *name;
	u64 features;
	struct desc desc[4];
	struct desc table[RULE_DESCS];
	u32 table_len;
	u16 head;
	int fetch_err;
	int ret;
	u32 nr_out;
	u32 nr_in;
	u32 fetches;
	u16 id;
	u16 count;
};

/* The pieces of a chain that was taken: as many as said, each in its place */
static inline void rule_pieces(struct __test_metadata *_metadata,
			       const struct rule *r,
			       const struct vhdb_chain *chain)
{
	u32 i;

	ASSERT_EQ(r->nr_out, chain->nr_out);
	ASSERT_EQ(r->nr_in, chain->nr_in);
	for (i = 0; i < r->nr_out + r->nr_in; i++) {
		EXPECT_EQ(ADDR(i), chain->segs[i].addr);
		EXPECT_EQ(1, chain->segs[i].len);
	}
}

#endif /* RING_RULE_H */
