// SPDX-License-Identifier: GPL-2.0
/*
 * A virtio driver's half of a virtqueue, whatever its layout; see
 * mock_driver.h.
 */
#include "mock_impl.h"

u32 mock_slot_take(struct mock_vq *vq)
{
	u32 i = vq->free;

	/* In order, 2.7.5: one behind the other, and around. */
	vq->free = vq->in_order ? (i + 1) % vq->num : vq->slots[i].next;
	vq->nr_free--;
	return i;
}

/* The device is given a buffer, as @id. */
void mock_sent(struct mock_vq *vq, u32 id, const struct mock_buf *buf,
	       u32 count)
{
	struct mock_slot *slot = &vq->slots[id];
	u32 i;

	slot->count = count;
	slot->token = buf->token;
	slot->table = NULL;
	slot->writable = 0;
	for (i = buf->nr_out; i < buf->nr_out + buf->nr_in; i++)
		slot->writable += buf->segs[i].len;
	vq->order[vq->nr_sent++ % vq->num] = id;
	vq->nr_out++;
}

/*
 * The device gave back the buffer @id and, in order, all before it (2.7.9,
 * 2.8.8): takes the first of them, and remembers that there are more.
 */
int mock_returned(struct mock_vq *vq, u32 id, u32 len, struct mock_used *used)
{
	u32 first = vq->order[(vq->nr_sent - vq->nr_out) % vq->num], n;
	struct mock_slot *slot;

	if (vq->in_batch) {
		id = vq->batch_id;
		len = vq->batch_len;
	}
	if (id >= vq->num || !vq->slots[id].count || !vq->nr_out)
		return -EPROTO;
	if (vq->in_order) {
		vq->in_batch = id != first;
		vq->batch_id = id;
		vq->batch_len = len;
	} else {
		first = id;
	}

	slot = &vq->slots[first];
	used->token = slot->token;
	/* One that was skipped is used completely. */
	used->len = vq->in_batch ? slot->writable : len;
	/* 2.7.8.2: the device writes at least len bytes */
	if (used->len > slot->writable)
		return -EPROTO;

	n = slot->count;
	slot->count = 0;
	free(slot->table);
	slot->table = NULL;
	vq->nr_out--;
	vq->layout->release(vq, first, n);
	return 1;
}

int mock_init(struct mock_vq *vq, const struct mock_layout *layout, u32 num,
	      u64 features, u16 pos)
{
	u32 i;

	*vq = (struct mock_vq){
		.layout = layout,
		.num = num,
		.event_idx = features & MOCK_F_EVENT_IDX,
		.in_order = features & MOCK_F_IN_ORDER,
		.nr_free = num,
	};
	vq->desc = malloc(layout->desc_size(num));
	vq->driver = malloc(layout->driver_size(num));
	vq->device = malloc(layout->device_size(num));
	vq->slots = calloc(num, sizeof(*vq->slots));
	vq->order = calloc(num, sizeof(*vq->order));
	if (!vq->desc || !vq->driver || !vq->device || !vq->slots ||
	    !vq->order) {
		mock_exit(vq);
		return -ENOMEM;
	}
	for (i = 0; i < num; i++)
		vq->slots[i].next = i + 1;
	layout->start(vq, pos);
	vq->shown = vq->next_avail;
	vq->asked = vq->next_avail;
	vq->last_used = vq->next_avail;
	return 0;
}

static void *area_move(void *area, size_t size)
{
	void *new = malloc(size);

	if (!new)
		abort();
	memcpy(new, area, size);
	free(area);
	return new;
}

void mock_move(struct mock_vq *vq)
{
	const struct mock_layout *l = vq->layout;

	vq->desc = area_move(vq->desc, l->desc_size(vq->num));
	vq->driver = area_move(vq->driver, l->driver_size(vq->num));
	vq->device = area_move(vq->device, l->device_size(vq->num));
}

void mock_exit(struct mock_vq *vq)
{
	u32 i;

	for (i = 0; vq->slots && i < vq->num; i++)
		free(vq->slots[i].table);
	free(vq->order);
	free(vq->slots);
	free(vq->device);
	free(vq->driver);
	free(vq->desc);
}
