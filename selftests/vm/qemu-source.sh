# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How setup gets the source package of QEMU, of a newer distribution than the
# machine's. To be sourced by setup, whose functions are used.
#
# shellcheck disable=SC2154

# The distribution whose package it is.
QEMU_SUITE=trixie

# The machine's entries, as sources of that one.
qemu_entries()
{
	local suite dir=$1

	suite=$(codename)
	mkdir -p "$dir"
	[ ! -f "$APT/sources/debian.sources" ] ||
		awk -v RS= -v ORS='\n\n' '!/backports/' "$APT/sources/debian.sources" |
		sed "s/^Types:.*/Types: deb-src/; /^Suites:/s/$suite/$QEMU_SUITE/g" \
			>"$dir/debian.sources"
	[ ! -f "$APT/sources/debian.list" ] ||
		sed -n "/backports/d; s/^deb /deb-src /; s/ $suite/ $QEMU_SUITE/p" \
			"$APT/sources/debian.list" >"$dir/debian.list"
}

# The lists are apart from those that programs are chosen from.
qemu_apt()
{
	apt_get -o Dir::Etc::sourceparts="$APT/qemu/sources" \
		-o Dir::State::lists="$APT/qemu/lists" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

qemu_update()
{
	say "reading the archive's list of $QEMU_SUITE's sources"
	if qemu_apt -o APT::Update::Error-Mode=any update >"$APT/update.log" 2>&1; then
		touch "$APT/qemu/updated"
		return
	fi
	grep -E '^[EW]:' "$APT/update.log" >&2 || tail -n 5 "$APT/update.log" >&2
	return 1
}

# As source/qemu: the package's files and its version.
qemu_source_fetch()
{
	local version dest

	mkdir -p "$APT/qemu/lists/partial" "$VHDB_CACHE/source"
	qemu_entries "$APT/qemu/sources"
	if [ -z "$(find "$APT/qemu/updated" -mtime -1 2>/dev/null)" ]; then
		qemu_update || return
	fi
	version=$(qemu_apt --print-uris source qemu 2>/dev/null |
		sed -n "s/.*' qemu_\([^ ]*\)\.dsc .*/\1/p")
	if [ -z "$version" ]; then
		warn "the archive's $QEMU_SUITE has no source package qemu"
		return 1
	fi
	if have source/qemu "$version"; then
		return
	fi
	dest=$VHDB_CACHE/source/$(key qemu "$version")
	cleanup
	mkdir -p "$TMP/source"
	say "downloading qemu $version, 40 MB"
	(cd "$TMP/source" && qemu_apt --download-only source qemu >"$APT/download.log" 2>&1) || {
		grep '^E:' "$APT/download.log" >&2 || tail -n 5 "$APT/download.log" >&2
		return 1
	}
	printf '%s\n' "$version" >"$TMP/source/version"
	rm -rf "$dest"
	mv -T "$TMP/source" "$dest"
	tree_link source/qemu "$dest"
}
