/* plugin.c - what a guest does between two marks, for `cargo xtask profile`: a plugin for QEMU's code generator.
 *
 * Programs mark with two no-ops that no compiler emits (../peer/programs/pb.h). Between them it counts, by block of
 * translated code, how often it was executed and translated, and from which block to which QEMU had to look for the next one:
 * a direct branch within a page is chained, all others are found in a hash table, and after some instructions QEMU returns to
 * its main loop. The file that the argument `out` names gets, for each stretch between two marks,
 *
 *     section
 *     block ADDRESS INSTRUCTIONS EXECUTIONS TRANSLATIONS
 *     look KIND FROM TO TIMES            (KIND: page, indirect, exit; FROM and TO are addresses of blocks)
 *     event NAME TIMES
 *
 * With -icount all CPUs run in one thread of QEMU, so that nothing is locked here, and runs repeat exactly. */
#include "qemu_plugin.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = PLUGIN_INTERFACE;

enum { BUCKETS = 1 << 16, MOST_CPUS = 64 };
static const uint32_t BEGIN = 0x6e310000; /* xoris 17,17,0 */
static const uint32_t END = 0x6e520000;   /* xoris 18,18,0 */
static const uint64_t PAGE = ~(uint64_t)0xfff;

/* Instructions that are told by name: what they cost on QEMU is not the instruction. */
static const struct { const char *name; uint32_t mask, value; } EVENTS[] = {
	{ "call", 0xffffffff, 0x44000002 },
	{ "hypercall", 0xffffffff, 0x44000022 },
	{ "rfid", 0xffffffff, 0x4c000024 },
	{ "isync", 0xffffffff, 0x4c00012c },
	{ "mtmsrd", 0xfc0007ff, 0x7c000164 },
	{ "mtpid", 0xfc1fffff, 0x7c100000 | 48 >> 5 << 11 | 467 << 1 },
	{ "mtdec", 0xfc1fffff, 0x7c160000 | 467 << 1 },
	{ "tlbie", 0xfc0007ff, 0x7c000000 | 306 << 1 },
	{ "tlbiel", 0xfc0007ff, 0x7c000000 | 274 << 1 },
};
enum { KINDS = sizeof EVENTS / sizeof *EVENTS };

/* A block; the same code at the same address is one, however often it is translated. */
struct block {
	struct block *next;
	uint64_t address;
	uint32_t count, first, last;
	uint64_t executions, translations;
	uint8_t events[KINDS];
};

enum kind { CHAINED, CROSSES_PAGE, INDIRECT, EXIT };
static const char *const KIND_NAMES[] = { "", "page", "indirect", "exit" };

/* A way from one block to another that QEMU had to look for. */
struct look {
	struct look *next;
	const struct block *from, *to;
	enum kind kind;
	uint64_t times;
};

static struct block *blocks[BUCKETS];
static struct look *looks[BUCKETS];
static const struct block *latest[MOST_CPUS];
static uint64_t events[KINDS];
static bool watching;
static FILE *out;

static void *make(size_t size)
{
	void *made = calloc(1, size);
	if (!made) {
		fprintf(stderr, "profile: no memory\n");
		exit(1);
	}
	return made;
}

static uint32_t bucket(uint64_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15u >> 48) % BUCKETS;
}

static uint32_t word(const struct qemu_plugin_tb *tb, size_t at)
{
	uint32_t value;
	memcpy(&value, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, at)), sizeof value);
	return value;
}

static struct block *block_of(const struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	uint32_t count = (uint32_t)qemu_plugin_tb_n_insns(tb);
	uint32_t first = word(tb, 0), last = word(tb, count - 1);
	struct block **list = &blocks[bucket(address)];
	for (struct block *block = *list; block; block = block->next)
		if (block->address == address && block->count == count && block->first == first && block->last == last)
			return block;
	struct block *block = make(sizeof *block);
	*block = (struct block){ .next = *list, .address = address, .count = count, .first = first, .last = last };
	for (size_t at = 0; at < count; at++)
		for (int kind = 0; kind < KINDS; kind++)
			if ((word(tb, at) & EVENTS[kind].mask) == EVENTS[kind].value && block->events[kind] < UINT8_MAX)
				block->events[kind]++;
	return *list = block;
}

