// SPDX-License-Identifier: GPL-2.0
/*
 * The back end "copy": what its requests do, against a reference that knows
 * nothing of the driver, and what is answered to those that cannot be done.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "lib/vhdb_copy.h"

#define COPY		VHOST_DOORBELL_COPY_OP_COPY
#define FILL		VHOST_DOORBELL_COPY_OP_FILL
#define CRC32C		VHOST_DOORBELL_COPY_OP_CRC32C
#define S(name)		VHOST_DOORBELL_COPY_S_##name

#define HDR		sizeof(struct vhost_doorbell_copy_hdr)
#define TRAILER		sizeof(struct vhost_doorbell_copy_trailer)

#define ALL		(~0ULL)
#define NO_EVENT_IDX	(~VHDB_BIT(VIRTIO_RING_F_EVENT_IDX))
#define NO_INDIRECT	(~VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC))
#define PACKED		VHDB_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER	VHDB_BIT(VIRTIO_F_IN_ORDER)

#define DATA_BYTES	(1UL << 20)
#define MIB		(1UL << 20)

FIXTURE(copy) {
	struct vhdb_copy c;
	char *image;		/* what the data space has to look like */
};

FIXTURE_VARIANT(copy) {
	__u64 features;
	enum vhdb_vq_how how;
	size_t cut;
	__u64 ask;		/* features that are offered on request */
};

FIXTURE_VARIANT_ADD(copy, indirect) {
	.features = ALL, .how = VHDB_INDIRECT,
};

FIXTURE_VARIANT_ADD(copy, plain) {
	.features = NO_EVENT_IDX & NO_INDIRECT, .how = VHDB_DIRECT,
};

/* Memory whose regions end anywhere, with their neighbours elsewhere */
FIXTURE_VARIANT_ADD(copy, cut) {
	.features = ALL, .how = VHDB_DIRECT, .cut = 4999,
};

FIXTURE_VARIANT_ADD(copy, packed) {
	.features = ALL, .how = VHDB_INDIRECT, .ask = PACKED,
};

FIXTURE_VARIANT_ADD(copy, packed_plain) {
	.features = NO_EVENT_IDX & NO_INDIRECT, .how = VHDB_DIRECT,
	.ask = PACKED,
};

FIXTURE_VARIANT_ADD(copy, in_order) {
	.features = ALL, .how = VHDB_DIRECT, .ask = IN_ORDER,
};

FIXTURE_VARIANT_ADD(copy, packed_in_order) {
	.features = ALL, .how = VHDB_DIRECT, .ask = PACKED | IN_ORDER,
};

FIXTURE_SETUP(copy)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	self->c.features = variant->features;
	self->c.how = variant->how;
	self->c.cut = variant->cut;
	self->c.ask = variant->ask;
	ASSERT_EQ(0, vhdb_copy_create(&self->c, DATA_BYTES));
	ASSERT_EQ(0, vhdb_copy_start(&self->c));
	ASSERT_EQ(variant->ask, self->c.dev.features & (PACKED | IN_ORDER));
	self->image = malloc(DATA_BYTES);
	ASSERT_NE(NULL, self->image);
	vhdb_fill(self->image, DATA_BYTES, 1);
	vhdb_copy_put(&self->c, 0, self->image, DATA_BYTES);
}

FIXTURE_TEARDOWN(copy)
{
	free(self->image);
	vhdb_copy_destroy(&self->c);
}

#define OUT(off, len)	VHDB_OUT(self->c.data + (off), len)
#define IN(off, len)	VHDB_IN(self->c.data + (off), len)

/* The request itself, and what must have become of the data space */
#define DO(q, op, buf, count, answer) \
	ASSERT_EQ(0, vhdb_copy_do(&self->c, q, op, buf, count, answer))
#define SAME()	ASSERT_TRUE(vhdb_copy_same(&self->c, self->image))

#define EXPECT_ANSWER(answer, s, u, d)			\
do {							\
	const struct vhdb_copy_answer *__a = answer;	\
							\
	EXPECT_EQ(s, __a->status);			\
	EXPECT_EQ(u, __a->used);			\
	EXPECT_EQ(d, __a->done);			\
} while (0)

