/* qemu_plugin.h - what plugin.c uses of QEMU's interface for plugins, version 1 (QEMU 4.2 to 7.2), in our own words.
 *
 * Debian has no package with QEMU's header. A plugin is a shared object that says which version it was written for, and whose
 * qemu_plugin_install is called before the machine starts; see "QEMU TCG Plugins" in QEMU's manual. */
#ifndef QEMU_PLUGIN_H
#define QEMU_PLUGIN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLUGIN_INTERFACE = 1 };

/* Whose callbacks they are. */
typedef uint64_t plugin_id;

/* A block while it is translated, and an instruction of it; valid for the callback only. */
struct qemu_plugin_tb;
struct qemu_plugin_insn;

/* What is emulated: a machine, when `system` says so. */
struct plugin_machine {
	const char *target;
	struct { int least, present; } interface;
	bool system;
	struct { int cpus, most_cpus; } cpus;
};

/* Which of the guest's registers a callback looks at: version 1 gives a plugin no way to do so. */
enum plugin_registers { PLUGIN_NO_REGISTERS };

typedef void (*plugin_executed)(unsigned cpu, void *data);

/* Calls `translated` for each block that is translated. */
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*translated)(plugin_id id, struct qemu_plugin_tb *block));
/* Calls `executed` before each execution of a block, or of an instruction; in `translated` only. */
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, plugin_executed executed,
					  enum plugin_registers registers, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction, plugin_executed executed,
					    enum plugin_registers registers, void *data);
/* Calls `ended` when the machine is off. */
void qemu_plugin_register_atexit_cb(plugin_id id, void (*ended)(plugin_id id, void *data), void *data);

/* Where a block begins, how many instructions it has, and one of them. */
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t at);
/* The bytes of an instruction as they stand in the guest's memory. */
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
#endif