/* Where the direct branch at the end of a block leads to. */
static uint64_t target(const struct block *block)
{
	uint64_t at = block->address + 4 * (block->count - 1);
	int64_t distance = block->last >> 26 == 18 ? (int32_t)(block->last << 6) >> 6 : (int16_t)block->last;
	distance &= ~(int64_t)3;
	return block->last & 2 ? (uint64_t)distance : at + (uint64_t)distance;
}

/* How QEMU gets from one block to the next that is executed (ppc_tr_tb_stop and gen_goto_tb in its target/ppc/translate.c). */
static enum kind kind_of(const struct block *from, const struct block *to)
{
	uint32_t last = from->last, operation = last >> 26, extended = last >> 1 & 0x3ff;
	bool follows = to->address == from->address + 4 * from->count;
	bool near = !((from->address ^ to->address) & PAGE);
	if (operation == 19 && (extended == 16 || extended == 528 || extended == 560) && !follows)
		return INDIRECT;
	if (operation == 19 && (extended == 18 || extended == 150))
		return EXIT; /* rfid, isync */
	if (operation == 31 && (extended == 146 || extended == 178))
		return EXIT; /* mtmsr, mtmsrd */
	/* What is neither behind the block nor where it branches to is an interrupt's. */
	if (!follows && !((operation == 16 || operation == 18) && to->address == target(from)))
		return EXIT;
	return near ? CHAINED : CROSSES_PAGE;
}

static void count_look(const struct block *from, const struct block *to, enum kind kind)
{
	struct look **list = &looks[bucket((uintptr_t)from * 31 + (uintptr_t)to)];
	for (struct look *look = *list; look; look = look->next)
		if (look->from == from && look->to == to && look->kind == kind) {
			look->times++;
			return;
		}
	struct look *look = make(sizeof *look);
	*look = (struct look){ .next = *list, .from = from, .to = to, .kind = kind, .times = 1 };
	*list = look;
}

static void executed(unsigned cpu, void *data)
{
	struct block *block = data;
	if (!watching || cpu >= MOST_CPUS)
		return;
	block->executions++;
	for (int kind = 0; kind < KINDS; kind++)
		events[kind] += block->events[kind];
	if (latest[cpu]) {
		enum kind kind = kind_of(latest[cpu], block);
		if (kind != CHAINED)
			count_look(latest[cpu], block, kind);
	}
	latest[cpu] = block;
}

static void begin(unsigned cpu, void *data)
{
	(void)cpu, (void)data;
	memset(latest, 0, sizeof latest);
	watching = true;
}

/* Tells of a section and forgets it. */
static void end(unsigned cpu, void *data)
{
	(void)cpu, (void)data;
	if (!watching)
		return;
	watching = false;
	fprintf(out, "section\n");
	for (int at = 0; at < BUCKETS; at++) {
		for (struct block *block = blocks[at]; block; block = block->next) {
			if (block->executions || block->translations)
				fprintf(out, "block %" PRIx64 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", block->address,
					block->count, block->executions, block->translations);
			block->executions = block->translations = 0;
		}
		for (struct look *look = looks[at]; look; look = look->next) {
			if (look->times)
				fprintf(out, "look %s %" PRIx64 " %" PRIx64 " %" PRIu64 "\n", KIND_NAMES[look->kind],
					look->from->address, look->to->address, look->times);
			look->times = 0;
		}
	}
	for (int kind = 0; kind < KINDS; kind++) {
		fprintf(out, "event %s %" PRIu64 "\n", EVENTS[kind].name, events[kind]);
		events[kind] = 0;
	}
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	(void)id;
	struct block *block = block_of(tb);
	if (watching)
		block->translations++;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, PLUGIN_NO_REGISTERS, block);
	for (size_t at = 0; at < block->count; at++) {
		uint32_t instruction = word(tb, at);
		if (instruction == BEGIN || instruction == END)
			qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, at), instruction == BEGIN ? begin : end,
							       PLUGIN_NO_REGISTERS, NULL);
	}
}

static void off(plugin_id id, void *data)
{
	(void)id;
	end(0, data);
	fclose(out);
}

EXPORT int qemu_plugin_install(plugin_id id, const struct plugin_machine *machine, int count, char **arguments)
{
	if (!machine->system || count != 1 || strncmp(arguments[0], "out=", 4)) {
		fprintf(stderr, "profile: a plugin for machines, with one argument, out=FILE\n");
		return 1;
	}
	out = fopen(arguments[0] + 4, "w");
	if (!out) {
		perror(arguments[0]);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, off, NULL);
	return 0;
}