static __u32 seed = 12345;

static __u32 pick(__u32 below)
{
	seed = seed * 1664525 + 1013904223;
	return (__u64)(seed >> 8) * below >> 24;
}

/* ---- the device ---- */

TEST_F(copy, config_tells_the_limits)
{
	struct vhost_doorbell_copy_config *config = &self->c.config;
	__u32 size, id;

	ASSERT_EQ(0, __vhdb_get_config_size(self->c.dev.fd, &size));
	EXPECT_EQ(sizeof(*config), size);
	ASSERT_EQ(0, __vhdb_get_device_id(self->c.dev.fd, &id));
	EXPECT_EQ(VHOST_DOORBELL_COPY_DEVICE_ID, id);
	EXPECT_LE(4 * MIB, le64toh(config->max_bytes));
	EXPECT_EQ(VHDB_QUEUE_SIZE, le32toh(config->max_segs));
	EXPECT_LT(0, le32toh(config->block));
	EXPECT_EQ(0, le32toh(config->block) % 8);
	EXPECT_EQ(1 << COPY | 1 << FILL | 1 << CRC32C, le32toh(config->ops));
	EXPECT_EQ(VHDB_COPY_QUEUES, le32toh(config->queues));
}

/* ---- what the ops do ---- */

/* Cuts @len bytes at @off into pieces, of which many are odd; how many */
static unsigned int chop(const struct vhdb_copy *c, struct vhdb_buf *buf,
			 __u64 off, __u64 len, bool in, unsigned int most)
{
	unsigned int n = 0;

	while (len) {
		__u32 size = n + 1 < most ? 1 + pick(pick(4) ? 3000 : 12) : len;

		if (size > len)
			size = len;
		buf[n++] = (struct vhdb_buf){
			.addr = c->data + off, .len = size, .in = in,
		};
		off += size;
		len -= size;
	}
	return n;
}

static __u64 pick_len(__u32 block)
{
	switch (pick(4)) {
	case 0:
		return pick(40);
	case 1:
		return (1 + pick(6)) * block - 8 + pick(17);
	default:
		return pick(DATA_BYTES / 3);
	}
}

TEST_F(copy, random_requests_as_the_reference)
{
	struct vhdb_copy *c = &self->c;
	struct vhdb_buf buf[VHDB_COPY_SEGS];
	struct vhdb_copy_answer a;
	int i;

	for (i = 0; i < 120; i++) {
		struct vhdb_copy_op op = {
			.op = pick(3), .len = pick_len(le32toh(c->config.block)),
		};
		bool reads = op.op != FILL, writes = op.op != CRC32C;
		__u64 src = pick(DATA_BYTES - op.len);
		__u64 dst = pick(DATA_BYTES - op.len);
		unsigned int n = 0;
		__u32 crc;

		/* Half of the time they overlap, and closely */
		if (pick(2) && src > 40 && src + op.len + 40 < DATA_BYTES)
			dst = src - 20 + pick(41);
		if (op.op == FILL)
			op.arg = (__u64)pick(1 << 24) << 40 | pick(1 << 24);
		if (op.op == CRC32C)
			op.arg = pick(1 << 24);
		if (reads)
			n = chop(c, buf, src, op.len, false, 100);
		if (writes)
			n += chop(c, buf + n, dst, op.len, true, 100);

		crc = vhdb_ref_do(c, self->image, &op, buf, n);
		DO(i % VHDB_COPY_QUEUES, &op, buf, n, &a);
		EXPECT_ANSWER(&a, S(OK), (writes ? op.len : 0) + TRAILER, op.len);
		EXPECT_EQ(crc, a.crc);
		ASSERT_TRUE(vhdb_copy_same(c, self->image))
			TH_LOG("request %d: op %u, %llu bytes, %llu to %llu", i,
			       op.op, op.len, src, dst);
	}
}

