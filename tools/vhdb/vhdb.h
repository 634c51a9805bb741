/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the vhdb tool share. */
#ifndef VHDB_H
#define VHDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <linux/vhost_doorbell.h>

#define VHDB_DEVICE	"/dev/vhost-doorbell/control"
#define VHDB_NODE_DIR	"/dev/vhost-doorbell"
/* Where nodes are made */
#define VHDB_CONFIGFS	"/sys/kernel/config"
#define VHDB_NODES	VHDB_CONFIGFS "/vhost-doorbell"
#define VHDB_NODE_NAME_MAX	63

/* Exit statuses; what `vhdb run` runs brings its own. */
#define VHDB_EXIT_FAILURE	1	/* driver, image or limits: see the message */
#define VHDB_EXIT_USAGE		2	/* the command line is wrong */
#define VHDB_EXIT_CANNOT_RUN	126	/* the program is there, but not executable */
#define VHDB_EXIT_NOT_FOUND	127	/* no such program */

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* What went wrong. */
#define vhdb_error(fmt, ...) \
	fprintf(stderr, "vhdb: error: " fmt "\n", ##__VA_ARGS__)
/* What to do about it, or more about what was just said. */
#define vhdb_hint(fmt, ...) \
	fprintf(stderr, "vhdb:   " fmt "\n", ##__VA_ARGS__)
#define vhdb_warn(fmt, ...) \
	fprintf(stderr, "vhdb: warning: " fmt "\n", ##__VA_ARGS__)

/* asprintf that cannot fail. */
#define vhdb_printf(fmt, ...) ({				\
	char *__text;						\
								\
	if (asprintf(&__text, fmt, ##__VA_ARGS__) < 0)		\
		vhdb_out_of_memory();				\
	__text;							\
})

/**
 * struct vhdb_handed - a device that QEMU is handed
 * @id: its name: the placeholder is %id%
 * @queues: number of queues, 0 for the driver's default
 * @device_fd: the driver's file, attached
 * @fdset: number of QEMU's fd set that holds @device_fd
 * @named: @id was given by the user
 * @placed: a placeholder was filled, so that no -device is added
 */
struct vhdb_handed {
	char *id;
	unsigned int queues;
	int device_fd;
	unsigned int fdset;
	bool named;
	bool placed;
};

/**
 * struct vhdb_net - one --net of the command line, and what became of it
 * @h: for QEMU
 * @tap: name of the interface
 * @mac: the guest's address
 * @has_mac: it was given
 * @mtu: what the interface is to have; 0 to leave it
 * @packed: offer packed rings
 * @queue_size: largest queue size, 0 for the driver's default
 * @poll_us: longest time that a queue is polled, 0 for not at all
 * @rate_bytes: bytes a second, 0 for any number
 * @rate_packets: packets a second, 0 for any number
 */
struct vhdb_net {
	struct vhdb_handed h;
	char *tap;
	__u8 mac[VHOST_DOORBELL_MAC_LEN];
	bool has_mac;
	unsigned int mtu;
	bool packed;
	unsigned int queue_size;
	unsigned int poll_us;
	__u64 rate_bytes;
	unsigned int rate_packets;
};

/**
 * struct vhdb_blk - one --blk of the command line, and what became of it
 * @h: for QEMU
 * @path: block device or raw image
 * @serial: what the guest reads as the serial; NULL for none
 * @read_only: the guest may not write
 * @share: others may use the same device or image
 * @packed: offer packed rings
 * @no_discard: do not offer to give unused space back
 * @complete_worker: requests are completed by the worker
 * @worker_per_queue: each queue has a worker of its own
 * @direct: 1 O_DIRECT or nothing, 0 page cache, -1 O_DIRECT where it works
 * @queue_size: largest queue size, 0 for the driver's default
 * @block_size: logical block size, 0 for the image's own
 * @poll_us: longest time that a queue is polled, 0 for not at all
 * @rate_bytes: bytes a second, 0 for any number
 * @burst_bytes: bytes at once after a pause, 0 for the driver's default
 * @rate_requests: requests a second, 0 for any number
 * @burst_requests: requests at once after a pause, 0 for the driver's default
 */
struct vhdb_blk {
	struct vhdb_handed h;
	char *path;
	char *serial;
	bool read_only;
	bool share;
	bool packed;
	bool no_discard;
	bool complete_worker;
	bool worker_per_queue;
	int direct;
	unsigned int queue_size;
	unsigned int block_size;
	unsigned int poll_us;
	__u64 rate_bytes;
	__u64 burst_bytes;
	unsigned int rate_requests;
	unsigned int burst_requests;
};

/* util.c */
void vhdb_out_of_memory(void);
void *vhdb_alloc(size_t n, size_t size);
char *vhdb_strdup(const char *s);
void vhdb_print_quoted(FILE *out, const char *word);

/* device.c */
int vhdb_device_open(struct vhost_doorbell_info *info);
int vhdb_backend_find(int fd, const struct vhost_doorbell_info *info,
		      const char *name,
		      struct vhost_doorbell_backend_info *backend);

/* info.c */
int vhdb_info(int argc, char **argv);

/* blk.c */
int vhdb_blk_parse(struct vhdb_blk *blk, const char *spec);
int vhdb_blk_prepare(struct vhdb_blk *blk, struct vhost_doorbell_attach *attach);
void vhdb_blk_explain(const struct vhdb_blk *blk, int err);
int vhdb_blk_attach(struct vhdb_blk *blk);

/* option.c */
char *vhdb_option_next(char **rest);
int vhdb_option_number(const char *what, const char *key, const char *value,
		       unsigned int *number);
int vhdb_option_bytes(const char *what, const char *key, const char *value,
		      __u64 *bytes);
int vhdb_option_id(const char *what, struct vhdb_handed *h, const char *value);

/* net.c */
int vhdb_net_parse(struct vhdb_net *net, const char *spec);
int vhdb_net_attach(struct vhdb_net *net);

/* image.c */
int vhdb_image_open(const struct vhdb_blk *blk);

/* kvm.c */
int vhdb_kvm_ioeventfd(void);
int vhdb_kvm_check(char *const *argv, size_t argc);

/* stats.c */

/**
 * struct vhdb_stats_rate - a device whose rates are shown
 * @id: its number
 * @fd: its file
 * @at: when @then was read, seconds
 * @then: what it had done
 */
struct vhdb_stats_rate {
	unsigned int id;
	int fd;
	double at;
	struct vhost_doorbell_stats then;
};

void vhdb_stats_print(FILE *out, const char *when,
		      struct vhdb_handed *const *handed, size_t count);
void vhdb_stats_heading(FILE *out);
void vhdb_stats_rows(FILE *out, const char *id, int fd, unsigned int queues);
int vhdb_stats_rates(FILE *out, struct vhdb_stats_rate *rate, size_t count,
		     unsigned int round);

/* scan.c */

/**
 * struct vhdb_live - a device in use
 * @id: its number
 * @pid: a process that has it
 * @fd: the file, in that process
 * @queues: number of queues
 * @backend: back end
 * @backing: what it serves; empty for nothing
 * @node: the named node that was opened; empty for none
 */
struct vhdb_live {
	unsigned int id;
	pid_t pid;
	int fd;
	unsigned int queues;
	char backend[VHOST_DOORBELL_NAME_MAX];
	char backing[512];
	char node[VHDB_NODE_NAME_MAX + 1];
};

/**
 * struct vhdb_lives - all of them
 * @live: by number
 * @count: how many
 * @hidden: processes that did not let themselves be looked at
 */
struct vhdb_lives {
	struct vhdb_live *live;
	size_t count;
	bool hidden;
};

int vhdb_scan(struct vhdb_lives *lives);
void vhdb_command_of(pid_t pid, char *name, size_t len);

/* node.c */
int vhdb_create(int argc, char **argv);
int vhdb_remove(int argc, char **argv);
void vhdb_node_list(const struct vhdb_lives *lives);

/* live.c */
int vhdb_list(int argc, char **argv);
int vhdb_stat(int argc, char **argv);
int vhdb_resize(int argc, char **argv);

/* run.c */
int vhdb_run(int argc, char **argv);

#endif /* VHDB_H */
