/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Named nodes: folders of configfs that make device nodes. As in vhdb_dev.h: 0
 * (or a value) is success, -errno failure.
 */
#ifndef VHDB_NODE_H
#define VHDB_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/vhost_doorbell.h>

#define VHDB_NODES	"/sys/kernel/config/vhost-doorbell"
#define VHDB_NODE_DIR	"/dev/vhost-doorbell"

/* Can nodes be made? Mounts configfs where it is not. */
bool vhdb_nodes_present(void);

int vhdb_node_make(const char *name);
int vhdb_node_remove(const char *name);
/* One write of @len bytes, or of a text */
int vhdb_node_write(const char *name, const char *attr, const void *data,
		    size_t len);
int vhdb_node_set(const char *name, const char *attr, const char *text);
/* What it reads, without the newline; an empty text if it can't be read */
void vhdb_node_get(const char *name, const char *attr, char *text, size_t len);
/* All that ATTACH would get, its fd, too; and then enable */
int vhdb_node_set_attach(const char *name,
			 const struct vhost_doorbell_attach *attach);
int vhdb_node_enable(const char *name,
		     const struct vhost_doorbell_attach *attach);
/* Is there a device node? */
bool vhdb_node_exists(const char *name);
/* Open it: the file descriptor, or -errno */
int vhdb_node_open(const char *name);

#endif /* VHDB_NODE_H */