TEST_F(copy, zero_length_is_ok)
{
	struct vhdb_copy_op ops[] = {
		{ .op = COPY }, { .op = FILL, .arg = ~0ULL },
		{ .op = CRC32C }, { .op = CRC32C, .arg = 0x12345678 },
	};
	struct vhdb_copy_answer a;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		DO(0, &ops[i], NULL, 0, &a);
		EXPECT_ANSWER(&a, S(OK), TRAILER, 0);
		EXPECT_EQ(ops[i].op == CRC32C ? ops[i].arg : 0, a.crc);
	}
	SAME();
}

TEST_F(copy, crc_is_that_of_iscsi_and_goes_on)
{
	struct vhdb_copy_op op = { .op = CRC32C, .len = 9 };
	struct vhdb_buf buf = OUT(3, 9);
	struct vhdb_copy_answer a;

	/* The check value of CRC-32C, and RFC 3720, B.4: 32 zeros */
	vhdb_copy_put(&self->c, 3, "123456789", 9);
	DO(0, &op, &buf, 1, &a);
	EXPECT_EQ(0xe3069283, a.crc);
	memset(self->image, 0, 32);
	vhdb_copy_put(&self->c, 0, self->image, 32);
	buf = OUT(0, 32);
	op.len = 32;
	DO(0, &op, &buf, 1, &a);
	EXPECT_EQ(0x8a9136aa, a.crc);

	/* In two requests */
	vhdb_copy_put(&self->c, 3, "123456789", 9);
	buf = OUT(3, 4);
	op.len = 4;
	DO(0, &op, &buf, 1, &a);
	EXPECT_NE(0xe3069283, a.crc);
	buf = OUT(7, 5);
	op.len = 5;
	op.arg = a.crc;
	DO(0, &op, &buf, 1, &a);
	EXPECT_EQ(0xe3069283, a.crc);
}

TEST_F(copy, fill_repeats_its_pattern)
{
	struct vhdb_copy_op op = { .op = FILL, .len = 11,
				   .arg = 0x8877665544332211ULL };
	struct vhdb_buf buf[] = { IN(5, 3), IN(8, 8) };
	struct vhdb_copy_answer a;

	memcpy(self->image + 5,
	       "\x11\x22\x33\x44\x55\x66\x77\x88\x11\x22\x33", 11);
	DO(0, &op, buf, 2, &a);
	EXPECT_ANSWER(&a, S(OK), 11 + TRAILER, 11);
	SAME();
}

/* What overlaps, as documented for one range of memory */
TEST_F(copy, overlap)
{
	const __u32 block = le32toh(self->c.config.block);
	const struct {
		__u64 src, dst, len;
	} tests[] = {
		/* Backwards, and within a block, as memmove() */
		{ 1000, 999, 5 * block + 3 },
		{ 1000, 900, 5 * block },
		{ 100000, 100, 2 * block + 1 },
		{ 1000, 1001, block },
		{ 1000, 1000 + block - 1, block },
		{ 777, 777, 3 * block },
	};
	struct vhdb_copy_op op = { .op = COPY };
	struct vhdb_copy_answer a;
	struct vhdb_buf buf[2];
	__u64 i;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		op.len = tests[i].len;
		buf[0] = OUT(tests[i].src, op.len);
		buf[1] = IN(tests[i].dst, op.len);
		memmove(self->image + tests[i].dst, self->image + tests[i].src,
			op.len);
		DO(0, &op, buf, 2, &a);
		EXPECT_ANSWER(&a, S(OK), op.len + TRAILER, op.len);
		SAME();
	}

	/* Forwards, by a block: each block reads the one before it */
	op.len = 4 * block;
	buf[0] = OUT(100, op.len);
	buf[1] = IN(100 + block, op.len);
	for (i = 1; i <= 4; i++)
		memcpy(self->image + 100 + i * block, self->image + 100, block);
	DO(0, &op, buf, 2, &a);
	SAME();

	/* Forwards, by a byte: the last of a block is the next one's first */
	op.len = block + 10;
	buf[0] = OUT(200, op.len);
	buf[1] = IN(201, op.len);
	memmove(self->image + 201, self->image + 200, block);
	memmove(self->image + 201 + block, self->image + 200 + block, 10);
	DO(0, &op, buf, 2, &a);
	SAME();
}

