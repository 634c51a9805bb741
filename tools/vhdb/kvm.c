// SPDX-License-Identifier: GPL-2.0
/* Does KVM have what a doorbell needs? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "vhdb.h"

/* Return: 1 if KVM has ioeventfds, 0 if it has not, -errno without a KVM. */
int vhdb_kvm_ioeventfd(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD) > 0;
	close(fd);
	return ret;
}

/* An option of QEMU, which takes one dash or two. */
static bool is_option(const char *word, const char *name)
{
	if (*word++ != '-')
		return false;
	return !strcmp(word, name) || (*word == '-' && !strcmp(word + 1, name));
}

/* The accelerators that a word names, if it is an argument that names any. */
static const char *accelerators(const char *option, const char *word)
{
	const char *at;

	if (is_option(option, "accel"))
		return word;
	if (!is_option(option, "machine") && !is_option(option, "M"))
		return NULL;
	for (at = strstr(word, "accel="); at; at = strstr(at + 1, "accel=")) {
		/* and not the end of another property's name */
		if (at == word || at[-1] == ',')
			return at + strlen("accel=");
	}
	return NULL;
}

/* Is it KVM that a QEMU with these arguments runs on, and nothing else? */
static bool needs_kvm(char *const *argv, size_t argc)
{
	bool kvm = false;
	size_t i;

	for (i = 1; i < argc; i++) {
		const char *name;

		if (is_option(argv[i], "enable-kvm"))
			kvm = true;
		name = i + 1 < argc ? accelerators(argv[i], argv[i + 1]) : NULL;
		if (!name)
			continue;
		/* one of several, "kvm:tcg" or two options: QEMU has a choice */
		if (strcspn(name, ",") != 3 || strncmp(name, "kvm", 3))
			return false;
		kvm = true;
	}
	return kvm;
}

/*
 * Tell whoever is about to run a QEMU on a KVM that cannot do it: QEMU itself
 * only says which capability it misses. Return: 0, or -1 once it has been told.
 */
int vhdb_kvm_check(char *const *argv, size_t argc)
{
	if (!needs_kvm(argv, argc) || vhdb_kvm_ioeventfd())
		return 0;

	vhdb_error("this kernel's KVM has no ioeventfd (KVM_CAP_IOEVENTFD): %s",
		   "QEMU doesn't start on it");
	vhdb_hint("add it with kvm-patches/, boot a stock kernel, or use -accel tcg");
	return -1;
}
