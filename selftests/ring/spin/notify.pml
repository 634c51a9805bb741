/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who wakes whom: the notifications of a virtqueue (virtio 1.3, 2.7.7, 2.7.10,
 * 2.8.10), with the barriers of ring_split.c, ring_packed.c and of a driver, on
 * a machine that orders as little as the barriers leave it.
 *
 * PACKED and EVENT_IDX choose the layout and the kind of wish. A driver sends
 * TOTAL buffers of one descriptor each and waits for all of them. If a wake-up
 * is lost, both sleep, and the driver is in no valid end state. What either
 * reads of a buffer is asserted, too.
 *
 * The machine: a store waits in its process's buffer until the process `memory`
 * writes it, in any order but across a write barrier. A load gives what memory
 * holds now, or what this process saw there before, but across a read barrier.
 */

/* Named like the comments in the engine; the peer's are those of a driver. */
#define DEV_POP		1	/* read: index or flags, then the buffer */
#define DEV_PUBLISH	2	/* write: used elements, then index or flags */
#define DEV_SIGNAL	3	/* full: that, then the driver's wish is read */
#define DEV_NOTIFY	4	/* full: own wish, then the ring is read */
#define DRV_SHOW	5	/* write: the buffer, then index or flags */
#define DRV_KICK	6	/* full: that, then the device's wish is read */
#define DRV_GET		7	/* read: index or flags, then the used element */
#define DRV_ENABLE	8	/* full: own wish, then the ring is read */

c_decl {
\#include <stdlib.h>
}

/* One of them or 0, from the environment: one program for all. */
byte removed;

/* ---- the machine ---- */

#define DRV	0
#define DEV	1

#define NUM	2	/* slots of the ring */

#ifdef PACKED
/* 0, 1: flags of the slots, AVAIL 1 and USED 2; 2, 3: the rest of them */
#define FLAGS(i)	(i)
#define ENTRY(i)	(2 + (i))
#define KICK_WISH	4
#define CALL_WISH	5
#define VARS		6
#else
#define AVAIL_IDX	0
#define USED_IDX	1
#define KICK_WISH	2
#define CALL_WISH	3
#define ENTRY(i)	(4 + (i))
#define USED(i)		(6 + (i))
#define VARS		8
/* Indices count up to a multiple of the size, as 2^16 is one. */
#define INDEX(i)	((i) & 3)
#endif

/* 0 everywhere: at first nobody wishes anything but where 0 is a position. */
byte mem[VARS];
/* of each process: */
byte seen[2 * VARS];
bool waits[2 * VARS];
byte store[2 * VARS];
byte epoch[2 * VARS];	/* write barriers before it */
byte era[2], waiting[2];
hidden byte v_;

#define AT(p, v)	((p) * VARS + (v))

inline put(p, v, val)
{
	/* What waits in front of a barrier is not overwritten behind it. */
	atomic {
		(!waits[AT(p, v)] || epoch[AT(p, v)] == era[p]);
		if
		:: waits[AT(p, v)] -> skip
		:: else -> waits[AT(p, v)] = true; waiting[p]++
		fi;
		store[AT(p, v)] = val;
		epoch[AT(p, v)] = era[p]
	}
}

inline get(p, v, val)
{
	atomic {
		if
		:: waits[AT(p, v)] -> val = store[AT(p, v)]
		:: !waits[AT(p, v)] -> val = seen[AT(p, v)]
		:: !waits[AT(p, v)] && seen[AT(p, v)] != mem[v] ->
			seen[AT(p, v)] = mem[v];
			val = mem[v]
		fi
	}
}

/* Loads behind it see at least what is in memory now. */
inline fresh(p)
{
	d_step {
		v_ = 0;
		do
		:: v_ < VARS ->
			if
			:: waits[AT(p, v_)] -> seen[AT(p, v_)] = store[AT(p, v_)]
			:: else -> seen[AT(p, v_)] = mem[v_]
			fi;
			v_++
		:: else -> break
		od;
		v_ = 0
	}
}

inline rmb(p, barrier)
{
	if
	:: removed != barrier -> fresh(p)
	:: else
	fi
}