/* The same memory at another IOVA: it is memory that overlaps */
TEST_F(copy, overlap_through_another_mapping)
{
	const __u32 block = le32toh(self->c.config.block);
	struct vhdb_copy_op op = { .op = COPY, .len = 2 * block };
	__u64 alias = self->c.data + (1ULL << 32);
	struct vhdb_copy_answer a;
	struct vhdb_buf buf[2];
	char *hva = self->c.mem.hva;

	ASSERT_EQ(0, vhdb_iotlb_update(self->c.dev.fd, alias, DATA_BYTES, hva,
				       VHOST_ACCESS_RW));
	memcpy(self->image, hva, DATA_BYTES);
	buf[0] = VHDB_OUT(alias, op.len);
	buf[1] = VHDB_IN(alias + block, op.len);
	memcpy(self->image + block, self->image, block);
	memcpy(self->image + 2 * block, self->image, block);
	DO(0, &op, buf, 2, &a);
	EXPECT_EQ(0, memcmp(hva, self->image, DATA_BYTES));
}

/* Descriptors of one byte each, the header's and the trailer's too */
TEST_F(copy, any_layout)
{
	struct vhdb_copy_slot slot = {
		.hdr = { .op = htole32(COPY), .len = htole64(20) },
	};
	struct vhdb_vq *vq = &self->c.q[0].vq;
	struct vhdb_buf buf[HDR + 20 + 20 + TRAILER];
	struct vhost_doorbell_copy_trailer trailer;
	unsigned int i, n = 0;
	__u64 token;
	__u32 used;

	memcpy(self->image + 100, &slot.hdr, HDR);
	vhdb_copy_put(&self->c, 100, &slot.hdr, HDR);
	for (i = 0; i < HDR; i++)
		buf[n++] = OUT(100 + i, 1);
	for (i = 0; i < 20; i++)
		buf[n++] = OUT(300 + i, 1);
	/* Back to front */
	for (i = 0; i < 20; i++) {
		buf[n++] = IN(419 - i, 1);
		self->image[419 - i] = self->image[300 + i];
	}
	for (i = 0; i < TRAILER; i++)
		buf[n++] = IN(500 + i, 1);

	ASSERT_LE(0, vhdb_vq_add(vq, buf, n, 0, self->c.how));
	vhdb_vq_kick(vq);
	ASSERT_EQ(0, vhdb_vq_wait(vq));
	ASSERT_EQ(1, vhdb_vq_get(vq, &token, &used));
	EXPECT_EQ(20 + TRAILER, used);
	vhdb_copy_get(&self->c, 500, &trailer, TRAILER);
	EXPECT_EQ(S(OK), le32toh(trailer.status));
	EXPECT_EQ(20, le64toh(trailer.done));
	memcpy(self->image + 500, &trailer, TRAILER);
	SAME();
}

/* ---- what cannot be done ---- */

