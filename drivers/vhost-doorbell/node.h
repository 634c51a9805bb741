/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_NODE_H
#define VHDB_NODE_H

#include <linux/configfs.h>
#include <linux/mutex.h>
#include <linux/uidgid.h>

#include <uapi/linux/vhost_doorbell.h>

struct device;
struct file;
struct pid;
struct vhdb_backend;

/* Bytes of a node's name, without the NUL: room for a UUID and some words. */
#define VHDB_NODE_NAME_MAX	63
/* Nodes that there may be: minor numbers. */
#define VHDB_NODES_MAX		1024

/**
 * enum vhdb_node_state - what may be done to a node
 * @VHDB_NODE_OFF: its attributes may be changed
 * @VHDB_NODE_TRYING: between the two, on the way up: neither
 * @VHDB_NODE_ON: it may be opened
 */
enum vhdb_node_state {
	VHDB_NODE_OFF,
	VHDB_NODE_TRYING,
	VHDB_NODE_ON,
};

/**
 * struct vhdb_node - a device with a name, attached by whoever opens it
 *
 * @item: its folder in configfs, and its life
 * @minor: number of its character device, from mkdir to rmdir
 * @lock: guards the rest
 * @state: what may be done
 *
 * Changed in VHDB_NODE_OFF only, and so read without @lock in the others:
 * @arg: what ATTACH is to get; @arg.fd is the enabling process's
 * @path: what to serve; NULL for none
 * @owner: whose the device node is
 * @owner.uid: user
 * @owner.gid: group
 * @mode: permissions of it; 0 for the default
 *
 * Set in VHDB_NODE_ON only:
 * @device: in the driver model, from where devtmpfs and udev have it
 * @file: what it serves; NULL for a back end that serves no file
 * @backend: its back end; its module is held
 * @opener: the process that has opened it; NULL while it is free
 */
struct vhdb_node {
	struct config_item item;
	u32 minor;
	struct mutex lock;	/* below configfs's own */
	enum vhdb_node_state state;

	struct vhost_doorbell_attach arg;
	char *path;
	struct {
		kuid_t uid;
		kgid_t gid;
	} owner;
	umode_t mode;

	struct device *device;
	struct file *file;
	const struct vhdb_backend *backend;
	struct pid *opener;
};

/* node.c */
int vhdb_node_enable(struct vhdb_node *node);
int vhdb_node_disable(struct vhdb_node *node);
void vhdb_node_closed(struct vhdb_node *node);
int vhdb_nodes_init(void);
void vhdb_nodes_exit(void);

/* configfs.c */
struct vhdb_node *vhdb_node_hold(u32 minor);
void vhdb_node_unhold(struct vhdb_node *node);
int vhdb_configfs_init(void);
void vhdb_configfs_exit(void);

#endif /* VHDB_NODE_H */
