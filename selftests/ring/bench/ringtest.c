// SPDX-License-Identifier: GPL-2.0
/*
 * The engine plugged into the contract of the kernel's tools/virtio/ringtest,
 * whose main.c has the two threads and the clock. Its --param chooses the
 * layout: 1 split (the default), 2 split in order, 3 packed, 4 packed in order.
 *
 * The contract offers and takes one buffer of one descriptor at a time, and
 * gives it back in order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"
#include "ringtest.h"

/*
 * What each side writes stands on cache lines of its own. @data and @buf of
 * every buffer, in the order of the ring.
 */
static struct {
	struct bench_driver d;
	void **data;
	void **buf;
	u32 next;
	u32 oldest;
	u32 used;
	u32 kicked;
} guest __attribute__((aligned(128)));

static struct {
	struct bench_device dev;
	bool signal;
} host __attribute__((aligned(128)));

void alloc_ring(void)
{
	static const u64 features[] = {
		0,
		0,
		1ULL << VIRTIO_F_IN_ORDER,
		1ULL << VIRTIO_F_RING_PACKED,
		1ULL << VIRTIO_F_RING_PACKED | 1ULL << VIRTIO_F_IN_ORDER,
	};
	struct bench_shape shape = { .num = ring_size, .chain = 1 };

	if (param > 4) {
		fprintf(stderr, "ringtest: --param is 1 to 4\n");
		exit(3);
	}
	shape.features = features[param];
	guest.data = calloc(ring_size, sizeof(*guest.data));
	guest.buf = calloc(ring_size, sizeof(*guest.buf));
	if (!guest.data || !guest.buf ||
	    bench_driver_init(&guest.d, &shape) ||
	    bench_device_init(&host.dev, &guest.d)) {
		fprintf(stderr, "ringtest: no memory\n");
		exit(3);
	}
}

/* ---- guest side ---- */

int add_inbuf(unsigned int len, void *buf, void *data)
{
	if (guest.d.out + guest.used == ring_size)
		return -1;
	guest.data[guest.next] = data;
	guest.buf[guest.next] = buf;
	guest.next = (guest.next + 1) & (ring_size - 1);
	guest.kicked++;
	bench_driver_add(&guest.d, 1);
	return 0;
}

void *get_buf(unsigned int *len, void **buf)
{
	void *data;

	if (!guest.used)
		guest.used = bench_driver_get(&guest.d);
	if (!guest.used)
		return NULL;
	guest.used--;
	*len = 0;
	data = guest.data[guest.oldest];
	*buf = guest.buf[guest.oldest];
	guest.oldest = (guest.oldest + 1) & (ring_size - 1);
	return data;
}

bool used_empty(void)
{
	if (!guest.used)
		guest.used = bench_driver_get(&guest.d);
	return !guest.used;
}

/* As in the kernel's: nothing, the event stays behind. */
void disable_call(void)
{
}

bool enable_call(void)
{
	bench_driver_enable_cb(&guest.d);
	return used_empty();
}

void kick_available(void)
{
	bool due = bench_driver_need_kick(&guest.d, guest.kicked);

	guest.kicked = 0;
	if (due)
		kick();
}

/* ---- host side ---- */

void disable_kick(void)
{
	vhdb_ring_disable_notify(&host.dev.ring);
}

bool avail_empty(void)
{
	return !vhdb_ring_has_work(&host.dev.ring);
}

bool enable_kick(void)
{
	return !vhdb_ring_enable_notify(&host.dev.ring);
}

bool use_buf(unsigned int *len, void **buf)
{
	struct vhdb_chain *c = &host.dev.chains[0];

	if (vhdb_ring_pop(&host.dev.ring, c) != 1)
		return false;
	*len = c->segs[0].len;
	*buf = (void *)(uintptr_t)c->segs[0].addr;
	vhdb_ring_push(&host.dev.ring, c->id, c->count, *len - 1);
	host.signal = vhdb_ring_publish(&host.dev.ring);
	return true;
}

void call_used(void)
{
	if (host.signal)
		call();
	host.signal = false;
}
