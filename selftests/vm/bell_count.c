// SPDX-License-Identifier: GPL-2.0
/*
 * bell_count FD: how often the bell that is open there was rung, by its eventfd and
 * by its ioctl; "none" if it is no device yet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/vhost_doorbell.h>

int main(int argc, char **argv)
{
	struct vhost_doorbell_bell_count count = {};

	if (argc != 2)
		return 2;
	if (ioctl(atoi(argv[1]), VHOST_DOORBELL_BELL_COUNT, &count) == 0)
		printf("eventfd %llu ioctl %llu\n",
		       (unsigned long long)count.eventfd,
		       (unsigned long long)count.ioctl);
	else if (errno == ENODEV)
		puts("none");
	else
		perror("bell_count");
	return 0;
}