TEST_F(copy, bad_headers)
{
	const __u64 max = le64toh(self->c.config.max_bytes);
	const struct {
		struct vhdb_copy_op op;
		__u32 out, in;		/* bytes of payload in the buffer */
		__u32 status;
	} tests[] = {
		{ { .op = 3 }, 0, 0, S(OP) },
		{ { .op = 3, .len = 8 }, 8, 8, S(OP) },
		{ { .op = 0xffffffff }, 0, 0, S(OP) },
		{ { .op = 1U << 31 }, 0, 0, S(OP) },
		/* The first that is wrong is told */
		{ { .op = 3, .flags = 1, .len = max + 1 }, 0, 0, S(OP) },
		{ { .op = COPY, .flags = 1, .arg = 1 }, 0, 0, S(FLAGS) },
		{ { .op = COPY, .flags = 1, .len = 8 }, 8, 8, S(FLAGS) },
		{ { .op = FILL, .flags = 1U << 31, .len = 8 }, 0, 8, S(FLAGS) },
		{ { .op = CRC32C, .flags = 2, .len = 8 }, 8, 0, S(FLAGS) },
		{ { .op = COPY, .len = 8, .arg = 1 }, 8, 8, S(ARG) },
		{ { .op = COPY, .len = max + 1, .arg = 1 }, 8, 8, S(ARG) },
		{ { .op = CRC32C, .len = 8, .arg = 1ULL << 32 }, 8, 0, S(ARG) },
		{ { .op = COPY, .len = max + 1 }, 8, 8, S(TOO_LONG) },
		{ { .op = FILL, .len = max + 1 }, 0, 8, S(TOO_LONG) },
		{ { .op = CRC32C, .len = ~0ULL }, 8, 0, S(TOO_LONG) },
		/* All that 32 bits hold of it is right */
		{ { .op = COPY, .len = 8 | 1ULL << 32 }, 8, 8, S(TOO_LONG) },
		{ { .op = COPY, .len = max }, 8, 8, S(LENGTH) },
		{ { .op = COPY, .len = 8 }, 7, 8, S(LENGTH) },
		{ { .op = COPY, .len = 8 }, 9, 8, S(LENGTH) },
		{ { .op = COPY, .len = 8 }, 8, 7, S(LENGTH) },
		{ { .op = COPY, .len = 8 }, 8, 9, S(LENGTH) },
		{ { .op = COPY, .len = 8 }, 0, 0, S(LENGTH) },
		{ { .op = COPY }, 8, 0, S(LENGTH) },
		{ { .op = COPY }, 0, 8, S(LENGTH) },
		{ { .op = FILL, .len = 8 }, 8, 8, S(LENGTH) },
		{ { .op = FILL, .len = 8 }, 8, 0, S(LENGTH) },
		{ { .op = FILL, .len = 8 }, 0, 7, S(LENGTH) },
		{ { .op = CRC32C, .len = 8 }, 8, 8, S(LENGTH) },
		{ { .op = CRC32C, .len = 8 }, 0, 8, S(LENGTH) },
		{ { .op = CRC32C, .len = 8 }, 9, 0, S(LENGTH) },
	};
	struct vhost_doorbell_stats stats;
	struct vhdb_copy_answer a;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		struct vhdb_buf buf[2];
		unsigned int n = 0;

		if (tests[i].out)
			buf[n++] = OUT(100, tests[i].out);
		if (tests[i].in)
			buf[n++] = IN(5000, tests[i].in);
		DO(0, &tests[i].op, buf, n, &a);
		EXPECT_EQ(tests[i].status, a.status)
			TH_LOG("case %u", i);
		/* Nothing but the trailer, which may not be the first */
		EXPECT_EQ(tests[i].in ? 0 : TRAILER, a.used)
			TH_LOG("case %u", i);
		EXPECT_EQ(0, a.done);
		EXPECT_EQ(0, a.crc);
	}
	SAME();
	ASSERT_EQ(0, vhdb_get_stats(self->c.dev.fd, 0, &stats));
	EXPECT_EQ(ARRAY_SIZE(tests), stats.errors);
	EXPECT_EQ(0, stats.bytes_read);
	EXPECT_EQ(0, stats.bytes_written);
	EXPECT_EQ(0, stats.broken);
}

/* The pieces of a request of 5 blocks, one of which is somewhere else */
static unsigned int with_hole(const struct vhdb_copy *c, struct vhdb_buf *buf,
			      bool in, __u64 off, __u32 before, __u64 hole,
			      __u32 hole_len, __u64 len)
{
	buf[0] = (struct vhdb_buf){ c->data + off, before, in };
	buf[1] = (struct vhdb_buf){ hole, hole_len, in };
	buf[2] = (struct vhdb_buf){ c->data + off + before,
				    len - before - hole_len, in };
	return 3;
}

