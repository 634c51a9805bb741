/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel modules, for tests that load and unload ours. VHDB_MODULES is the
 * folder where they are; without it they are modprobe's to find.
 */
#ifndef VHDB_MODULE_H
#define VHDB_MODULE_H

#include <stdbool.h>

#define VHDB_MODULE_CORE	"vhost_doorbell"
#define VHDB_MODULE_BLK		"vhost_doorbell_blk"
#define VHDB_MODULE_BELL	"vhost_doorbell_bell"
#define VHDB_MODULE_COPY	"vhost_doorbell_copy"
#define VHDB_MODULE_NET		"vhost_doorbell_net"

/* Users of a module but for the modules that stand on it; 0 if built in */
long vhdb_module_users(const char *name);
bool vhdb_module_loaded(const char *name);
/* Can it be had again once it is gone? */
bool vhdb_module_at_hand(const char *name);
/* 0 or -errno: -EEXIST if it is loaded */
int vhdb_module_load(const char *name);
/* 0 or -errno; see vhdb_module_refused() */
int vhdb_module_delete(const char *name);
/* The same for all modules that stand on it; they are not in use */
int vhdb_module_delete_holders(const char *name);
/* Is this the answer that a module in use gives? */
bool vhdb_module_refused(int ret);

#endif /* VHDB_MODULE_H */
