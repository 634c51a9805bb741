// SPDX-License-Identifier: GPL-2.0
/*
 * Named nodes: /dev/vhost-doorbell/NAME, for clients that open paths. What a
 * node is to serve is set in configfs (configfs.c); once it is enabled, whoever
 * opens it has a device that is attached already, one at a time, and a new one
 * each time.
 *
 * Enabling opens what is to be served, once, with the enabling process's rights.
 * That file is kept as long as the node is enabled: who opens the node needs no
 * right to it, and a path that means another file by then changes nothing.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "device.h"
#include "node.h"

static dev_t first;		/* of VHDB_NODES_MAX numbers */
static struct cdev cdev;

static struct class class = {
	.name = "vhost-doorbell",
};

/* Where devtmpfs makes the node, and whose it is. */
static char *node_devnode(VHDB_DEVNODE_CONST struct device *device,
			  umode_t *mode, kuid_t *uid, kgid_t *gid)
{
	const struct vhdb_node *node = dev_get_drvdata(device);

	/* Left alone, it is root's, and udev's rule knows that nobody said. */
	if (mode && node->mode)
		*mode = node->mode;
	if (uid)
		*uid = node->owner.uid;
	if (gid)
		*gid = node->owner.gid;
	return kasprintf(GFP_KERNEL, "vhost-doorbell/%s", dev_name(device));
}

static const struct device_type type = {
	.name = "vhost-doorbell",
	.devnode = node_devnode,
};

static void release_device(struct device *device)
{
	kfree(device);
}

static int add_device(struct vhdb_node *node)
{
	struct device *device = kzalloc(sizeof(*device), GFP_KERNEL);
	int err;

	if (!device)
		return -ENOMEM;
	device_initialize(device);
	device->class = &class;
	device->type = &type;
	device->devt = MKDEV(MAJOR(first), node->minor);
	device->release = release_device;
	dev_set_drvdata(device, node);
	err = dev_set_name(device, "%s", config_item_name(&node->item));
	if (!err)
		err = device_add(device);
	if (err) {
		put_device(device);
		return err;
	}
	node->device = device;
	return 0;
}

/* What @node serves, opened. */
static struct file *open_path(const struct vhdb_node *node)
{
	bool readonly = node->arg.flags & VHOST_DOORBELL_ATTACH_RO;
	struct path path;
	umode_t mode;
	int err;

	/*
	 * A pipe or a character device is refused by ATTACH; but to open one may
	 * wait, or start something. So that it is not tried.
	 */
	err = kern_path(node->path, LOOKUP_FOLLOW, &path);
	if (err)
		return ERR_PTR(err);
	mode = d_inode(path.dentry)->i_mode;
	path_put(&path);
	if (!S_ISREG(mode) && !S_ISBLK(mode) && !S_ISDIR(mode))
		return ERR_PTR(-ENOTBLK);
	/* O_EXCL: a block device is claimed, and not mounted meanwhile. */
	return filp_open(node->path, (readonly ? O_RDONLY : O_RDWR) | O_EXCL |
			 O_LARGEFILE, 0);
}

/* A device as after ATTACH. @file: as there */
static struct vhdb_device *create_attached(const struct vhost_doorbell_attach *arg,
					   struct file *file)
{
	struct vhdb_device *dev = vhdb_device_create();
	int err;

	if (IS_ERR(dev))
		return dev;
	mutex_lock(&dev->mutex);
	err = vhdb_device_attach(dev, arg, file);
	mutex_unlock(&dev->mutex);
	if (err) {
		vhdb_device_destroy(dev);
		return ERR_PTR(err);
	}
	return dev;
}

static void drop_backing(struct vhdb_node *node)
{
	if (node->file)
		fput(node->file);
	node->file = NULL;
	if (node->backend)
		vhdb_backend_put(node->backend);
	node->backend = NULL;
}