TEST_F(copy, memory_that_cannot_be_had)
{
	const __u64 ro = self->c.data + (1ULL << 33), wo = ro + (1ULL << 33);
	const __u32 block = le32toh(self->c.config.block);
	const __u64 len = 5 * block, dst = DATA_BYTES / 2;
	const struct {
		__u64 hole;
		__u32 src, dst;
	} tests[] = {
		{ self->c.data - 4096, S(SRC_UNMAPPED), S(DST_UNMAPPED) },
		{ self->c.data + DATA_BYTES - 5, S(SRC_UNMAPPED),
		  S(DST_UNMAPPED) },
		{ 0, S(SRC_UNMAPPED), S(DST_UNMAPPED) },
		{ 1ULL << 63, S(SRC_UNMAPPED), S(DST_UNMAPPED) },
		{ -10ULL, S(SRC_UNMAPPED), S(DST_UNMAPPED) },
		{ ro, S(OK), S(DST_DENIED) },
		{ wo, S(SRC_DENIED), S(OK) },
		/* Its page is there, behind it the owner has none */
		{ ro + 4096 - 5, S(SRC_UNMAPPED), S(DST_DENIED) },
		{ wo + 4096 - 5, S(SRC_DENIED), S(DST_UNMAPPED) },
	};
	struct vhdb_guest_mem mem;
	struct vhdb_copy_answer a;
	struct vhdb_buf buf[6];
	unsigned int i, dir, n;
	char *now = malloc(DATA_BYTES);

	ASSERT_EQ(0, vhdb_mem_alloc(&mem, VHDB_MEM_ANON, ro, 8192, NULL));
	ASSERT_EQ(0, munmap(mem.hva + 4096, 4096));
	ASSERT_EQ(0, vhdb_iotlb_update(self->c.dev.fd, ro, 8192, mem.hva,
				       VHOST_ACCESS_RO));
	ASSERT_EQ(0, vhdb_iotlb_update(self->c.dev.fd, wo, 8192, mem.hva,
				       VHOST_ACCESS_WO));

	for (i = 0; i < 2 * ARRAY_SIZE(tests); i++) {
		__u32 before = (i % 4) * block + block / 3;
		__u32 want;

		dir = i & 1;
		want = dir ? tests[i / 2].dst : tests[i / 2].src;
		n = 0;
		if (dir)
			buf[n++] = OUT(0, len);
		n += with_hole(&self->c, buf + n, dir, dir ? dst : 0, before,
			       tests[i / 2].hole, 100, len);
		if (!dir)
			buf[n++] = IN(dst, len);
		vhdb_copy_put(&self->c, 0, self->image, DATA_BYTES);
		DO(0, (&(struct vhdb_copy_op){ .op = COPY, .len = len }), buf, n,
		   &a);
		EXPECT_EQ(want, a.status)
			TH_LOG("case %u", i);
		if (want == S(OK)) {
			EXPECT_EQ(len + TRAILER, a.used);
			EXPECT_EQ(len, a.done);
			continue;
		}
		/*
		 * Whole blocks up to the hole; nothing behind that block, but
		 * for a hole that begins with the space's last 5 bytes.
		 */
		EXPECT_EQ(before / block * block, a.done);
		EXPECT_EQ(a.done, a.used);
		vhdb_copy_get(&self->c, 0, now, DATA_BYTES);
		EXPECT_EQ(0, memcmp(now, self->image, dst));
		EXPECT_EQ(0, memcmp(now + dst, self->image, a.done));
		EXPECT_EQ(0, memcmp(now + dst + a.done + block,
				    self->image + dst + a.done + block,
				    DATA_BYTES - 5 - dst - a.done - block));
	}

	/* A checksum has nothing to write: its trailer is the first byte */
	n = with_hole(&self->c, buf, false, 0, block + 1, 0, 100, len);
	DO(0, (&(struct vhdb_copy_op){ .op = CRC32C, .len = len }), buf, n, &a);
	EXPECT_ANSWER(&a, S(SRC_UNMAPPED), TRAILER, block);
	EXPECT_EQ(0, a.crc);
	/* And a fill nothing to read */
	n = with_hole(&self->c, buf, true, 0, block + 1, ro, 100, len);
	DO(0, (&(struct vhdb_copy_op){ .op = FILL, .len = len }), buf, n, &a);
	EXPECT_ANSWER(&a, S(DST_DENIED), block, block);
	munmap(mem.hva, 4096);
	free(now);
}

