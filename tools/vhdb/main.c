// SPDX-License-Identifier: GPL-2.0
/* vhdb: the command-line tool of vhost-doorbell. */
#include <stdlib.h>
#include <string.h>

#include "vhdb.h"

#ifndef VHDB_VERSION
#define VHDB_VERSION	"1"
#endif

static const char help[] =
"Usage: vhdb info\n"
"       vhdb list\n"
"       vhdb stat [-i SECONDS [-n TIMES]] [DEVICE]\n"
"       vhdb resize DEVICE\n"
"       vhdb create NAME --blk DISK [--owner USER[:GROUP]] [--mode MODE]\n"
"       vhdb remove NAME\n"
"       vhdb run [--stats FILE] [-q] --blk DISK [--blk DISK]... -- QEMU ARGUMENT...\n"
"\n"
"info   shows what the driver can do: limits, back ends, features.\n"
"\n"
"list   shows the devices in use: number, process, what they serve; and the nodes.\n"
"\n"
"stat   shows their counters; with -i, what they do in a second, each so many\n"
"       seconds.\n"
"\n"
"resize tells a device, by its number or its node's name, that its image or block\n"
"       device has grown.\n"
"\n"
"create makes /dev/vhost-doorbell/NAME: whoever opens it, as QEMU does by\n"
"       vhostdev=PATH, has DISK attached. One at a time.\n"
"\n"
"remove removes it again, if nobody has it open.\n"
"\n"
"run    attaches each DISK to a device of the driver, adds the options that give\n"
"       it to the guest, prints the whole line and runs it. QEMU 8 or later.\n"
"\n"
"  --blk PATH[,OPTION]...   PATH: block device or raw image (',' is written ',,')\n"
"      ro                   the guest may only read it\n"
"      queues=N             number of queues; as many as the guest has CPUs is best\n"
"      queue-size=N         descriptors in a queue, a power of two\n"
"      packed=on            offer packed rings, which are less work for both sides\n"
"      serial=TEXT          the disk's serial number, up to 20 bytes\n"
"      bs=N                 logical block size: 512 to 4096\n"
"      discard=off          do not offer to give unused space back to the storage\n"
"      iops=N, bps=N        requests and bytes a second at the most; bps takes k, M, G\n"
"      iops-burst=N, bps-burst=N   so many at once after a pause\n"
"      poll=US              look out for requests for so long, in microseconds, before\n"
"                           the guest has to ring; it takes CPU time while busy\n"
"      workers=shared|queue one thread for the disk, or one for each queue\n"
"      completion=end_io|worker   who completes a request: the interrupt, or the thread\n"
"      direct=on|off        an image: bypass the page cache, or use it; by default\n"
"                           it's bypassed where the file system can\n"
"      share=on             do not insist on being the only user of PATH\n"
"      id=NAME              blk0, blk1, ... by default\n"
"  --net TAP[,OPTION]...    TAP: a tap interface, made if there is none; run only\n"
"      mac=ADDRESS          the guest's address; without it, the guest makes one up\n"
"      mtu=N                the interface's MTU, which the guest is told\n"
"      pps=N, bps=N         packets and bytes a second at the most; bps takes k, M, G\n"
"      queue-size=N, packed=on, poll=US, id=NAME   as above; net0, net1, ... by default\n"
"  --owner USER[:GROUP]     whose the node is: root's, unless udev's rule says other\n"
"  --mode MODE              its permissions, octal; 0600, or 0660 with a GROUP\n"
"  --stats FILE             stay, and write the driver's counters to FILE ('-': stderr)\n"
"                           when QEMU ends, and when SIGUSR1 comes\n"
"  -q, --quiet              do not print the line\n"
"\n"
"A disk's options are added at the end: -device vhost-vdpa-device-pci. To choose\n"
"the device's options yourself, write it with %NAME% in place of the path:\n"
"\n"
"  vhdb run --blk /dev/vg/root,queues=2 -- qemu-system-x86_64 -accel kvm -m 2G \\\n"
"      -device vhost-vdpa-device-pci,vhostdev=%blk0%,bootindex=0\n"
"\n"
"Exit status: 0 all is well, 1 driver or disk failed, 2 wrong usage, 126 QEMU cannot\n"
"be run, 127 there is no such program; otherwise QEMU's own (with --stats, 128 and\n"
"the signal's number if a signal ended it).\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "info", vhdb_info },
	{ "list", vhdb_list },
	{ "stat", vhdb_stat },
	{ "resize", vhdb_resize },
	{ "create", vhdb_create },
	{ "remove", vhdb_remove },
	{ "run", vhdb_run },
};

/* Output that was lost (a full disk, say) is a failure, too. */
static int finish(int status)
{
	if (fflush(stdout) && !status) {
		vhdb_error("cannot write the output");
		return VHDB_EXIT_FAILURE;
	}
	return status;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		fputs(help, stderr);
		return VHDB_EXIT_USAGE;
	}

	for (i = 1; i < (size_t)argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(help, stdout);
			return finish(0);
		}
	}
	if (!strcmp(argv[1], "--version")) {
		printf("vhdb %s, interface version %d\n", VHDB_VERSION,
		       VHOST_DOORBELL_ABI_VERSION);
		return finish(0);
	}

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return finish(commands[i].run(argc - 1, argv + 1));
	}
	vhdb_error("unknown command '%s'", argv[1]);
	vhdb_hint("`vhdb --help` shows what there is");
	return VHDB_EXIT_USAGE;
}
