/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: ids and indices, never addresses. The device is told apart by
 * a number made from its address, as it is printed by %p.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vhost_doorbell

#if !defined(VHDB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VHDB_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(vhdb_queue,
		    TP_PROTO(const void *dev, u16 queue),
		    TP_ARGS(dev, queue),
		    TP_STRUCT__entry(__field(const void *, dev)
				     __field(u16, queue)
		    ),
		    TP_fast_assign(__entry->dev = dev;
				   __entry->queue = queue;
		    ),
		    TP_printk("dev=%p queue=%u",
			      __entry->dev, __entry->queue)
);

/* The doorbell was heard. */
DEFINE_EVENT(vhdb_queue, vhdb_kick,
	     TP_PROTO(const void *dev, u16 queue),
	     TP_ARGS(dev, queue)
);

/* A run of the worker begins. */
DEFINE_EVENT(vhdb_queue, vhdb_run,
	     TP_PROTO(const void *dev, u16 queue),
	     TP_ARGS(dev, queue)
);

/* The driver is signalled. */
DEFINE_EVENT(vhdb_queue, vhdb_call,
	     TP_PROTO(const void *dev, u16 queue),
	     TP_ARGS(dev, queue)
);

/* The ring lost its place in memory. */
DEFINE_EVENT(vhdb_queue, vhdb_pause,
	     TP_PROTO(const void *dev, u16 queue),
	     TP_ARGS(dev, queue)
);

/* A buffer was taken from the ring; how many pieces it has. */
TRACE_EVENT(vhdb_pop,
	    TP_PROTO(const void *dev, u16 queue, u16 id, u32 out, u32 in),
	    TP_ARGS(dev, queue, id, out, in),
	    TP_STRUCT__entry(__field(const void *, dev)
			     __field(u16, queue)
			     __field(u16, id)
			     __field(u32, out)
			     __field(u32, in)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->queue = queue;
			   __entry->id = id;
			   __entry->out = out;
			   __entry->in = in;
	    ),
	    TP_printk("dev=%p queue=%u id=%u out=%u in=%u",
		      __entry->dev, __entry->queue, __entry->id, __entry->out, __entry->in)
);

/* A buffer is given back; how many bytes were written to it. */
TRACE_EVENT(vhdb_complete,
	    TP_PROTO(const void *dev, u16 queue, u16 id, u32 len),
	    TP_ARGS(dev, queue, id, len),
	    TP_STRUCT__entry(__field(const void *, dev)
			     __field(u16, queue)
			     __field(u16, id)
			     __field(u32, len)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->queue = queue;
			   __entry->id = id;
			   __entry->len = len;
	    ),
	    TP_printk("dev=%p queue=%u id=%u len=%u",
		      __entry->dev, __entry->queue, __entry->id, __entry->len)
);

/* The driver broke the rules. */
TRACE_EVENT(vhdb_broken,
	    TP_PROTO(const void *dev, u16 queue, int reason),
	    TP_ARGS(dev, queue, reason),
	    TP_STRUCT__entry(__field(const void *, dev)
			     __field(u16, queue)
			     __field(int, reason)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->queue = queue;
			   __entry->reason = reason;
	    ),
	    TP_printk("dev=%p queue=%u reason=%d",
		      __entry->dev, __entry->queue, __entry->reason)
);

#endif /* VHDB_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
