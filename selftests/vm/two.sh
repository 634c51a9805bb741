# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two QEMUs at a time, and a guest that moves from one to the other. To be sourced
# by bash, after guest.sh, by what has set
#
#   top     a directory for the files of both
#   out     where "migrated" goes, QEMU's account of each migration
#
# shellcheck disable=SC2034,SC2154

# guest.sh knows one QEMU: the other one's variables are put by.
declare -A by=()
current=a
swap()
{
	local name other=b

	[ "$current" = a ] || other=a
	for name in vhdb_pid watchdog_pid serial_in serial_out qmp_in qmp_out deadline; do
		by[$current.$name]=${!name-}
		printf -v "$name" '%s' "${by[$other.$name]-}"
	done
	current=$other
	work=$top/$current
}

two_open()
{
	mkdir -p "$top/a" "$top/b"
	work=$top/$current
}

# Both end, now.
two_kill()
{
	guest_kill
	vhdb_pid=
	swap
	guest_kill
	vhdb_pid=
}

# migrated: until the migration of the current one is complete
migrated()
{
	local answer i

	for ((i = 0; i < 600; i++)); do
		answer=$(qmp query-migrate) || return
		case $answer in
		*'"status": "completed"'*)
			printf '%s\n' "$answer" >>"$out/migrated"
			return
			;;
		*'"status": "failed"'* | *'"status": "cancelled"'*)
			printf '%s\n' "$answer" >&2
			return 1
			;;
		esac
		sleep 0.2
	done
	echo "not complete: $answer" >&2
	return 1
}

# migrate URI: the current one; until it is complete
migrate()
{
	qmp migrate "{ \"uri\": \"$1\" }" >/dev/null && migrated
}

# migrate_limits MS RATE: how long its guest may stand still (with 0, QEMU does not
# look a second time at what has changed), and bytes a second (0: as fast as it goes)
migrate_limits()
{
	qmp migrate-set-parameters "{ \"downtime-limit\": $1, \"max-bandwidth\": $2 }" >/dev/null
}

# The current one is done with; its guest is at the other one.
leave()
{
	qmp quit >/dev/null || true
	guest_wait || true
	swap
}
