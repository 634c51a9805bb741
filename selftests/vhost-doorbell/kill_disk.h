/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Part of kill_test.c: a disk that takes its time, null_blk, and a file system
 * on it.
 */
#ifndef KILL_DISK_H
#define KILL_DISK_H

#define NULLB_DIR	"/sys/kernel/config/nullb/vhdb_kill"
#define DISK_MB		64

struct nullb {
	char name[32];			/* below /sys/block and /dev */
	char path[64];
	char dir[64];			/* where it is mounted, or empty */
};

static int nullb_set(const char *attribute, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), NULLB_DIR "/%s", attribute);
	return vhdb_write_file(path, value);
}

static void nullb_destroy(struct nullb *nullb)
{
	if (nullb->dir[0]) {
		umount2(nullb->dir, MNT_DETACH);
		rmdir(nullb->dir);
		nullb->dir[0] = '\0';
	}
	nullb_set("power", "0");
	rmdir(NULLB_DIR);
}

/* Before 6.2 the disk has a number, since then the name of its directory */
static int nullb_find(struct nullb *nullb)
{
	char path[128], index[16];

	snprintf(nullb->name, sizeof(nullb->name), "vhdb_kill");
	if (access("/sys/block/vhdb_kill", F_OK)) {
		vhdb_read_file(NULLB_DIR "/index", index, sizeof(index));
		snprintf(nullb->name, sizeof(nullb->name), "nullb%d",
			 atoi(index));
	}
	snprintf(path, sizeof(path), "/sys/block/%s", nullb->name);
	snprintf(nullb->path, sizeof(nullb->path), "/dev/%s", nullb->name);
	if (!vhdb_wait_for(!access(path, F_OK) && !access(nullb->path, F_OK)))
		return -ENODEV;
	return 0;
}

/* A disk whose requests complete in a timer's interrupt after @delay_us */
static int nullb_create(struct nullb *nullb, unsigned int delay_us, bool memory)
{
	char delay[32], size[32];
	int ret;

	memset(nullb, 0, sizeof(*nullb));
	vhdb_modprobe("null_blk nr_devices=0");
	if (access("/sys/kernel/config/nullb", F_OK))
		mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
	/* Left by a run that was killed */
	nullb_destroy(nullb);
	if (mkdir(NULLB_DIR, 0755))
		return -errno;

	snprintf(delay, sizeof(delay), "%u", delay_us * 1000);
	snprintf(size, sizeof(size), "%u", DISK_MB);
	ret = nullb_set("size", size);
	if (!ret)
		ret = nullb_set("irqmode", "2");
	if (!ret)
		ret = nullb_set("completion_nsec", delay);
	if (!ret && memory)
		ret = nullb_set("memory_backed", "1");
	if (!ret)
		ret = nullb_set("power", "1");
	if (!ret)
		ret = nullb_find(nullb);
	if (ret)
		nullb_destroy(nullb);
	return ret;
}

/* Reads and writes that the disk has now */
static unsigned int nullb_inflight(const struct nullb *nullb)
{
	unsigned int reads = 0, writes = 0;
	char path[128], text[64];

	snprintf(path, sizeof(path), "/sys/block/%s/inflight", nullb->name);
	vhdb_read_file(path, text, sizeof(text));
	if (sscanf(text, "%u %u", &reads, &writes) != 2)
		return 0;
	return reads + writes;
}

static int nullb_mount(struct nullb *nullb)
{
	char command[160];

	vhdb_modprobe("ext4");
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=1 %s",
		 nullb->path);
	if (system(command))
		return -ENODEV;
	snprintf(nullb->dir, sizeof(nullb->dir), "%s/vhdb-kill-XXXXXX",
		 vhdb_tmpdir());
	if (!mkdtemp(nullb->dir)) {
		nullb->dir[0] = '\0';
		return -errno;
	}
	if (mount(nullb->path, nullb->dir, "ext4", 0, NULL)) {
		rmdir(nullb->dir);
		nullb->dir[0] = '\0';
		return -errno;
	}
	return 0;
}

#endif /* KILL_DISK_H */
