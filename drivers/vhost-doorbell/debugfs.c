// SPDX-License-Identifier: GPL-2.0
/*
 * What a person wants to know of a device: /sys/kernel/debug/vhost-doorbell has
 * a folder for each one that is attached, named by its number, for root:
 *
 *   device       what it is, whose, and in which state
 *   queues       each queue's set-up, state and place in its ring
 *   memory       the memory map: the driver's addresses, the owner's
 *   statistics   the counters of GET_STATS, for each queue
 *
 * Nothing here waits for the device's mutex, which a SUSPEND or a reset may
 * hold for as long as the storage hangs: just then one looks. So each number is
 * true by itself, and two of them may be of different moments. The open file's
 * fdinfo has the device's number, for who looks from the process's side.
 */
#include <linux/debugfs.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/vhost_iotlb.h>

#include <uapi/linux/vhost_doorbell.h>

#include "device.h"

static struct dentry *root;

static int device_show(struct seq_file *m, void *unused)
{
	struct vhdb_device *dev = m->private;
	struct pid *owner;

	seq_printf(m, "backend:  %s\n", dev->backend->name);
	if (dev->file) {
		seq_puts(m, "backing:  ");
		seq_file_path(m, dev->file, "\n");
		seq_putc(m, '\n');
	}
	/* 0: none yet, or it is gone; it may be exchanged, see RESET_OWNER */
	rcu_read_lock();
	owner = READ_ONCE(dev->owner);
	seq_printf(m, "owner:    %d\n", owner ? pid_nr_ns(owner, &init_pid_ns) : 0);
	rcu_read_unlock();
	seq_printf(m, "status:   0x%02x%s\n", vhdb_device_status(dev),
		   READ_ONCE(dev->suspended) ? " suspended" : "");
	seq_printf(m, "offered:  0x%016llx\n", dev->offered);
	seq_printf(m, "features: 0x%016llx\n", READ_ONCE(dev->features));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(device);

static const char *state_of(const struct vhdb_vq *vq)
{
	if (READ_ONCE(vq->broken))
		return "broken";
	if (!READ_ONCE(vq->started))
		return "stopped";
	if (READ_ONCE(vq->dev->suspended))
		return "suspended";
	if (!READ_ONCE(vq->serve))
		return "paused";
	return READ_ONCE(vq->throttled) ? "throttled" : "served";
}

static int queues_show(struct seq_file *m, void *unused)
{
	struct vhdb_device *dev = m->private;
	u16 i;

	seq_puts(m, "queue  size      state  avail   used  in-flight  poll-us\n");
	for (i = 0; i < dev->nvqs; i++) {
		struct vhdb_vq *vq = &dev->vqs[i];

		seq_printf(m, "%5u %5u %10s %6u %6u %10d %8llu\n", i,
			   READ_ONCE(vq->num), state_of(vq),
			   READ_ONCE(vq->ring.last_avail),
			   READ_ONCE(vq->ring.last_used),
			   atomic_read(&vq->inflight[0]) +
			   atomic_read(&vq->inflight[1]),
			   vhdb_poll_window(vq) / NSEC_PER_USEC);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

static int memory_show(struct seq_file *m, void *unused)
{
	struct vhdb_device *dev = m->private;
	struct vhdb_memory *memory = &dev->memory;
	struct vhost_iotlb_map *map;

	if (down_read_killable(&memory->sem))
		return -EINTR;
	seq_puts(m, "first            last             owner's address  may\n");
	list_for_each_entry(map, &memory->map->list, link)
		seq_printf(m, "%016llx %016llx %016llx %s%s\n", map->start,
			   map->last, map->addr,
			   map->perm & VHDB_READ ? "r" : "-",
			   map->perm & VHDB_WRITE ? "w" : "-");
	up_read(&memory->sem);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(memory);

static int statistics_show(struct seq_file *m, void *unused)
{
	struct vhdb_device *dev = m->private;
	u16 i;

	for (i = 0; i < dev->nvqs; i++) {
		struct vhost_doorbell_stats s = {};

		vhdb_device_stats(dev, i, i, &s);
		seq_printf(m, "queue %u\n", i);
#define SHOW(field) seq_printf(m, "  %-19s %llu\n", #field, s.field)
		SHOW(kicks);
		SHOW(wakeups);
		SHOW(requests);
		SHOW(completions);
		SHOW(bytes_read);
		SHOW(bytes_written);
		SHOW(signals);
		SHOW(signals_suppressed);
		SHOW(errors);
		SHOW(unsupported);
		SHOW(no_space);
		SHOW(bounced);
		SHOW(broken);
		SHOW(throttled);
		SHOW(polls);
		SHOW(poll_hits);
		SHOW(poll_ns);
#undef SHOW
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(statistics);

/**
 * vhdb_debugfs_add() - a device's folder
 * @dev: the device, attached
 *
 * There being none is no error: nothing depends on it.
 *
 * Context: process.
 */
void vhdb_debugfs_add(struct vhdb_device *dev)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", dev->id);
	dev->debugfs = debugfs_create_dir(name, root);
	debugfs_create_file("device", 0400, dev->debugfs, dev, &device_fops);
	if (!dev->nvqs)
		return;
	debugfs_create_file("queues", 0400, dev->debugfs, dev, &queues_fops);
	debugfs_create_file("memory", 0400, dev->debugfs, dev, &memory_fops);
	debugfs_create_file("statistics", 0400, dev->debugfs, dev,
			    &statistics_fops);
}

/**
 * vhdb_debugfs_remove() - it goes
 * @dev: the device; nobody reads the files any more when this returns
 *
 * Context: process.
 */
void vhdb_debugfs_remove(struct vhdb_device *dev)
{
	debugfs_remove(dev->debugfs);
}

/**
 * vhdb_debugfs_init() - at module init
 *
 * Context: process.
 */
void __init vhdb_debugfs_init(void)
{
	root = debugfs_create_dir("vhost-doorbell", NULL);
}

/**
 * vhdb_debugfs_exit() - at module exit
 *
 * Context: process; there is no device.
 */
void vhdb_debugfs_exit(void)
{
	debugfs_remove(root);
}