/* Attaches a device on trial, and keeps what is needed for more like it. */
static int try_backing(struct vhdb_node *node)
{
	struct file *file = NULL;
	struct vhdb_device *dev;
	int err;

	if (node->path) {
		file = open_path(node);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	dev = create_attached(&node->arg, file);
	err = PTR_ERR_OR_ZERO(dev);
	if (!err) {
		node->file = dev->file ? get_file(dev->file) : NULL;
		/* What can be opened stays so: its module does not go. */
		__module_get(dev->backend->owner);
		node->backend = dev->backend;
		vhdb_device_destroy(dev);
	}
	if (file)
		fput(file);
	return err;
}

/**
 * vhdb_node_enable() - make the device node
 * @node: the node
 *
 * Context: process, whose rights and open files are used.
 * Return: 0; -EBUSY if it is enabled, or being enabled; the errors of open(2)
 * and of ATTACH.
 */
int vhdb_node_enable(struct vhdb_node *node)
{
	int err = 0;

	mutex_lock(&node->lock);
	if (node->state == VHDB_NODE_OFF)
		node->state = VHDB_NODE_TRYING;
	else
		err = -EBUSY;
	mutex_unlock(&node->lock);
	if (err)
		return err;

	/* Without the lock: this may take long, and may open another node. */
	err = try_backing(node);

	mutex_lock(&node->lock);
	/* Who opens it at once waits for the lock. */
	if (!err)
		err = add_device(node);
	if (err)
		drop_backing(node);
	node->state = err ? VHDB_NODE_OFF : VHDB_NODE_ON;
	mutex_unlock(&node->lock);
	return err;
}

/**
 * vhdb_node_disable() - remove the device node
 * @node: the node
 *
 * Not enabled is fine.
 *
 * Context: process.
 * Return: 0; -EBUSY while it is open, or being enabled.
 */
int vhdb_node_disable(struct vhdb_node *node)
{
	int err = 0;

	mutex_lock(&node->lock);
	if (node->opener || node->state == VHDB_NODE_TRYING) {
		err = -EBUSY;
	} else if (node->state == VHDB_NODE_ON) {
		device_unregister(node->device);
		node->device = NULL;
		drop_backing(node);
		node->state = VHDB_NODE_OFF;
	}
	mutex_unlock(&node->lock);
	return err;
}

/* One at a time. */
static int take(struct vhdb_node *node)
{
	int err = 0;

	mutex_lock(&node->lock);
	if (node->state != VHDB_NODE_ON)
		err = -ENXIO;
	else if (node->opener)
		err = -EBUSY;
	else
		node->opener = get_pid(task_tgid(current));
	mutex_unlock(&node->lock);
	return err;
}

static void give_back(struct vhdb_node *node)
{
	mutex_lock(&node->lock);
	put_pid(node->opener);
	node->opener = NULL;
	mutex_unlock(&node->lock);
}

/**
 * vhdb_node_closed() - the file of a node was released
 * @node: the node; free for the next one, or for rmdir
 *
 * Context: process; the device is destroyed.
 */
void vhdb_node_closed(struct vhdb_node *node)
{
	give_back(node);
	/* Last: rmdir may have it now. */
	vhdb_node_unhold(node);
}

static struct vhdb_device *open_node(struct vhdb_node *node)
{
	struct vhost_doorbell_attach arg;
	struct vhdb_device *dev;
	int err = take(node);

	if (err)
		return ERR_PTR(err);
	/* The file is there already; the number was another process's. */
	arg = node->arg;
	arg.fd = -1;
	dev = create_attached(&arg, node->file);
	if (IS_ERR(dev))
		give_back(node);
	else
		dev->node = node;
	return dev;
}

/* From here on it is a file like the control node's. */
static int become(struct inode *inode, struct file *file,
		  struct vhdb_device *dev)
{
	const struct file_operations *attached = &vhdb_fops;

	file->private_data = dev;
	replace_fops(file, fops_get(attached));
	return nonseekable_open(inode, file);
}

/**
 * vhdb_open_attached() - open(2) of a back end's own device node
 * @inode: the node
 * @file: the file that is opened
 * @arg: as for ATTACH
 *
 * Context: process.
 * Return: 0 or the errors of ATTACH.
 */
int vhdb_open_attached(struct inode *inode, struct file *file,
		       const struct vhost_doorbell_attach *arg)
{
	struct vhdb_device *dev = create_attached(arg, NULL);

	return IS_ERR(dev) ? PTR_ERR(dev) : become(inode, file, dev);
}
EXPORT_SYMBOL_GPL(vhdb_open_attached);

static int fop_open(struct inode *inode, struct file *file)
{
	struct vhdb_node *node = vhdb_node_hold(iminor(inode));
	struct vhdb_device *dev;

	if (IS_ERR(node))
		return PTR_ERR(node);
	dev = open_node(node);
	if (IS_ERR(dev)) {
		vhdb_node_unhold(node);
		return PTR_ERR(dev);
	}
	return become(inode, file, dev);
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = fop_open,
	.llseek = noop_llseek,
};

/**
 * vhdb_nodes_init() - at module init
 *
 * Context: process.
 * Return: 0 or -errno.
 */
int __init vhdb_nodes_init(void)
{
	int err = class_register(&class);

	if (err)
		return err;
	err = alloc_chrdev_region(&first, 0, VHDB_NODES_MAX, class.name);
	if (err)
		goto err_class;
	/* Before the numbers can be opened: see vhdb_node_hold(). */
	err = vhdb_configfs_init();
	if (err)
		goto err_region;
	cdev_init(&cdev, &fops);
	cdev.owner = THIS_MODULE;
	err = cdev_add(&cdev, first, VHDB_NODES_MAX);
	if (err)
		goto err_configfs;
	return 0;

err_configfs:
	vhdb_configfs_exit();
err_region:
	unregister_chrdev_region(first, VHDB_NODES_MAX);
err_class:
	class_unregister(&class);
	return err;
}

/**
 * vhdb_nodes_exit() - at module exit
 *
 * Context: process; there is no node: each holds a reference on the module.
 */
void vhdb_nodes_exit(void)
{
	cdev_del(&cdev);
	vhdb_configfs_exit();
	unregister_chrdev_region(first, VHDB_NODES_MAX);
	class_unregister(&class);
}