inline wmb(p, barrier)
{
	if
	:: atomic { removed != barrier && waiting[p] -> era[p]++ }
	:: else
	fi
}

inline mb(p, barrier)
{
	if
	:: atomic { removed != barrier -> (!waiting[p]); fresh(p) }
	:: else
	fi
}

inline written(p, v)
{
	d_step {
		mem[v] = store[AT(p, v)];
		seen[AT(p, v)] = mem[v];
		store[AT(p, v)] = 0;
		epoch[AT(p, v)] = 0;
		waits[AT(p, v)] = false;
		waiting[p]--;
		if
		:: !waiting[p] -> era[p] = 0
		:: else
		fi
	}
}

/* Is nothing of an earlier epoch still waiting? */
#define OLDER(p, v, w)	(waits[AT(p, w)] && epoch[AT(p, w)] < epoch[AT(p, v)])
#define FIRST4(p, v)	(!OLDER(p, v, 0) && !OLDER(p, v, 1) && \
			 !OLDER(p, v, 2) && !OLDER(p, v, 3))
#ifdef PACKED
#define FIRST(p, v)	(FIRST4(p, v) && !OLDER(p, v, 4) && !OLDER(p, v, 5))
#else
#define FIRST(p, v)	(FIRST4(p, v) && !OLDER(p, v, 4) && !OLDER(p, v, 5) && \
			 !OLDER(p, v, 6) && !OLDER(p, v, 7))
#endif

#define WRITE(p, v) \
	:: atomic { waits[AT(p, v)] && FIRST(p, v) -> written(p, v) }

proctype memory()
{
end:
	do
	WRITE(DRV, 0) WRITE(DRV, 1) WRITE(DRV, 2) WRITE(DRV, 3)
	WRITE(DRV, 4) WRITE(DRV, 5)
	WRITE(DEV, 0) WRITE(DEV, 1) WRITE(DEV, 2) WRITE(DEV, 3)
	WRITE(DEV, 4) WRITE(DEV, 5)
#ifndef PACKED
	WRITE(DRV, 6) WRITE(DRV, 7) WRITE(DEV, 6) WRITE(DEV, 7)
#endif
	od
}

/* ---- the protocol ---- */

/* A position: split: an index; packed: a slot and its wrap counter. */
#define POS(n)		((n) & 3)
#define SLOT(n)		((n) & 1)
#ifdef PACKED
/* 2.8.1: the wrap counter is 1 at first */
#define IS_AVAIL(n)	(((n) & 2) -> 2 : 1)
#define IS_USED(n)	(((n) & 2) -> 0 : 3)
#endif

/* What the one who may be woken wishes: nothing, each time, at a position. */
#define OFF		0
#define ON		1
#define AT_POS(n)	(2 + POS(n))

/* 2.7.7.2, 2.8.10: is the wish met by the @nr positions up to @n? */
#define MET(wish, n, nr) \
	(wish == ON || (wish >= 2 && POS((n) - (wish - 2) - 1) < (nr)))

#ifdef EVENT_IDX
#define NEXT_WISH(n)	AT_POS(n)
#else
#define NEXT_WISH(n)	ON
#endif

/* With event indices, a split ring's wish stays where it was (2.7.10.2). */
inline wish_off(p, v)
{
#if defined(PACKED) || !defined(EVENT_IDX)
	put(p, v, OFF)
#else
	skip
#endif
}

/* eventfds: who reads it sees what was written before. */
bool kick, call;

inline sleep(p, event)
{
	atomic {
		event -> event = false;
		fresh(p)
	}
}

/* Is there a buffer at @n for the device? */
inline available(n, there)
{
#ifdef PACKED
	get(DEV, FLAGS(SLOT(n)), x);
	there = (x == IS_AVAIL(n))
#else
	get(DEV, AVAIL_IDX, x);
	there = (x != POS(n))
#endif
}

inline used(n, there)
{
#ifdef PACKED
	get(DRV, FLAGS(SLOT(n)), x);
	there = (x == IS_USED(n))
#else
	get(DRV, USED_IDX, x);
	there = (x != POS(n))
#endif
}

/* ---- the driver ---- */

/* What a used element holds, for a buffer that holds @n. */
#define DONE(n)		(100 + (n))

