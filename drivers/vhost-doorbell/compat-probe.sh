#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# compat-probe.sh CC [FLAG...]: tells which prototypes this kernel has, by
# compiling a few lines against its headers. Prints a header with one
# VHDB_HAVE_* for each that compiled. Called by Kbuild.

set -u

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

compiles() {
	"$@" -Werror -c -o "$dir/probe.o" "$dir/probe.c" >"$dir/log" 2>&1
}

# have NAME INCLUDE STATEMENT CC FLAG...
have() {
	name=$1
	# Not every header includes what it needs.
	cat >"$dir/probe.c" <<END
#include <linux/types.h>
#include <linux/$2>
void vhdb_probe(void);
void vhdb_probe(void) { $3; }
END
	shift 3
	if compiles "$@"; then
		echo "#define VHDB_HAVE_$name 1"
	fi
}

# Without this a broken command line would look like a very old kernel.
cat >"$dir/probe.c" <<END
#include <linux/module.h>
END
if ! compiles "$@"; then
	echo "compat-probe.sh: nothing compiles with these kernel headers:" >&2
	cat "$dir/log" >&2
	exit 1
fi

echo "/* Made by compat-probe.sh. */"
# 6.2: the devnode() of a struct device_type gets a const device
have DEVNODE_CONST device.h \
	"struct device_type type = { .devnode = (char *(*)(const struct device *, umode_t *, kuid_t *, kgid_t *))NULL }; (void)type" "$@"
# 6.8: eventfd_signal(ctx, n) -> eventfd_signal(ctx)
have EVENTFD_SIGNAL_ONE_ARG eventfd.h "eventfd_signal(NULL)" "$@"
# 6.10: vhost_task_create(fn, handle_sigkill, arg, name), fn returning bool
have VHOST_TASK sched/vhost_task.h \
	"vhost_task_create((bool (*)(void *))NULL, (void (*)(void *))NULL, NULL, \"\")" "$@"
# 6.13: hrtimer_init() and the function -> hrtimer_setup()
have HRTIMER_SETUP hrtimer.h "hrtimer_setup(NULL, NULL, 0, HRTIMER_MODE_ABS)" "$@"