/* A chain of the test's own making on queue 0; its used length, or -errno */
static long raw(struct vhdb_copy *c, const struct vhdb_buf *buf, unsigned int n)
{
	struct vhdb_vq *vq = &c->q[0].vq;
	__u64 token;
	__u32 used;
	int ret;

	ret = vhdb_vq_add(vq, buf, n, 0, c->how);
	if (ret < 0)
		return ret;
	vhdb_vq_kick(vq);
	ret = vhdb_vq_wait(vq);
	if (!ret)
		ret = vhdb_vq_get(vq, &token, &used);
	return ret == 1 ? used : ret;
}

TEST_F(copy, header_or_trailer_that_cannot_be_had)
{
	struct vhost_doorbell_copy_hdr hdr = {
		.op = htole32(COPY), .len = htole64(50),
	};
	struct vhost_doorbell_copy_trailer trailer;
	struct vhost_doorbell_stats stats;
	struct vhdb_buf buf[] = {
		OUT(0, HDR), OUT(100, 50), IN(200, 50), IN(300, TRAILER),
	};

	memcpy(self->image, &hdr, HDR);
	memset(self->image + 300, 0xff, TRAILER);
	vhdb_copy_put(&self->c, 0, self->image, DATA_BYTES);

	/* The header: told, and nothing is done */
	buf[0].addr = 8;
	ASSERT_EQ(0, raw(&self->c, buf, 4));
	vhdb_copy_get(&self->c, 300, &trailer, TRAILER);
	EXPECT_EQ(S(SRC_UNMAPPED), le32toh(trailer.status));
	EXPECT_EQ(0, le64toh(trailer.done));
	memcpy(self->image + 300, &trailer, TRAILER);
	SAME();

	/* The trailer: done, and cannot be told */
	buf[0].addr = self->c.data;
	buf[3].addr = 8;
	ASSERT_EQ(0, raw(&self->c, buf, 4));
	memcpy(self->image + 200, self->image + 100, 50);
	SAME();
	ASSERT_EQ(0, vhdb_get_stats(self->c.dev.fd, 0, &stats));
	EXPECT_EQ(2, stats.errors);
	EXPECT_EQ(2, stats.completions);
	EXPECT_EQ(0, stats.broken);
}

TEST_F(copy, what_is_no_request_breaks_its_queue_alone)
{
	const struct {
		__u32 out, in;
	} tests[] = { { 0, TRAILER }, { HDR - 1, TRAILER }, { HDR, 0 },
		      { HDR, TRAILER - 1 } };
	struct vhdb_copy_op op = { .op = FILL };
	struct vhost_doorbell_stats stats;
	struct vhdb_copy_answer a;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		struct vhdb_vq *vq = &self->c.q[0].vq;
		struct vhdb_buf buf[2];
		unsigned int n = 0;

		ASSERT_EQ(0, vhdb_reset(self->c.dev.fd));
		ASSERT_EQ(0, vhdb_copy_start(&self->c));
		vhdb_eventfd_take(vq->vr->err);
		if (tests[i].out)
			buf[n++] = OUT(0, tests[i].out);
		if (tests[i].in)
			buf[n++] = IN(0, tests[i].in);
		ASSERT_LE(0, vhdb_vq_add(vq, buf, n, 0, self->c.how));
		vhdb_vq_kick(vq);
		ASSERT_EQ(0, vhdb_eventfd_wait(vq->vr->err));
		ASSERT_EQ(0, vhdb_get_stats(self->c.dev.fd, 0, &stats));
		EXPECT_EQ(i + 1, stats.broken);
		EXPECT_TRUE(vhdb_status(self->c.dev.fd) &
			    VIRTIO_CONFIG_S_NEEDS_RESET);
		DO(1, &op, NULL, 0, &a);
		EXPECT_EQ(S(OK), a.status);
	}
	SAME();
}

/* ---- many ---- */