inline drv_send()
{
	i = 0;
	do
	:: i < nr ->
		put(DRV, ENTRY(SLOT(sent + i)), sent + i);
#ifdef PACKED
		if
		:: i -> put(DRV, FLAGS(SLOT(sent + i)), IS_AVAIL(sent + i))
		:: else
		fi;
#endif
		i++
	:: else -> break
	od;
	wmb(DRV, DRV_SHOW);
#ifdef PACKED
	put(DRV, FLAGS(SLOT(sent)), IS_AVAIL(sent));
#else
	put(DRV, AVAIL_IDX, POS(sent + nr));
#endif
	sent = sent + nr;
	mb(DRV, DRV_KICK);
	get(DRV, KICK_WISH, x);
	if
	:: MET(x, sent, nr) -> kick = true
	:: else
	fi;
	x = 0;
	nr = 0;
	i = 0
}

proctype driver()
{
	byte sent, got, nr, i, x;
	bool there;

	do
	:: sent < TOTAL && sent - got < NUM ->
		if
		:: nr = 1
		:: sent + 1 < TOTAL && sent == got -> nr = 2
		fi;
		drv_send()
	:: sent > got ->
		wish_off(DRV, CALL_WISH);
		do
		:: sent == got -> break
		:: else ->
			used(got, there);
			if
			:: !there -> break
			:: else
			fi;
			rmb(DRV, DRV_GET);
#ifdef PACKED
			get(DRV, ENTRY(SLOT(got)), x);
#else
			get(DRV, USED(SLOT(got)), x);
#endif
			assert(x == DONE(got));
			got++
		od;
		if
		:: got == TOTAL -> break
		:: got < TOTAL && got == sent
		:: got < sent ->
			put(DRV, CALL_WISH, NEXT_WISH(got));
			mb(DRV, DRV_ENABLE);
			used(got, there);
			if
			:: there
			:: else -> sleep(DRV, call)
			fi
		fi;
		x = 0;
		there = false
	od
}

/* ---- the device ---- */

/* vhdb_ring_publish(): of a packed ring the batch's first flags come last. */
inline dev_publish()
{
	i = 0;
	do
	:: pushed + i < popped ->
#ifdef PACKED
		put(DEV, ENTRY(SLOT(pushed + i)), DONE(pushed + i));
		if
		:: i -> put(DEV, FLAGS(SLOT(pushed + i)), IS_USED(pushed + i))
		:: else
		fi;
#else
		put(DEV, USED(SLOT(pushed + i)), DONE(pushed + i));
#endif
		i++
	:: else -> break
	od;
	wmb(DEV, DEV_PUBLISH);
#ifdef PACKED
	put(DEV, FLAGS(SLOT(pushed)), IS_USED(pushed));
#else
	put(DEV, USED_IDX, POS(popped));
#endif
	mb(DEV, DEV_SIGNAL);
	get(DEV, CALL_WISH, x);
	if
	:: MET(x, popped, popped - pushed) -> call = true
	:: else
	fi;
	pushed = popped;
	x = 0;
	i = 0
}

proctype device()
{
	byte popped, pushed, i, x;
	bool there;

	do
	:: wish_off(DEV, KICK_WISH);
		do
		:: available(popped, there);
			if
			:: !there -> break
			:: else
			fi;
			rmb(DEV, DEV_POP);
			get(DEV, ENTRY(SLOT(popped)), x);
			assert(x == popped);
			popped++;
			if
			:: dev_publish()
			:: popped - pushed < NUM
			fi
		od;
		if
		:: popped != pushed -> dev_publish()
		:: else
		fi;
		/* vhdb_ring_enable_notify() */
		put(DEV, KICK_WISH, NEXT_WISH(popped));
		mb(DEV, DEV_NOTIFY);
		available(popped, there);
		x = 0;
		if
		:: there
		:: else ->
end_asleep:		sleep(DEV, kick)
		fi;
		there = false
	od
}

init
{
	atomic {
		c_code {
			const char *number = getenv("REMOVED");

			now.removed = number ? atoi(number) : 0;
		};
		run memory();
		run driver();
		run device()
	}
}
