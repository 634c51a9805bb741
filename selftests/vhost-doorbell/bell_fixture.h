/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bell with nothing hooked to it yet, and two eventfds, for the tests of the
 * bell. To be included behind the harness and lib/vhdb_bell.h, once.
 */
#ifndef BELL_FIXTURE_H
#define BELL_FIXTURE_H

FIXTURE(bell)
{
	int fd;
	int kick;
	int call;
};

FIXTURE_SETUP(bell)
{
	self->fd = vhdb_bell_open();
	ASSERT_LE(0, self->fd);
	self->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->kick);
	self->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->call);
}

FIXTURE_TEARDOWN(bell)
{
	close(self->fd);
	close(self->kick);
	close(self->call);
}

#endif /* BELL_FIXTURE_H */
