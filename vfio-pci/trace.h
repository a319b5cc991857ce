/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints. The device is a PCI address. */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_mediate

#if !defined(VFIO_PCI_MEDIATE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VFIO_PCI_MEDIATE_TRACE_H

#include <linux/pci.h>
#include <linux/tracepoint.h>
#include <linux/vfio.h>

#include <uapi/linux/vfio_mediate_netlink.h>

#define show_migration_state(state)						\
	__print_symbolic(state,							\
			 { VFIO_DEVICE_STATE_ERROR, "ERROR" },			\
			 { VFIO_DEVICE_STATE_STOP, "STOP" },			\
			 { VFIO_DEVICE_STATE_RUNNING, "RUNNING" },		\
			 { VFIO_DEVICE_STATE_STOP_COPY, "STOP_COPY" },		\
			 { VFIO_DEVICE_STATE_RESUMING, "RESUMING" },		\
			 { VFIO_DEVICE_STATE_RUNNING_P2P, "RUNNING_P2P" },	\
			 { VFIO_DEVICE_STATE_PRE_COPY, "PRE_COPY" },		\
			 { VFIO_DEVICE_STATE_PRE_COPY_P2P, "PRE_COPY_P2P" })

TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_ERROR);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_STOP);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_RUNNING);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_STOP_COPY);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_RESUMING);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_RUNNING_P2P);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_PRE_COPY);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_PRE_COPY_P2P);

#define show_trap(trap)								\
	__print_symbolic(trap,							\
			 { VFIO_MEDIATE_TRAP_STATE_OFF, "off" },		\
			 { VFIO_MEDIATE_TRAP_STATE_SHADOW, "shadow" },		\
			 { VFIO_MEDIATE_TRAP_STATE_EXACT, "exact" })

TRACE_DEFINE_ENUM(VFIO_MEDIATE_TRAP_STATE_OFF);
TRACE_DEFINE_ENUM(VFIO_MEDIATE_TRAP_STATE_SHADOW);
TRACE_DEFINE_ENUM(VFIO_MEDIATE_TRAP_STATE_EXACT);

#define show_holders(holders)							\
	__print_flags(holders, "|",						\
		      { VFIO_MEDIATE_TRAP_HOLDER_VENDOR, "vendor" },		\
		      { VFIO_MEDIATE_TRAP_HOLDER_VMM, "vmm" },			\
		      { VFIO_MEDIATE_TRAP_HOLDER_TRACKER, "tracker" })

TRACE_DEFINE_ENUM(VFIO_MEDIATE_TRAP_HOLDER_VENDOR);
TRACE_DEFINE_ENUM(VFIO_MEDIATE_TRAP_HOLDER_VMM);
TRACE_DEFINE_ENUM(VFIO_MEDIATE_TRAP_HOLDER_TRACKER);

#define show_reset(kind)							\
	__print_symbolic(kind,							\
			 { VFIO_MEDIATE_RESET_KIND_FUNCTION, "function" },	\
			 { VFIO_MEDIATE_RESET_KIND_STATE_LOSS, "state-loss" },	\
			 { VFIO_MEDIATE_RESET_KIND_STATE_LOST, "state-lost" })

TRACE_DEFINE_ENUM(VFIO_MEDIATE_RESET_KIND_FUNCTION);
TRACE_DEFINE_ENUM(VFIO_MEDIATE_RESET_KIND_STATE_LOSS);
TRACE_DEFINE_ENUM(VFIO_MEDIATE_RESET_KIND_STATE_LOST);

/* A change of the migration state; how long the device was in the old one */
TRACE_EVENT(state,
	    TP_PROTO(const struct pci_dev *pdev, u32 old, u32 state, u64 ns),
	    TP_ARGS(pdev, old, state, ns),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __field(u32, old)
			     __field(u32, state)
			     __field(u64, ns)),
	    TP_fast_assign(__assign_str(device);
			   __entry->old = old;
			   __entry->state = state;
			   __entry->ns = ns;),
	    TP_printk("device=%s old=%s state=%s ns=%llu",
		      __get_str(device), show_migration_state(__entry->old),
		      show_migration_state(__entry->state), __entry->ns)
);