TEST_F(copy, many_in_flight_come_back_in_order)
{
	const unsigned int each = self->c.how == VHDB_DIRECT ? 60 : 200;
	struct vhdb_copy_op op = { .op = COPY };
	struct vhdb_copy_answer a;
	unsigned int i, q;

	for (i = 0; i < each; i++) {
		for (q = 0; q < VHDB_COPY_QUEUES; q++) {
			struct vhdb_buf buf[2];
			__u64 at = (q * each + i) * 600;

			/* Each queue has a part of the space: order matters */
			op.len = 1 + pick(900);
			buf[0] = OUT(q * each * 600 + pick(each * 600), op.len);
			buf[1] = IN(at, op.len);
			if (at + op.len > (q + 1) * each * 600 ||
			    buf[0].addr - self->c.data + op.len >
				    (q + 1) * each * 600)
				op.len = 0;
			ASSERT_EQ(0, vhdb_copy_submit(&self->c, q, &op, buf,
						      op.len ? 2 : 0, i));
			vhdb_ref_do(&self->c, self->image, &op, buf, 2);
		}
	}
	for (q = 0; q < VHDB_COPY_QUEUES; q++)
		vhdb_vq_kick(&self->c.q[q].vq);
	for (q = 0; q < VHDB_COPY_QUEUES; q++) {
		for (i = 0; i < each; i++) {
			ASSERT_EQ(0, vhdb_copy_reap(&self->c, q, &a));
			EXPECT_EQ(i, a.token);
			EXPECT_EQ(S(OK), a.status);
		}
	}
	SAME();
}

TEST_F(copy, counters)
{
	struct vhdb_copy_op op = { .op = COPY, .len = 1000 };
	struct vhdb_buf buf[] = { OUT(0, 1000), IN(5000, 1000) };
	struct vhost_doorbell_stats stats;
	struct vhdb_copy_answer a;

	DO(0, &op, buf, 2, &a);
	op = (struct vhdb_copy_op){ .op = FILL, .len = 1000 };
	DO(0, &op, buf + 1, 1, &a);
	op.op = CRC32C;
	DO(0, &op, buf, 1, &a);
	ASSERT_EQ(0, vhdb_get_stats(self->c.dev.fd, 0, &stats));
	EXPECT_EQ(2000, stats.bytes_read);
	EXPECT_EQ(2000, stats.bytes_written);
	EXPECT_EQ(3, stats.requests);
	EXPECT_EQ(3, stats.completions);
	EXPECT_EQ(0, stats.errors);
	EXPECT_EQ(0, stats.bounced);
}

/* ---- ATTACH ---- */

TEST(attach_refuses_what_copy_has_no_use_for)
{
	struct vhost_doorbell_attach good, bad;
	struct vhost_doorbell_backend_info info;
	int fd = vhdb_open();

	if (fd < 0)
		SKIP(return, "no " VHDB_PATH);
	vhdb_attach_init(&good, -1, NULL);
	memset(good.backend, 0, sizeof(good.backend));
	memcpy(good.backend, "copy", 5);

	bad = good;
	bad.fd = 0;
	EXPECT_EQ(-EINVAL, __vhdb_attach(fd, &bad));
	bad.fd = -2;
	EXPECT_EQ(-EINVAL, __vhdb_attach(fd, &bad));
	bad = good;
	bad.flags = VHOST_DOORBELL_ATTACH_RO;
	EXPECT_EQ(-EINVAL, __vhdb_attach(fd, &bad));
	bad = good;
	bad.serial[sizeof(bad.serial) - 1] = 1;
	EXPECT_EQ(-EINVAL, __vhdb_attach(fd, &bad));
	bad = good;
	bad.logical_block_size = 512;
	EXPECT_EQ(-EINVAL, __vhdb_attach(fd, &bad));
	bad = good;
	bad.queues = 257;
	EXPECT_EQ(-ERANGE, __vhdb_attach(fd, &bad));
	bad = good;
	bad.features_require = VHDB_BIT(0);
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_attach(fd, &bad));
	ASSERT_EQ(0, __vhdb_attach(fd, &good));

	ASSERT_EQ(0, vhdb_backend_find(fd, "copy", &info));
	EXPECT_EQ(VHOST_DOORBELL_COPY_DEVICE_ID, info.device_id);
	EXPECT_EQ(256, info.queues_max);
	close(fd);
}

TEST_HARNESS_MAIN