/* A record of the migration stream was saved, or has come and is to be loaded */
TRACE_EVENT(record,
	    TP_PROTO(const struct pci_dev *pdev, bool load, u32 sequence, u16 type, u32 length),
	    TP_ARGS(pdev, load, sequence, type, length),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __field(bool, load)
			     __field(u32, sequence)
			     __field(u16, type)
			     __field(u32, length)),
	    TP_fast_assign(__assign_str(device);
			   __entry->load = load;
			   __entry->sequence = sequence;
			   __entry->type = type;
			   __entry->length = length;),
	    TP_printk("device=%s direction=%s sequence=%u type=%#x length=%u",
		      __get_str(device), __entry->load ? "load" : "save", __entry->sequence,
		      __entry->type, __entry->length)
);

/* Writes to shadow pages were forwarded to the device */
TRACE_EVENT(drain,
	    TP_PROTO(const struct pci_dev *pdev, bool all, unsigned int writes),
	    TP_ARGS(pdev, all, writes),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __field(bool, all)
			     __field(unsigned int, writes)),
	    TP_fast_assign(__assign_str(device);
			   __entry->all = all;
			   __entry->writes = writes;),
	    TP_printk("device=%s all=%d writes=%u",
		      __get_str(device), __entry->all, __entry->writes)
);

/* The vendor driver has scanned the device; pages that it marked since the last migration */
TRACE_EVENT(scan,
	    TP_PROTO(const struct pci_dev *pdev, int result, u64 pages),
	    TP_ARGS(pdev, result, pages),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __field(int, result)
			     __field(u64, pages)),
	    TP_fast_assign(__assign_str(device);
			   __entry->result = result;
			   __entry->pages = pages;),
	    TP_printk("device=%s result=%d pages=%llu",
		      __get_str(device), __entry->result, __entry->pages)
);

/* The vendor driver has marked memory dirty */
TRACE_EVENT(mark,
	    TP_PROTO(const struct pci_dev *pdev, u64 iova, u64 size),
	    TP_ARGS(pdev, iova, size),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __field(u64, iova)
			     __field(u64, size)),
	    TP_fast_assign(__assign_str(device);
			   __entry->iova = iova;
			   __entry->size = size;),
	    TP_printk("device=%s iova=%#llx size=%#llx",
		      __get_str(device), __entry->iova, __entry->size)
);

/* The state of the trap or its holders have changed */
TRACE_EVENT(trap,
	    TP_PROTO(const struct pci_dev *pdev, u32 trap, u32 holders),
	    TP_ARGS(pdev, trap, holders),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __field(u32, trap)
			     __field(u32, holders)),
	    TP_fast_assign(__assign_str(device);
			   __entry->trap = trap;
			   __entry->holders = holders;),
	    TP_printk("device=%s trap=%s holders=%s",
		      __get_str(device), show_trap(__entry->trap), show_holders(__entry->holders))
);

/* Something was refused or has failed */
TRACE_EVENT(refused,
	    TP_PROTO(const struct pci_dev *pdev, const char *what, const char *reason,
		     int error),
	    TP_ARGS(pdev, what, reason, error),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __string(what, what)
			     __string(reason, reason)
			     __field(int, error)),
	    TP_fast_assign(__assign_str(device);
			   __assign_str(what);
			   __assign_str(reason);
			   __entry->error = error;),
	    TP_printk("device=%s what=%s error=%d reason=\"%s\"",
		      __get_str(device), __get_str(what), __entry->error, __get_str(reason))
);

/* The device was reset */
TRACE_EVENT(reset,
	    TP_PROTO(const struct pci_dev *pdev, u32 kind, unsigned int generation,
		     bool unexpected),
	    TP_ARGS(pdev, kind, generation, unexpected),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __field(u32, kind)
			     __field(unsigned int, generation)
			     __field(bool, unexpected)),
	    TP_fast_assign(__assign_str(device);
			   __entry->kind = kind;
			   __entry->generation = generation;
			   __entry->unexpected = unexpected;),
	    TP_printk("device=%s kind=%s generation=%u unexpected=%d",
		      __get_str(device), show_reset(__entry->kind), __entry->generation,
		      __entry->unexpected)
);

/* The vendor driver has gone while the device was open */
TRACE_EVENT(detach,
	    TP_PROTO(const struct pci_dev *pdev, const char *vendor),
	    TP_ARGS(pdev, vendor),
	    TP_STRUCT__entry(__string(device, pci_name(pdev))
			     __string(vendor, vendor)),
	    TP_fast_assign(__assign_str(device);
			   __assign_str(vendor);),
	    TP_printk("device=%s vendor=%s",
		      __get_str(device), __get_str(vendor))
);

#endif /* VFIO_PCI_MEDIATE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
